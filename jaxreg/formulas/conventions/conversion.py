"""λ from one system to another, by way of jaxreg's objective: `λ1` and `λ2` are the same on both sides."""

import difflib
import math
from collections.abc import Sequence
from fractions import Fraction
from numbers import Rational
from typing import Any, NamedTuple

import numpy as np

from jaxreg.formulas.conventions.systems import SYSTEMS, System, Weight

__all__ = ["Penalty", "convert", "describe"]


class Penalty(NamedTuple):
    """λ and the share ρ of the L1 part, in the letters of jaxreg: other systems have other names for them.

    Attributes:
        lam: what the system calls alpha, lambda, regParam …; a number, or an array where one was given.
        l1_ratio: 1 lasso, 0 ridge; what glmnet calls alpha.
    """

    lam: Any
    l1_ratio: Any


def convert(
    lam: Any,
    source: str,
    target: str,
    *,
    l1_ratio: float | None = None,
    alpha: Any = None,
    n: float | None = None,
    y_scale: float | None = None,
    y: Any = None,
    sample_weight: Any = None,
    fit_intercept: bool | None = None,
) -> Penalty:
    """The λ and l1_ratio at which ``target`` has the minimiser that ``source`` has at these.

    X has to be scaled the same way on both sides. Only what changes the result is needed.

    Args:
        lam: the source's `λ ≥ 0`, by whatever name; a number, a Fraction or a sequence.
        source, target: names of systems; :func:`describe` tells what each minimises.
        l1_ratio: the source's share of the L1 part, in [0, 1]. It is 1 where there is no L2 part and 0 where there
            is no L1 part; without it, 1.
        alpha: in the source's own meaning: λ in scikit-learn, and then ``lam`` is None; the share of the L1 part in
            glmnet.
        n: rows; with sample weights their sum `Σs`.
        y_scale: `s_y`, the standard deviation of y as :func:`describe` defines it for the system.
        y: (n,), from which n and y_scale are computed where they are needed and not given.
        sample_weight: (n,), of y.
        fit_intercept: whether y_scale is of y about its mean (there is an intercept) or about 0.

    Returns:
        Penalty(lam, l1_ratio). Fractions give Fractions, and exact round trips; floats are rounded once.

    Raises:
        ValueError: unknown system (near names are listed); λ negative or not finite; l1_ratio outside [0, 1]; something
            that changes the result is missing; the target has no L1 or no L2 part.

    Source: the table :data:`~jaxreg.formulas.conventions.systems.SYSTEMS`.

    Example:
        >>> convert(1.0, "sklearn.Ridge", "jaxreg", n=40)
        Penalty(lam=0.025, l1_ratio=0.0)
        >>> convert(0.5, "glmnet", "sklearn.ElasticNet", l1_ratio=0.5, y_scale=4.0)
        Penalty(lam=0.3125, l1_ratio=0.8)
        >>> convert(0.1, "glmnet", "sklearn.Lasso")  # without an L2 part the scale of y plays no part
        Penalty(lam=0.1, l1_ratio=1.0)
    """
    start, end = _system(source, "source"), _system(target, "target")
    lam, l1_ratio = _named(start, lam, l1_ratio, alpha)
    if isinstance(lam, (Sequence, np.ndarray)) and np.ndim(lam) > 0:
        options = {"n": n, "y_scale": y_scale, "y": y, "sample_weight": sample_weight, "fit_intercept": fit_intercept}
        each = [convert(one, source, target, l1_ratio=l1_ratio, **options) for one in np.asarray(lam).tolist()]
        return Penalty(np.array([one.lam for one in each]), np.array([one.l1_ratio for one in each]))
    strength, share = _number(lam, "lam"), _share(start, l1_ratio)
    parts = (strength * share, strength * (1 - share))
    given = {"n": n, "y_scale": y_scale}
    weights = []
    for part, own, other, name in zip(parts, (start.l1, start.l2), (end.l1, end.l2), ("L1", "L2"), strict=True):
        if part and other is None:
            raise ValueError(_no_part(end, name, part))
        weights.append(_needed(part, own, other))
    for power, name in (("n", "n"), ("y_scale", "y_scale")):
        if any(getattr(weight, power) for weight in weights) and given[name] is None:
            given[name] = _from_y(name, start, end, y, sample_weight, fit_intercept)
    rows, spread = (1 if value is None else _number(value, name) for name, value in given.items())
    for name, value in (("n", rows), ("y_scale", spread)):
        if value == 0:
            raise ValueError(f"{name} is 0; give a positive number.")
    l1, l2 = (
        part * weight.constant * Fraction(rows) ** weight.n * Fraction(spread) ** weight.y_scale
        for part, weight in zip(parts, weights, strict=True)
    )
    total = l1 + l2
    mixing = l1 / total if total else _share(end, None if end.l1 and end.l2 is None else (share if end.l1 else None))
    exact = isinstance(lam, Fraction)
    return Penalty(total if exact else float(total), mixing if exact else float(mixing))


def describe(system: str) -> System:
    """What a system minimises, what it calls λ, and what that is in jaxreg's objective. Print it.

    Args:
        system: its name.

    Raises:
        ValueError: there is no such system; near names are listed.

    Example:
        >>> print(describe("ng"))
        ng minimises  1/(2m) [Σ r² + λ Σ_{j≥1} θ_j²]
        in jaxreg's objective, λ1 Σ|w| + λ2/2 Σ w²:  λ1 = 0,  λ2 = λ/n
        held against: its own formula, minimised in NumPy
    """
    return _system(system, "system")


def _system(name: str, argument: str) -> System:
    if name in SYSTEMS:
        return SYSTEMS[name]
    lower = {known.lower(): known for known in SYSTEMS}
    text = str(name).lower()
    near = [known for low, known in lower.items() if text in low.split(".") or low.split(".")[0] == text]
    near += [lower[low] for low in difflib.get_close_matches(text, lower, n=4, cutoff=0.5)]
    listed = ", ".join(dict.fromkeys(near)) or ", ".join(SYSTEMS)
    raise ValueError(f"{argument} {name!r} is no system that jaxreg knows; {'near' if near else 'known'}: {listed}.")


def _named(system: System, lam: Any, l1_ratio: Any, alpha: Any) -> tuple[Any, Any]:
    """λ and the share, where one of them was given as the source's ``alpha``."""
    if alpha is None:
        if lam is None:
            raise ValueError("lam is missing; give the source's λ.")
        return lam, l1_ratio
    if system.lam == "alpha":
        if lam is not None:
            raise ValueError(f"alpha is the λ of {system.name}: give lam={lam!r} or alpha={alpha!r}, not both.")
        return alpha, l1_ratio
    if system.share == "alpha":
        if l1_ratio is not None:
            raise ValueError(f"alpha is the l1_ratio of {system.name}: give one of the two.")
        if lam is None:
            raise ValueError(f"lam is missing: alpha is the share of the L1 part in {system.name}, not its λ.")
        return lam, alpha
    raise ValueError(f"{system.name} has no alpha: its λ is {system.lam}. Give lam= and l1_ratio=.")


def _number(value: Any, name: str) -> Fraction:
    """An exact number at least 0."""
    if isinstance(value, Rational):
        exact = Fraction(value)
    else:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name} is {value!r}; give a number.") from None
        if not math.isfinite(number):
            raise ValueError(f"{name} is {number}; give a finite number.")
        exact = Fraction(number)
    if exact < 0:
        raise ValueError(f"{name} is {value}; it has to be at least 0.")
    return exact


def _share(system: System, l1_ratio: Any) -> Fraction:
    """ρ of the system, which may have none."""
    if system.l1 is None or system.l2 is None:
        only = Fraction(0 if system.l1 is None else 1)
        if l1_ratio is not None and _number(l1_ratio, "l1_ratio") != only:
            raise ValueError(
                f"l1_ratio is {l1_ratio}, but {system.name} has no {'L1' if only == 0 else 'L2'} part; leave it out."
            )
        return only
    share = Fraction(1) if l1_ratio is None else _number(l1_ratio, "l1_ratio")
    if share > 1:
        raise ValueError(f"l1_ratio is {l1_ratio}; it lies between 0 (ridge) and 1 (lasso).")
    return share


def _needed(part: Fraction, own: Weight | None, other: Weight | None) -> Weight:
    """own / other, and 1 where there is nothing to convert: then nothing is needed."""
    if not part or own is None or other is None:
        return Weight()
    return Weight(own.constant / other.constant, own.n - other.n, own.y_scale - other.y_scale)


def _no_part(system: System, part: str, weight: Fraction) -> str:
    siblings = [
        name for name, other in SYSTEMS.items() if other.l1 and other.l2 and _family(name) == _family(system.name)
    ]
    instead = f" {siblings[0]} has both." if siblings else ""
    return f"{system.name} has no {part} part, and the source's is not 0 (its λ is {float(weight):.6g}).{instead}"


def _family(name: str) -> str:
    return name.split(".")[0]


def _from_y(name: str, start: System, end: System, y: Any, sample_weight: Any, fit_intercept: bool | None) -> float:
    """n or `s_y`, computed from y if that was given."""
    pair = f"from {start.name} to {end.name}"
    if y is None:
        what = "the number of rows, or with weights their sum Σs" if name == "n" else "the standard deviation of y"
        raise ValueError(f"{name} is missing: λ depends on it {pair}. Give {name}= ({what}), or y=.")
    values = np.asarray(y, float)
    weights = np.ones(len(values)) if sample_weight is None else np.asarray(sample_weight, float)
    if values.ndim != 1 or weights.shape != values.shape or not np.isfinite(values).all():
        raise ValueError(
            f"y has the shape {values.shape}, sample_weight {weights.shape}; both have to be (n,) and finite."
        )
    if name == "n":
        return float(weights.sum())
    if fit_intercept is None:
        raise ValueError(
            f"fit_intercept is missing: s_y is about the mean of y with an intercept and about 0 without one ({pair})."
        )
    centre = np.average(values, weights=weights) if fit_intercept else 0.0
    return float(np.sqrt(np.average((values - centre) ** 2, weights=weights)))

"""The loss that would have a given gradient: where the Jacobian is symmetric there is one.

A vector field h is the gradient of a function exactly if its Jacobian is symmetric (Poincaré); the function is then

    φ(x) − φ(0) = ∫₀¹ h(t x)·x dt .
"""

from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxreg.checks.evaluation import NOT_TRACEABLE, each, flat, in_float64
from jaxreg.checks.inputs import Tree
from jaxreg.checks.report import Finding
from jaxreg.checks.subjects import Subject

__all__ = ["implied_by", "integral", "jacobian_asymmetry"]

# Gauss–Legendre nodes on each of a few parts of the ray, so that a kink on it costs one part only.
NODES, PARTS = 8, 16
POINTS = 3


def jacobian_asymmetry(subject: Subject, points: np.ndarray) -> float:
    """The largest `|J − Jᵀ|` relative to `|J|`, at some of the (P, d) points."""
    d = points.shape[1]
    if d == 1:
        return 0.0
    if d > 200:  # the Jacobian of a large model is not formed: v·Ju = u·Jv for some directions
        return _asymmetry_along(subject, points[:POINTS])
    try:
        jacobians = each(
            lambda x, a: jax.jacfwd(lambda x: subject.claimed(x, a))(x), points[:POINTS], subject.args.arrays
        )
    except (*NOT_TRACEABLE, TypeError):
        return _asymmetry_along(subject, points[:POINTS])
    size = np.max(np.abs(jacobians), axis=(1, 2))
    off = np.max(np.abs(jacobians - jacobians.transpose(0, 2, 1)), axis=(1, 2))
    return float(np.max(off / np.where(size > 0, size, 1.0)))


def _asymmetry_along(subject: Subject, points: np.ndarray) -> float:
    """The same along random directions, by differences."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for x in points:
        h = 1e-5 * max(1.0, float(np.max(np.abs(x))))
        u, v = rng.normal(size=(2, len(x)))
        moved = np.stack([x + h * u, x - h * u, x + h * v, x - h * v])
        along_u, _, along_v = np.diff(each(subject.claimed, moved, subject.args.arrays), axis=0)
        a, b = float(v @ along_u), float(u @ along_v)
        worst = max(worst, abs(a - b) / max(abs(a), abs(b), 1e-300))
    return worst if worst > 1e-5 else 0.0


def integral(subject: Subject) -> Callable[[Tree], float]:
    """`φ(params) − φ(0)` of the claimed gradient."""

    def implied_loss(params: Tree) -> float:
        with in_float64():
            x = np.asarray(flat(params))
            nodes, weights = np.polynomial.legendre.leggauss(NODES)
            starts = np.arange(PARTS)[:, None]
            t = ((starts + (nodes[None] + 1) / 2) / PARTS).ravel()
            values = each(subject.claimed, t[:, None] * x, subject.args.arrays) @ x
            return float(np.tile(weights, PARTS) @ values / (2 * PARTS))

    return implied_loss


def implied_by(findings: Sequence[Finding], subject: Subject, asymmetry: float) -> str:
    """In words: the loss that has the claimed gradient."""
    if asymmetry > 1e-6:
        return f"it is the gradient of no loss: its Jacobian is not symmetric (by {asymmetry:.2g} of its largest entry)"
    factors = [finding for finding in findings if finding.factor is not None and not finding.where]
    if factors and len(factors) == len(findings):
        whole = next((finding for finding in factors if finding.term is None), None)
        if whole is not None:
            return f"it is the gradient of {_times(whole, 'the loss')}"
        named = {finding.term: finding for finding in factors}
        parts = [_times(named[name], name) if name in named else name for name in _grouped(subject, named)]
        return "it is the gradient of " + " + ".join(part for part in parts if part)
    return "it is the gradient of another loss: report.implied_loss(params) is its value, less that at 0"


def _grouped(subject: Subject, named: dict[str | None, Finding]) -> list[str]:
    """The names of the terms; those that were taken together, together."""
    together = [name for name in named if name and " + " in name and name not in subject.names]
    single = [name for name in subject.names if not any(name in group.split(" + ") for group in together)]
    return single + together


def _times(finding: Finding, name: str) -> str:
    """The term with the coefficient that the claim has: 1 over the factor that it needs."""
    assert finding.factor is not None
    if np.isinf(finding.factor):
        return ""
    expression = finding.expression
    if expression == "-1":
        return f"(-1)·{name}"
    if expression == "?":
        return f"{1 / finding.factor:.6g}·{name}"
    simple = expression.isdigit() or len(expression) == 1
    return f"1/{expression}·[{name}]" if simple else f"1/({expression})·[{name}]"

"""A hand-derived gradient held against automatic differentiation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxreg.checks.compare import (
    NOT_TRACEABLE,
    Measured,
    Subject,
    disagreement,
    each,
    lowest_precision,
    measure,
)
from jaxreg.checks.diagnosis import Case, diagnose
from jaxreg.checks.differences import against_differences
from jaxreg.checks.inputs import same_structure
from jaxreg.checks.kinks import at_kinks
from jaxreg.checks.losses import Loss, read_loss
from jaxreg.checks.points import kink_points, random_points
from jaxreg.checks.potential import implied_by, integral, jacobian_asymmetry
from jaxreg.checks.program import Program, same, trace
from jaxreg.checks.report import Finding, Report

__all__ = ["POINTS", "check_gradient", "examine", "gradient_subject"]

# Random points: eight of each magnitude.
POINTS = 24


def check_gradient(
    loss: Callable[..., Any],
    gradient: Callable[..., Any],
    params: Any,
    *args: Any,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a hand-derived gradient against automatic differentiation, and names the slip.

    Compared in float64, whatever your settings, at random points of several magnitudes and on the usual kinks (all 0,
    single coordinates 0, ties, the parameters given). At a kink the value has to be a subgradient. Automatic
    differentiation itself is held against central differences of the loss, so a wrong custom rule is seen too.

    Args:
        loss: ``loss(params, *args)``, a number, or a dictionary or tuple of numbers that are its terms. Terms of a sum
            are found by themselves.
        gradient: ``gradient(params, *args)``, a pytree like the parameters. JAX or NumPy.
        params: a pytree of floating-point arrays or numbers; sets shapes and magnitudes.
        *args: whatever both take. Arrays that share their first axis are taken for data with n rows.
        constants: named numbers that may be part of a wrong factor, such as ``{"δ": 1.345}``; scalar arguments are
            among them anyway.
        points: how many random points.
        seed: of the random points.

    Returns:
        Report: true when all is well; print it, or call its ``assert_ok()``.

    Raises:
        TypeError: integer parameters; a loss that returns no number.
        ValueError: a loss of another shape, one that is not finite at the parameters given, or that has another value
            at a second evaluation; a gradient of another structure or shape than the parameters, leaf by leaf.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(w, X, y, lam):
        ...     return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)
        >>> def gradient(w, X, y, lam):
        ...     return 2 * X.T @ (X @ w - y) / len(y) + lam * w
        >>> X, y = jnp.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [2.0, 2.0]]), jnp.array([1.0, 0.0, 2.0, 1.0])
        >>> report = check_gradient(loss, gradient, jnp.ones(2), X, y, 0.1)
        >>> bool(report), report.expression, report.findings[0].term
        (False, '2', 'lam·Σ w²')
        >>> print(report.findings[0].sentence)
        the term lam·Σ w² is 2 times too small
    """
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        subject = gradient_subject(loss, gradient, params, args)
        build = lambda p, a: gradient_subject(loss, gradient, p, a, check=False)
        title = f"{_name(gradient)} against the gradient of {_name(loss)}"
        return examine(subject, build, params, title, "gradient", constants or {}, points, seed)


def gradient_subject(
    loss: Callable[..., Any], gradient: Callable[..., Any], params: Any, args: Sequence[Any], check: bool = True
) -> Subject:
    """What `check_gradient` compares, at parameters and arguments of these shapes."""
    read = read_loss(loss, params, args)

    def claimed(x: Any, arrays: Sequence[Any]) -> Any:
        return _flat(gradient(read.params.restore(x), *read.args.rebuild(arrays)))

    if check:
        check_structure(read, gradient, "the gradient")
    return loss_subject(
        read, claimed, lambda arrays: gradient_subject(loss, gradient, params, read.args.rebuild(arrays), False)
    )


def loss_subject(read: Loss, claimed: Callable[..., Any], rebuild: Callable[..., Any]) -> Subject:
    """A subject whose truth is the gradient of a loss."""
    return Subject(
        params=read.params,
        args=read.args,
        labels=read.params.labels,
        leaves=read.params.leaves,
        claimed=claimed,
        truth=read.gradient,
        terms=read.term_gradients,
        names=read.names,
        program=read.program,
        value_names=read.value_names,
        value=read.value,
        rebuild=rebuild,
    )


def check_structure(read: Loss, function: Callable[..., Any], what: str) -> None:
    """Refuses what has not the structure of the parameters, or is another at a second evaluation."""
    there, given = read.params.restore(read.params.vector), read.args.arrays
    if read.program.has_loops and _certainly(read, function, there):
        return
    first, second = (function(there, *read.args.rebuild(given)) for _ in range(2))
    same_structure(first, there, f"{what} {_name(function)}", read.value_names[0])
    if not np.array_equal(_flat(first), _flat(second), equal_nan=True):
        raise ValueError(
            f"{what} {_name(function)} is no function of its arguments: two evaluations at the same point differ."
        )


def _certainly(read: Loss, function: Callable[..., Any], there: Any) -> bool:
    """Whether two traces show that the structure is right and the values are the same, so that nothing need be run."""
    found: list[Any] = []

    def flat(x: Any, *arrays: Any) -> list[Any]:
        found.append(function(read.params.restore(x), *read.args.rebuild(arrays)))
        return jax.tree.leaves(found[-1])

    try:
        one, other = (trace(lambda *inputs: flat(*inputs), [read.params.vector, *read.args.arrays]) for _ in range(2))
        same_structure(found[0], there, "", "")
    except (*NOT_TRACEABLE, TypeError, ValueError):
        return False
    return same(one, other)


def examine(
    subject: Subject,
    build: Callable[[Any, tuple[Any, ...]], Subject],
    given: Any,
    title: str,
    what: str,
    constants: Mapping[str, float],
    points: int,
    seed: int,
    free_scale: bool = False,
    kinks_too: bool = True,
    draw: Callable[[int, np.random.Generator], np.ndarray] | None = None,
) -> Report:
    """The whole course of a check: points, kinks, differences, and where something is wrong the diagnosis.

    `draw` makes the points, where the usual ones will not do.
    """
    rng = np.random.default_rng(seed)
    traced = _program_of(subject)
    eps = lowest_precision(subject.program, traced)
    slack = 0.0 if eps < 1e-12 else 64 * eps
    notes = [] if eps < 1e-12 else [f"computes in less than float64: differences below {slack:.0e} are rounding"]
    candidates = draw(points, rng) if draw else random_points(subject.params, points, rng)
    look = kinks_too and not free_scale
    kinks = at_kinks(subject, kink_points(subject.params, rng), rng, slack) if look else None
    notes += kinks.notes if kinks is not None else []
    if kinks is not None and kinks.smooth:
        candidates = np.concatenate([candidates, np.stack(kinks.smooth)])
    if free_scale:
        subject, scale = _with_scale(subject, candidates)
        notes.append(f"an overall factor cannot be determined without the step size; taken as {scale:.6g}")
    measured = measure(subject, candidates, rng, eps)
    measured, findings, left_out = _finite(subject, measured)
    if left_out:
        notes.append(f"{left_out} random points were left out: the loss is not finite there")
    differs = disagreement(measured)
    if kinks is not None and not differs.any():  # a slip that shows everywhere shows at kinks too
        findings += kinks.findings
    if subject.value is not None and len(measured.points):
        differences = against_differences(subject, subject.value, measured.points, rng, eps)
        if not differences.autodiff:
            also = "; the hand-derived formula agrees with them" if differences.claimed else ""
            findings.append(
                Finding(
                    "autodiff",
                    "automatic differentiation of the loss disagrees with its central differences (relative error "
                    f"{differences.error:.2g}){also}: look for a custom rule or stop_gradient in the loss",
                )
            )
    implied, implied_loss = None, None
    wrong = differs.any(axis=0)
    if wrong.any():
        case = Case(build, given, subject, constants, what, slack, free_scale, draw is not None)
        explained = diagnose(case, measured.points, wrong, rng)
        if subject.value is not None and not free_scale:
            asymmetry = jacobian_asymmetry(subject, measured.points)
            implied = implied_by(explained, subject, asymmetry)
            implied_loss = integral(subject) if asymmetry <= 1e-6 else None
        findings = (explained or [_unexplained(subject, measured, wrong)]) + findings
    return Report(
        title=title,
        findings=tuple(findings),
        errors=_errors(subject, measured),
        tolerance=float(np.max(_relative(measured.allowed, measured, subject), initial=0.0)),
        points=len(measured.points),
        kinks=kinks.kinky if kinks is not None else 0,
        conventions=tuple(kinks.conventions) if kinks is not None else (),
        notes=tuple(notes),
        implied=implied,
        implied_loss=implied_loss,
    )


def _finite(subject: Subject, measured: Measured) -> tuple[Measured, list[Finding], int]:
    """Leaves out points at which the loss itself is not finite; refuses a claim or autodiff that alone is not."""
    findings = []
    value = subject.value
    finite = (
        np.isfinite(each(value, measured.points, subject.args.arrays)) if value else np.ones(len(measured.points), bool)
    )
    truth_finite = np.isfinite(measured.truth).all(axis=1)
    if (finite & ~truth_finite).any():
        where = ", ".join(_at(subject, ~np.isfinite(measured.truth[finite])))
        findings.append(
            Finding("autodiff", f"automatic differentiation gives nan or inf by {where} where the loss is finite")
        )
    keep = finite & truth_finite
    measured = Measured(*(part[keep] for part in measured))
    if not keep.any():
        raise ValueError(
            "the loss or its derivative is finite at no random point; give parameters of the right magnitude."
        )
    bad = ~np.isfinite(measured.claimed)
    if bad.any():
        labels = _at(subject, bad)
        share = f"{int(bad.any(axis=1).sum())} of {len(bad)} points, where the loss is finite"
        sentence = f"the claimed value by {', '.join(labels[:6])} is nan or inf at {share}"
        findings.append(Finding("not finite", sentence, None, tuple(labels)))
    return measured, findings, int((~finite).sum())


def _with_scale(subject: Subject, points: np.ndarray) -> tuple[Subject, float]:
    """The subject with its claim divided by the step size that its first term shows."""
    from jaxreg.checks.diagnosis import evidence
    from jaxreg.checks.fits import fit

    seen = evidence(subject, points[:9])
    found = fit(seen.claimed, seen.terms)
    scale = float(found.coefficients[0]) or 1.0
    claimed = subject.claimed
    return subject._replace(claimed=lambda x, arrays: claimed(x, arrays) / scale), scale


def _program_of(subject: Subject) -> Program | None:
    """The program of the claim, where it is a JAX function."""
    try:
        return trace(lambda x, *arrays: subject.claimed(x, arrays), [subject.params.vector, *subject.args.arrays])
    except (*NOT_TRACEABLE, TypeError):
        return None


def _unexplained(subject: Subject, measured: Measured, wrong: np.ndarray) -> Finding:
    where = tuple(np.array(subject.labels)[wrong])
    place = "everywhere" if wrong.all() else f"at {', '.join(where[:6])}{' …' * (len(where) > 6)}"
    largest = float(np.nanmax(_relative(np.abs(measured.claimed - measured.truth), measured, subject)))
    return Finding("unexplained", f"not equal {place}, by up to {largest:.3g} of the largest coordinate", None, where)


def _relative(difference: np.ndarray, measured: Measured, subject: Subject) -> np.ndarray:
    """(P, d): relative to the largest coordinate of the leaf at the point."""
    scale = np.zeros_like(measured.truth)
    for leaf in np.unique(subject.leaves):
        inside = subject.leaves == leaf
        scale[:, inside] = np.max(np.abs(measured.truth[:, inside]), axis=1, keepdims=True)
    everywhere = np.max(np.abs(measured.truth), axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, np.where(everywhere > 0, everywhere, 1.0))
    return difference / scale


def _errors(subject: Subject, measured: Measured) -> dict[str, float]:
    relative = _relative(np.abs(measured.claimed - measured.truth), measured, subject)
    return dict(zip(subject.labels, map(float, np.max(relative, axis=0)), strict=True))


def _at(subject: Subject, bad: np.ndarray) -> list[str]:
    return [str(label) for label in np.array(subject.labels)[bad.any(axis=0)]]


def _flat(tree: Any) -> Any:
    return ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree))[0]


def _name(function: Any) -> str:
    name = getattr(function, "__name__", None) or getattr(getattr(function, "func", None), "__name__", None)
    return "the formula" if name in (None, "<lambda>") else name

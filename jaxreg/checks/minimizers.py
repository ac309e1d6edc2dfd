"""A closed form held against the loss that it should minimise.

At a minimum the first term of the loss is in balance with the others: −∇t₀(ŵ) = ∇t₁(ŵ) + ∇t₂(ŵ) + …  Where a closed
form belongs to another weight of a term, the balance says which: −∇t₀(ŵ) = Σ_k a_k ∇t_k(ŵ). It is compared on the data
given and on others like them. At a kink 0 has to be a subgradient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.compare import Subject
from jaxreg.checks.data import as_parameters, like
from jaxreg.checks.data import unpack as unpacked
from jaxreg.checks.gradients import _flat, _name, examine
from jaxreg.checks.inputs import argument_names, arguments
from jaxreg.checks.losses import Loss, read_loss
from jaxreg.checks.report import Report

__all__ = ["minimizer"]

POINTS = 9
# One-sided derivatives at a coordinate of 0 are taken this far from it, and may be off by the second number.
STEP, ROOM = 1e-7, 1e-5


def minimizer(
    loss: Callable[..., Any],
    closed_form: Callable[..., Any],
    *args: Any,
    lam: str = "lam",
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a closed form against the minimum of a convex loss; where it misses, says of which loss it is the minimum.

    Args:
        loss: ``loss(params, *args)``, as in :func:`~jaxreg.checks.check_gradient`.
        closed_form: ``closed_form(*args)``, the parameters at the minimum.
        *args: data and numbers that both take.
        lam: the name of the argument that weighs the penalty. ``report.numbers[lam]`` is the value of it at which the
            closed form *would* be the minimiser of the loss.
        constants, seed: as in :func:`~jaxreg.checks.check_gradient`. points: how many data sets.

    Returns:
        Report. A factor is what the weight in the closed form has to be multiplied by.

    Raises:
        TypeError, ValueError: as :func:`~jaxreg.checks.check_gradient`.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [2.0, 2.0]]), jnp.array([1.0, 0.0, 2.0, 1.0])
        >>> def loss(w, X, y, lam):
        ...     return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)
        >>> def closed_form(X, y, lam):
        ...     return jnp.linalg.solve(X.T @ X + lam * jnp.eye(2), X.T @ y)
        >>> report = minimizer(loss, closed_form, X, y, 0.8)
        >>> report.expression, round(report.numbers["lam"], 6)
        ('n', 0.2)
    """
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        build = lambda p, a: _subject(loss, closed_form, a)
        subject = build(None, args)
        title = f"{_name(closed_form)} against the minimum of {_name(loss)}"
        draw = lambda count, rng: like(subject.params, count, rng)
        report = examine(
            subject, build, None, title, "closed form", constants or {}, points, seed, kinks_too=False, draw=draw
        )
        at = _would_be(report, subject, lam)
        if at is None:
            return report
        note = f"it is the minimiser at {lam} = {at:.6g}"
        return replace(report, numbers={**report.numbers, lam: at}, notes=(note, *report.notes))


def _would_be(report: Report, subject: Subject, lam: str) -> float | None:
    """λ at which the closed form would be right, if one factor is all that is wrong."""
    names = subject.args.names
    if len(report.findings) != 1 or report.findings[0].factor is None or lam not in names:
        return None
    return float(subject.args.arrays[names.index(lam)]) / report.findings[0].factor


def _subject(loss: Callable[..., Any], closed_form: Callable[..., Any], args: Sequence[Any]) -> Subject:
    names = argument_names(closed_form, len(args))
    given = arguments(args, names)
    start = closed_form(*given.rebuild(given.arrays))
    read = read_loss(loss, start, args)
    data = as_parameters(read.args)

    def gradients(x: Any, arrays: Sequence[Any]) -> jax.Array:
        """(K, d) of the terms at the closed form, 0 at coordinates at a kink; the last row is what 0 lacks there."""
        arrays = unpacked(x, data, arrays)
        w = _flat(closed_form(*read.args.rebuild(arrays)))
        terms = read.term_gradients(w, arrays)
        lacks = _lack(read, w, arrays)
        return jnp.concatenate([jnp.where(w[None, :] == 0, 0.0, terms), lacks[None, :]])

    if len(read.terms) == 1:
        # Nothing to balance: the gradient is compared with 0, in units of its size nearby.
        def claimed(x: Any, arrays: Sequence[Any]) -> Any:
            *own, lacks = gradients(x, arrays)
            inside = unpacked(x, data, arrays)
            w = _flat(closed_form(*read.args.rebuild(inside)))
            nearby = jnp.max(jnp.abs(read.gradient(1.5 * w + jnp.max(jnp.abs(w)) / 4, inside)))
            return 1 + (own[0] + lacks) / jnp.where(nearby > 0, nearby, 1.0)

        truth = lambda x, arrays: jnp.ones(len(read.params.labels))
        terms = lambda x, arrays: jnp.ones((1, len(read.params.labels)))
        term_names, smooth = read.names, None
    else:
        claimed = lambda x, arrays: (lambda g: -g[0] + g[-1])(gradients(x, arrays))
        truth = lambda x, arrays: jnp.sum(gradients(x, arrays)[1:-1], axis=0)
        terms = lambda x, arrays: gradients(x, arrays)[1:-1]
        smooth = lambda x, arrays: -gradients(x, arrays)[0]
        term_names = read.names[1:]
    labels = read.params.labels
    return Subject(
        data, read.args, labels, np.zeros(len(labels), int), claimed, truth, terms, term_names, smooth=smooth
    )


def _lack(read: Loss, w: Any, arrays: Sequence[Any]) -> Any:
    """(d,): how steeply the loss falls away from a coordinate that is exactly 0; 0 where it does not."""
    d = len(w)
    h = STEP * jnp.maximum(jnp.max(jnp.abs(w)), 1e-3)
    slope = jax.vmap(lambda e: jnp.dot(read.gradient(w + h * e, arrays), e))
    right, left = slope(jnp.eye(d)), -slope(-jnp.eye(d))
    lack = jnp.maximum(jnp.maximum(-right, left), 0.0)
    size = jnp.maximum(jnp.max(jnp.abs(right)), jnp.max(jnp.abs(left)))
    return jnp.where((w == 0) & (lack > ROOM * size), lack, 0.0)

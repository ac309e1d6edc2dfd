"""A closed form held against the loss that it should minimise.

At a minimum the first term of the loss is in balance with the others: `−∇t₀(ŵ) = ∇t₁(ŵ) + ∇t₂(ŵ) + …` Where a closed
form belongs to another weight of a term, the balance says which: `−∇t₀(ŵ) = Σ_k a_k ∇t_k(ŵ)`. It is compared on the
data given and on others like them. At a kink 0 has to be a subgradient.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.course import examine
from jaxreg.checks.data import as_parameters, unpack
from jaxreg.checks.evaluation import Arrays, Part, flat, in_float64, name_of
from jaxreg.checks.inputs import Function, Tree, argument_names, arguments
from jaxreg.checks.losses import Loss, read_loss
from jaxreg.checks.report import Report
from jaxreg.checks.subjects import Check, Subject

__all__ = ["minimizer"]

POINTS = 9
# One-sided derivatives at a coordinate of 0 are taken this far from it, and may be off by the second number.
STEP, ROOM = 1e-7, 1e-5


def minimizer(
    loss: Function,
    closed_form: Function,
    *args: Tree,
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
    with in_float64():
        build = partial(_subject, loss, closed_form)
        subject = build(None, args)
        title = f"{name_of(closed_form)} against the minimum of {name_of(loss)}"
        report = examine(Check(title, "closed form", build, subject, None, constants, data=True), points, seed)
    # λ at which the closed form would be right, if one factor is all that is wrong.
    names = subject.args.names
    if len(report.findings) != 1 or report.findings[0].factor is None or lam not in names:
        return report
    at = float(subject.args.arrays[names.index(lam)]) / report.findings[0].factor
    note = f"it is the minimiser at {lam} = {at:.6g}"
    return replace(report, numbers={**report.numbers, lam: at}, notes=(note, *report.notes))


def _subject(loss: Function, closed_form: Function, _: None, args: Sequence[Tree]) -> Subject:
    given = arguments(args, argument_names(closed_form, len(args)))
    read = read_loss(loss, closed_form(*given.rebuild(given.arrays)), args)
    data, labels = as_parameters(read.args), read.params.labels
    leaves = np.zeros(len(labels), int)

    def gradients(x: jax.Array, arrays: Arrays) -> jax.Array:
        """(K + 2, d): of the terms, 0 at coordinates at a kink; what 0 lacks there; the size of the whole nearby."""
        arrays = unpack(x, data, arrays)
        w = flat(closed_form(*read.args.rebuild(arrays)))
        terms = jnp.where(w[None, :] == 0, 0.0, read.term_gradients(w, arrays))
        nearby = jnp.max(jnp.abs(read.gradient(1.5 * w + jnp.max(jnp.abs(w)) / 4, arrays)))
        size = jnp.full_like(w, jnp.where(nearby > 0, nearby, 1.0))
        return jnp.concatenate([terms, _lack(read, w, arrays)[None, :], size[None, :]])

    part = lambda of: Part(gradients, of)
    if len(read.terms) == 1:  # nothing to balance: in units of its size nearby, 1 + the gradient has to be 1
        claimed = part(lambda g: 1 + (g[..., 0, :] + g[..., 1, :]) / g[..., 2, :])
        truth, terms = part(lambda g: g[..., 0, :] * 0 + 1), part(lambda g: g[..., :1, :] * 0 + 1)
        return Subject(read, data, labels, leaves, claimed, truth, terms, read.names)
    claimed, truth = part(lambda g: g[..., -2, :] - g[..., 0, :]), part(lambda g: g[..., 1:-2, :].sum(axis=-2))
    terms, smooth = part(lambda g: g[..., 1:-2, :]), part(lambda g: -g[..., 0, :])
    return Subject(read, data, labels, leaves, claimed, truth, terms, read.names[1:], smooth=smooth)


def _lack(read: Loss, w: jax.Array, arrays: Arrays) -> jax.Array:
    """(d,): how steeply the loss falls away from a coordinate that is exactly 0; 0 where it does not."""
    right, left = read.one_sided(w, arrays, STEP * jnp.maximum(jnp.max(jnp.abs(w)), 1e-3))
    lack = jnp.maximum(jnp.maximum(-right, left), 0.0)
    size = jnp.maximum(jnp.max(jnp.abs(right)), jnp.max(jnp.abs(left)))
    return jnp.where((w == 0) & (lack > ROOM * size), lack, 0.0)

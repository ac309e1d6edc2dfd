"""An update rule held against the gradient of the loss that it should descend."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax

from jaxreg.checks.course import examine
from jaxreg.checks.evaluation import Arrays, flat, in_float64, name_of
from jaxreg.checks.gradients import POINTS
from jaxreg.checks.inputs import Function, Tree
from jaxreg.checks.losses import read_loss
from jaxreg.checks.report import Report
from jaxreg.checks.subjects import Check, Subject, check_structure, of_gradient

__all__ = ["update"]


def update(
    loss: Function,
    rule: Function,
    params: Tree,
    *args: Tree,
    step_size: float | None = None,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a step of gradient descent, `params − α ∇loss`, against automatic differentiation.

    Args:
        loss: ``loss(params, *args)``, as in :func:`~jaxreg.checks.check_gradient`.
        rule: ``rule(params, *args)``, the next parameters.
        params, *args, constants, points, seed: as in :func:`~jaxreg.checks.check_gradient`.
        step_size: `α > 0`, the one that the rule uses. Without it an overall factor cannot be told from the step size;
            a wrong factor between the terms is still found.

    Returns:
        Report: about what the rule takes for the gradient, `(params − rule(params)) / α`.

    Raises:
        TypeError, ValueError: as :func:`~jaxreg.checks.check_gradient`; ``step_size`` is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(w, lam):
        ...     return jnp.sum(w**2) / 2 + lam * jnp.sum((w - 1) ** 2)
        >>> bool(update(loss, lambda w, lam: w - 0.1 * (w + 2 * lam * (w - 1)), jnp.ones(3), 0.5, step_size=0.1))
        True
        >>> print(update(loss, lambda w, lam: w - 0.1 * (w + lam * (w - 1)), jnp.ones(3), 0.5).findings[0].sentence)
        the term lam·Σ (w - 1)² is 2 times too small
    """
    if step_size is not None and not step_size > 0:
        raise ValueError(f"step_size is {step_size}; give the positive step size that the rule uses, or leave it out.")
    with in_float64():
        build = partial(_subject, loss, rule, 1.0 if step_size is None else step_size)
        subject = build(params, args)
        check_structure(subject.loss, rule, "the update")
        title = f"the step of {name_of(rule)} against the gradient of {name_of(loss)}"
        check = Check(title, "step", build, subject, params, constants, free_scale=step_size is None)
        return examine(check, points, seed)


# θ_new = θ − α g: what an update takes for the gradient is g = (θ − θ_new)/α.
def _subject(loss: Function, rule: Function, alpha: float, params: Tree, args: Sequence[Tree]) -> Subject:
    read = read_loss(loss, params, args)

    def claimed(x: jax.Array, arrays: Arrays) -> jax.Array:
        return (x - flat(rule(read.params.restore(x), *read.args.rebuild(arrays)))) / alpha

    return of_gradient(read, claimed)

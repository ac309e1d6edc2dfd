"""An update rule held against the gradient of the loss that it should descend."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from jaxreg.checks.compare import Subject
from jaxreg.checks.gradients import POINTS, _flat, _name, check_structure, examine, loss_subject
from jaxreg.checks.losses import read_loss
from jaxreg.checks.report import Report

__all__ = ["update"]


def update(
    loss: Callable[..., Any],
    rule: Callable[..., Any],
    params: Any,
    *args: Any,
    step_size: float | None = None,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a step of gradient descent, params − α ∇loss, against automatic differentiation.

    Args:
        loss: ``loss(params, *args)``, as in :func:`~jaxreg.checks.check_gradient`.
        rule: ``rule(params, *args)``, the next parameters.
        params, *args, constants, points, seed: as in :func:`~jaxreg.checks.check_gradient`.
        step_size: α > 0, the one that the rule uses. Without it an overall factor cannot be told from the step size;
            a wrong factor between the terms is still found.

    Returns:
        Report: about what the rule takes for the gradient, (params − rule(params)) / α.

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
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        build = lambda p, a: _subject(loss, rule, p, a, step_size, check=False)
        subject = _subject(loss, rule, params, args, step_size)
        title = f"the step of {_name(rule)} against the gradient of {_name(loss)}"
        free = step_size is None
        return examine(subject, build, params, title, "step", constants or {}, points, seed, free)


# θ_new = θ − α g: what an update takes for the gradient is g = (θ − θ_new)/α.
def _subject(
    loss: Callable[..., Any],
    rule: Callable[..., Any],
    params: Any,
    args: Sequence[Any],
    step_size: float | None,
    check: bool = True,
) -> Subject:
    read = read_loss(loss, params, args)
    alpha = 1.0 if step_size is None else step_size

    def claimed(x: Any, arrays: Sequence[Any]) -> Any:
        return (x - _flat(rule(read.params.restore(x), *read.args.rebuild(arrays)))) / alpha

    if check:
        check_structure(read, rule, "the update")
    again = lambda arrays: _subject(loss, rule, params, read.args.rebuild(arrays), step_size, False)
    return loss_subject(read, claimed, again)

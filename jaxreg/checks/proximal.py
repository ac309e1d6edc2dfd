"""A proximal operator held against what it should minimise, ½ ‖u − z‖² + τ ψ(u).

At u = prox(z) where ψ is smooth, (z − u)/τ = ∇ψ(u); where it has a kink, no direction leads down. Then the Moreau
envelope e(z) = ψ(u) + ‖u − z‖²/(2τ) has the gradient (z − u)/τ, which is held against central differences of e.

Source: Parikh and Boyd, *Proximal Algorithms*, 2014, §3.1 and §3.2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.compare import Subject, each
from jaxreg.checks.gradients import POINTS, _flat, _name, check_structure, examine
from jaxreg.checks.losses import Loss, read_loss
from jaxreg.checks.points import random_points
from jaxreg.checks.report import Finding, Report

__all__ = ["prox"]

# Slopes at a kink are taken this far from it, and may be off by the second number.
STEP, ROOM = 1e-7, 1e-5
MOREAU_STEP, MOREAU_ROOM = 1e-5, 1e-6


def prox(
    penalty: Callable[..., Any],
    operator: Callable[..., Any],
    z: Any,
    step_size: float,
    *args: Any,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a proximal operator against the penalty that it belongs to.

    Args:
        penalty: ``penalty(u, *args)``, ψ, a number; inf outside the bounds of u, if there are any.
        operator: ``operator(z, step_size, *args)``, argmin over u of ½ ‖u − z‖² + τ ψ(u).
        z: a pytree of floating-point arrays; sets shapes and magnitudes.
        step_size: τ > 0.
        *args: the arguments that both take.
        constants, points, seed: as in :func:`~jaxreg.checks.check_gradient`.

    Returns:
        Report. A factor is what a term of ψ has to be multiplied by in the operator. ``numbers["moreau"]`` is the
        relative error of the gradient of the Moreau envelope.

    Raises:
        TypeError, ValueError: as :func:`~jaxreg.checks.check_gradient`; ``step_size`` is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> penalty = lambda u, lam: lam / 2 * jnp.sum(u**2)
        >>> bool(prox(penalty, lambda z, step, lam: z / (1 + step * lam), jnp.ones(3), 0.5, 0.7))
        True
        >>> twice = lambda z, step, lam: z / (1 + 2 * step * lam)
        >>> print(prox(penalty, twice, jnp.ones(3), 0.5, 0.7).findings[0].sentence)
        the whole prox is 2 times too large
    """
    if not step_size > 0:
        raise ValueError(f"step_size is {step_size}; give a positive number.")
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        build = lambda p, a: _subject(penalty, operator, p, step_size, a)
        subject = build(z, args)
        title = f"{_name(operator)} against the prox of {_name(penalty)}"
        report = examine(subject, build, z, title, "prox", constants or {}, points, seed, kinks_too=False)
        error = _moreau(penalty, operator, subject, step_size, points, seed)
        findings = report.findings
        if not findings and not error <= MOREAU_ROOM:
            sentence = f"(z - u)/τ is not the gradient of the Moreau envelope (relative error {error:.2g})"
            findings = (Finding("unexplained", sentence),)
        return replace(report, findings=findings, numbers={**report.numbers, "moreau": error})


def _subject(
    penalty: Callable[..., Any], operator: Callable[..., Any], z: Any, step_size: float, args: Sequence[Any]
) -> Subject:
    read = read_loss(penalty, z, args)
    check_structure(read, lambda z, *a: operator(z, step_size, *a), "the prox")

    def at(x: Any, arrays: Sequence[Any]) -> Any:
        return _flat(operator(read.params.restore(x), step_size, *read.args.rebuild(arrays)))

    def claimed(x: Any, arrays: Sequence[Any], at_kink: float = 1.0) -> Any:
        u = at(x, arrays)
        kink, lack = _kinks(read, u, x, step_size, arrays)
        return jnp.where(kink, at_kink * lack, (x - u) / step_size)

    def terms(x: Any, arrays: Sequence[Any]) -> Any:
        u = at(x, arrays)
        kink, _ = _kinks(read, u, x, step_size, arrays)
        return jnp.where(kink[None, :], 0.0, read.term_gradients(u, arrays))

    truth = lambda x, arrays: jnp.sum(terms(x, arrays), axis=0)
    params, names = read.params, read.names
    smooth = lambda x, arrays: claimed(x, arrays, 0.0)
    return Subject(params, read.args, params.labels, params.leaves, claimed, truth, terms, names, smooth=smooth)


def _kinks(read: Loss, u: Any, z: Any, step_size: float, arrays: Sequence[Any]) -> tuple[Any, Any]:
    """Where ψ has a kink at u, (d,) booleans, and how steeply ½ ‖u − z‖²/τ + ψ(u) still falls there, (d,)."""
    d = len(u)
    h = STEP * jnp.maximum(jnp.max(jnp.abs(u)), 1e-3)
    moved = u[None, :] + h * jnp.concatenate([jnp.eye(d), -jnp.eye(d)])
    inside = jnp.isfinite(jax.vmap(lambda v: read.value(v, arrays))(moved))
    gradients = jax.vmap(lambda v: read.gradient(v, arrays))(moved)
    own = jnp.arange(d)
    right, left = gradients[own, own], gradients[d + own, own]
    size = jnp.maximum(jnp.abs(right), jnp.abs(left)) + jnp.abs(z - u) / step_size
    kink = (jnp.abs(right - left) > ROOM * size) | ~inside[:d] | ~inside[d:]
    up, down = (u - z) / step_size + right, (u - z) / step_size + left
    lack = jnp.maximum(jnp.where(inside[:d], -up, 0.0), jnp.where(inside[d:], down, 0.0))
    return kink, jnp.where(lack > ROOM * size, lack, 0.0)


def _moreau(
    penalty: Callable[..., Any],
    operator: Callable[..., Any],
    subject: Subject,
    step_size: float,
    points: int,
    seed: int,
) -> float:
    """The largest error of (z − u)/τ as the gradient of the envelope, relative to the gradient."""
    params, args = subject.params, subject.args

    def envelope(x: Any, arrays: Sequence[Any]) -> Any:
        rest = args.rebuild(arrays)
        u = operator(params.restore(x), step_size, *rest)
        value = sum(jnp.ravel(part).sum() for part in jax.tree.leaves(penalty(u, *rest)))
        return value + jnp.sum((_flat(u) - x) ** 2) / (2 * step_size)

    def gradient(x: Any, arrays: Sequence[Any]) -> Any:
        return (x - _flat(operator(params.restore(x), step_size, *args.rebuild(arrays)))) / step_size

    rng = np.random.default_rng(seed)
    z = random_points(params, points, rng)
    u = rng.normal(size=z.shape)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    h = MOREAU_STEP * np.maximum(np.max(np.abs(z), axis=1, keepdims=True), 1e-3)
    up, down, slopes = (
        each(f, p, args.arrays) for f, p in ((envelope, z + h * u), (envelope, z - h * u), (gradient, z))
    )
    size = np.maximum(np.linalg.norm(slopes, axis=1), 1e-300)
    return float(np.max(np.abs((up - down) / (2 * h[:, 0]) - np.sum(slopes * u, axis=1)) / size))

"""A proximal operator held against what it should minimise, `½ ‖u − z‖² + τ ψ(u)`.

At `u = prox(z)` where ψ is smooth, `(z − u)/τ = ∇ψ(u)`; where it has a kink, no direction leads down. Then the Moreau
envelope `e(z) = ψ(u) + ‖u − z‖²/(2τ)` has the gradient `(z − u)/τ`, which is held against central differences of e.

Source: Parikh and Boyd, *Proximal Algorithms*, 2014, §3.1 and §3.2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.course import examine
from jaxreg.checks.evaluation import Arrays, Part, each, flat, in_float64, name_of
from jaxreg.checks.gradients import POINTS
from jaxreg.checks.inputs import Function, Tree
from jaxreg.checks.losses import Loss, read_loss
from jaxreg.checks.points import random_points
from jaxreg.checks.report import Finding, Report
from jaxreg.checks.subjects import Check, Subject, check_structure

__all__ = ["prox"]

# Slopes at a kink are taken this far from it, and may be off by the second number.
STEP, ROOM = 1e-7, 1e-5
MOREAU_STEP, MOREAU_ROOM = 1e-5, 1e-6


def prox(
    penalty: Function,
    operator: Function,
    z: Tree,
    step_size: float,
    *args: Tree,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a proximal operator against the penalty that it belongs to.

    Args:
        penalty: ``penalty(u, *args)``, ψ, a number; inf outside the bounds of u, if there are any.
        operator: ``operator(z, step_size, *args)``, argmin over u of `½ ‖u − z‖² + τ ψ(u)`.
        z: a pytree of floating-point arrays; sets shapes and magnitudes.
        step_size: `τ > 0`.
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
    with in_float64():
        at_step = lambda z, *args: operator(z, step_size, *args)
        build = partial(_subject, penalty, at_step, step_size)
        subject = build(z, args)
        check_structure(subject.loss, at_step, "the prox")
        title = f"{name_of(operator)} against the prox of {name_of(penalty)}"
        report = examine(Check(title, "prox", build, subject, z, constants), points, seed)
        error = _moreau(subject.loss, at_step, step_size, points, seed)
    findings = report.findings
    if not findings and not error <= MOREAU_ROOM:
        sentence = f"(z - u)/τ is not the gradient of the Moreau envelope (relative error {error:.2g})"
        findings = (Finding("unexplained", sentence),)
    return replace(report, findings=findings, numbers={**report.numbers, "moreau": error})


def _subject(penalty: Function, at_step: Function, step_size: float, z: Tree, args: Sequence[Tree]) -> Subject:
    read = read_loss(penalty, z, args)
    params = read.params

    def balance(x: jax.Array, arrays: Arrays) -> jax.Array:
        """(K + 2, d): `(z − u)/τ` and the gradients of the terms, 0 at kinks of ψ; what u lacks there."""
        u = flat(at_step(params.restore(x), *read.args.rebuild(arrays)))
        slope = (x - u) / step_size
        kink, lack = _kinks(read, u, slope, arrays)
        smooth = jnp.concatenate([slope[None, :], read.term_gradients(u, arrays)])
        return jnp.concatenate([jnp.where(kink[None, :], 0.0, smooth), jnp.where(kink, lack, 0.0)[None, :]])

    part = lambda of: Part(balance, of)
    claimed, truth = part(lambda b: b[..., 0, :] + b[..., -1, :]), part(lambda b: b[..., 1:-1, :].sum(axis=-2))
    terms, smooth = part(lambda b: b[..., 1:-1, :]), part(lambda b: b[..., 0, :])
    return Subject(read, params, params.labels, params.leaves, claimed, truth, terms, read.names, smooth=smooth)


def _kinks(read: Loss, u: jax.Array, slope: jax.Array, arrays: Arrays) -> tuple[jax.Array, jax.Array]:
    """Where ψ has a kink at u, (d,) booleans; how steeply `ψ(u)` less the slope `(z − u)/τ` falls there, (d,)."""
    d = len(u)
    h = STEP * jnp.maximum(jnp.max(jnp.abs(u)), 1e-3)
    moved = u[None, :] + h * jnp.concatenate([jnp.eye(d), -jnp.eye(d)])
    inside = jnp.isfinite(jax.vmap(lambda v: read.value(v, arrays))(moved))
    right, left = read.one_sided(u, arrays, h)
    size = jnp.maximum(jnp.abs(right), jnp.abs(left)) + jnp.abs(slope)
    kink = (jnp.abs(right - left) > ROOM * size) | ~inside[:d] | ~inside[d:]
    lack = jnp.maximum(jnp.where(inside[:d], slope - right, 0.0), jnp.where(inside[d:], left - slope, 0.0))
    return kink, jnp.where(lack > ROOM * size, lack, 0.0)


def _moreau(penalty: Loss, at_step: Function, step_size: float, points: int, seed: int) -> float:
    """The largest error of `(z − u)/τ` as the gradient of the envelope, relative to the gradient."""
    params, args = penalty.params, penalty.args

    def at(x: jax.Array, arrays: Arrays) -> jax.Array:
        """The envelope, and the gradient that it should have."""
        u = flat(at_step(params.restore(x), *args.rebuild(arrays)))
        envelope = penalty.value(u, arrays) + jnp.sum((u - x) ** 2) / (2 * step_size)
        return jnp.append((x - u) / step_size, envelope)

    rng = np.random.default_rng(seed)
    z = random_points(params, points, rng)
    u = rng.normal(size=z.shape)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    h = MOREAU_STEP * np.maximum(np.max(np.abs(z), axis=1, keepdims=True), 1e-3)
    up, down, here = (each(at, p, args.arrays) for p in (z + h * u, z - h * u, z))
    slopes = here[:, :-1]
    size = np.maximum(np.linalg.norm(slopes, axis=1), 1e-300)
    return float(np.max(np.abs((up - down)[:, -1] / (2 * h[:, 0]) - np.sum(slopes * u, axis=1)) / size))

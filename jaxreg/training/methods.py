"""What takes one training step: any optax optimiser, or a proximal gradient method.

A method is three pure functions. ``init(params)`` makes the state, ``step`` the next params and state, and ``residual``
says how far from stationary params are: 0 at a solution, in the units of the gradient.

    ISTA     u⁺ = prox_τ( u − τ ∇loss(u) )                      Beck and Teboulle 2009, §1
    FISTA    the same from a lookahead point; momentum that
             points uphill is dropped                          ibid. §4; O'Donoghue and Candès 2015

``prox(params, step_size)`` is `argmin_u ½‖u − params‖² + τ · penalty(u)`, τ the step size: the penalty is in the prox,
the loss is the smooth rest. A Euclidean prox is not offered after Adam and the like: they take steps `D∇loss` with a
diagonal D that changes, and `u = prox_τ(u − D∇loss(u))` is solved by the minimiser of loss + penalty only if `D = τI`.
Its fixed point is the minimiser of another problem.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxreg.training.arguments import Tree

__all__ = ["Method", "as_method", "first_step", "fista", "has_derivatives", "ista", "largest"]

StepSize = jax.Array | float
Prox = Callable[[Tree, StepSize], Tree]
LossAndGradient = Callable[[Tree], tuple[jax.Array, Tree]]


class Method(NamedTuple):
    """How to train.

    Attributes:
        init: params -> state.
        step: (loss_and_gradient, params, state) -> (params, state).
        residual: (params, gradient) -> (), the largest entry of the gradient, or of what the prox leaves of it.
        stable: the largest stable step is ``stable / L`` (2 for gradient descent and ISTA, 1 for FISTA).
        step_size: what was given, or None where the optimiser keeps it to itself.
    """

    init: Callable[[Tree], Tree]
    step: Callable[[LossAndGradient, Tree, Tree], tuple[Tree, Tree]]
    residual: Callable[[Tree, Tree], jax.Array]
    stable: float
    step_size: StepSize | None


class Momentum(NamedTuple):
    """FISTA's state: the lookahead point (a tree like params) and t, ()."""

    lookahead: Tree
    t: jax.Array


def ista(step_size: StepSize, prox: Prox) -> Method:
    """The proximal gradient method; converges for a step below 2/L, L the Lipschitz constant of the loss's gradient.

    Args:
        step_size: `τ > 0`, (). prox: (params, step_size) -> params.

    Returns:
        Method, for ``optimizer=`` of :func:`jaxreg.train` and :func:`jaxreg.train_grid`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxreg.formulas import soft_threshold
        >>> method = ista(0.5, lambda w, step: soft_threshold(w, 1.0 * step))
        >>> start = jnp.array(0.0)
        >>> w, _ = method.step(lambda w: (0.5 * (w - 3.0) ** 2, w - 3.0), start, method.init(start))
        >>> float(w)
        1.0
    """

    def step(loss_and_gradient: LossAndGradient, params: Tree, state: Tree) -> tuple[Tree, Tree]:
        _, gradient = loss_and_gradient(params)
        return prox(_move(params, gradient, step_size), step_size), state

    return Method(lambda params: (), step, _prox_residual(step_size, prox), 2.0, step_size)


def fista(step_size: StepSize, prox: Prox) -> Method:
    """ISTA with momentum and adaptive restart; converges for a step up to 1/L.

    Args, Returns: as :func:`ista`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxreg.formulas import soft_threshold
        >>> fista(0.5, lambda w, step: soft_threshold(w, 1.0 * step)).stable
        1.0
    """

    def init(params: Tree) -> Momentum:
        return Momentum(params, jnp.ones((), jnp.result_type(*jax.tree.leaves(params))))

    def step(loss_and_gradient: LossAndGradient, params: Tree, state: Momentum) -> tuple[Tree, Momentum]:
        # v the lookahead point:  u⁺ = prox(v − τ∇loss(v)),  t⁺ = (1 + √(1 + 4t²))/2,  v⁺ = u⁺ + (t − 1)/t⁺ (u⁺ − u);
        # (v − u⁺)·(u⁺ − u) > 0 means that the momentum points uphill: t = 1.
        v, t = state
        _, gradient = loss_and_gradient(v)
        new = prox(_move(v, gradient, step_size), step_size)
        change = jax.tree.map(jnp.subtract, new, params)
        uphill = _dot(jax.tree.map(jnp.subtract, v, new), change) > 0
        t = jnp.where(uphill, jnp.ones_like(t), t)
        t_new = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * t**2))
        beta = (t - 1.0) / t_new
        return new, Momentum(jax.tree.map(lambda u, d: u + beta.astype(u.dtype) * d, new, change), t_new)

    return Method(init, step, _prox_residual(step_size, prox), 1.0, step_size)


def as_method(optimizer: object) -> Method:
    """An optax optimiser (with or without a line search) as a Method; a Method stays as it is.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(optimizer, Method):
        return optimizer
    if isinstance(optimizer, optax.MultiSteps):
        optimizer = optimizer.gradient_transformation()
    if not isinstance(optimizer, optax.GradientTransformation):
        raise TypeError(f"optimizer is {optimizer!r}; it must be an optax optimiser, ista(...) or fista(...).")
    transformation = optax.with_extra_args_support(optimizer)

    def step(loss_and_gradient: LossAndGradient, params: Tree, state: Tree) -> tuple[Tree, Tree]:
        value, gradient = loss_and_gradient(params)
        extra = {"value": value, "grad": gradient, "value_fn": lambda params: loss_and_gradient(params)[0]}
        updates, state = transformation.update(gradient, state, params, **extra)
        return optax.apply_updates(params, updates), state

    return Method(transformation.init, step, lambda params, gradient: largest(gradient), 2.0, None)


def first_step(method: Method, params: Tree) -> float:
    """How far the first step goes if every entry of the gradient is 1: the learning rate of sgd, and of Adam.

    optax keeps the number to itself; this is how it can be asked for.
    """
    zero, ones = jnp.zeros(()), jax.tree.map(jnp.ones_like, params)
    moved, _ = method.step(lambda _: (zero, ones), params, method.init(params))
    return float(largest(jax.tree.map(jnp.subtract, moved, params)))


def has_derivatives(state: Tree) -> bool:
    """Whether a run with this state may be differentiated.

    L-BFGS divides differences of gradients by one another, the zoom line search differences of losses. At the solution
    these are rounding errors over rounding errors: harmless for the params, on which they hardly act any more, but
    their derivatives by anything are arbitrarily large numbers, from which no later step recovers.
    """
    quotients = (optax.ScaleByLBFGSState, optax.ScaleByZoomLinesearchState)
    nodes = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, quotients))
    return not any(isinstance(node, quotients) for node in nodes)


def _prox_residual(step_size: StepSize, prox: Prox) -> Callable[[Tree, Tree], jax.Array]:
    # (u − prox(u − τ∇loss(u)))/τ is the gradient where there is no penalty, and 0 exactly at a minimiser.
    def residual(params: Tree, gradient: Tree) -> jax.Array:
        moved = prox(_move(params, gradient, step_size), step_size)
        return largest(jax.tree.map(jnp.subtract, params, moved)) / step_size

    return residual


def _move(params: Tree, gradient: Tree, step_size: StepSize) -> Tree:
    return jax.tree.map(lambda u, g: u - jnp.asarray(step_size).astype(u.dtype) * g, params, gradient)


def _dot(a: Tree, b: Tree) -> jax.Array:
    return sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)))  # type: ignore[return-value]


def largest(tree: Tree) -> jax.Array:
    """The largest entry in size of all leaves."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)]))

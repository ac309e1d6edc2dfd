"""Derivatives of the answer of a training run, for any loss and penalty, without unrolling the optimiser.

Parameters w with `F(w, args) = 0` move with the arguments by

    dw = − (∂F/∂w)⁻¹ (∂F/∂args) dargs                                                                              (1)

(the implicit function theorem), and since (1) is again a function of w and of the arguments, so do all higher
derivatives. For a smooth loss F is its gradient. With a penalty F is what a proximal gradient step leaves,

    F(w) = ( w − prox_τ(w − τ ∇loss(w)) ) / τ                                                                      (2)

0 where and only where w is stationary, whatever the step size τ: the optimality conditions (Karush, Kuhn and Tucker) in
the units of the gradient. Its largest entry is the certificate. Away from kinks F is smooth, on a support as (1) needs.

Sources: Blondel, Berthet, Cuturi, Frostig, Hoyer, Llinares-López, Pedregosa and Vert, *Efficient and modular implicit
differentiation*, NeurIPS 2022; Bertrand et al., J. Machine Learning Research 23, 2022, §3.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxreg.formulas.arrays import floating_dtype
from jaxreg.training.arguments import Function, Tree
from jaxreg.training.result import Training

__all__ = ["Implicit", "implicit", "stationary"]

# The matrix ∂F/∂w is made and factored: so many parameters at most (128 MiB in float64).
MOST = 4096


class Implicit(NamedTuple):
    """What :func:`implicit` returns.

    Attributes:
        params: as given, with derivatives by the arguments.
        residual: the largest entry of F, (), in the units of the gradient. converged: `residual ≤ tol`.
    """

    params: Tree
    residual: jax.Array
    converged: jax.Array


def stationary(loss: Function, prox: Function | None = None, step_size: float = 1.0) -> Function:
    """F of formula (2): how far from optimal parameters are, entry by entry, as :func:`implicit` takes it.

    Args:
        loss: (params, *args) -> (), smooth. prox: (params, step_size, *args) -> params, the proximal map of the
            penalty, with its hyperparameters in args; None where there is none. step_size: τ; any positive number.

    Returns:
        (params, *args) -> a tree like params.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxreg.formulas import soft_threshold
        >>> loss = lambda w, y, lam: 0.5 * jnp.sum((w - y) ** 2)
        >>> optimality = stationary(loss, lambda w, step, y, lam: soft_threshold(w, lam * step))
        >>> optimality(jnp.array([2.0, 0.0]), jnp.array([3.0, 0.5]), 1.0)
        Array([0., 0.], dtype=float32)
    """

    def residual(params: Tree, *args: Tree) -> Tree:
        gradient = jax.grad(loss)(params, *args)
        if prox is None:
            return gradient
        ahead = jax.tree.map(lambda w, g: w - step_size * g, params, gradient)
        return jax.tree.map(lambda w, u: (w - u) / step_size, params, prox(ahead, step_size, *args))

    return residual


def implicit(solution: Tree, optimality: Function, *args: Tree, tol: float | None = None) -> Implicit:
    """The parameters of a solution, with derivatives by what it depends on, of any order, in both modes.

    Args:
        solution: a pytree of floating arrays, or the :class:`Training` that ended there. No more than 4,096 numbers.
        optimality: (params, *args) -> a tree like params, 0 at a solution; :func:`jaxreg.training.stationary` makes it
            of a loss and a proximal map, and a gradient of a smooth loss is one. A pure function.
        args: what the solution depends on: data, penalties, weights. By these it can be differentiated.
        tol: the residual up to which it counts as a solution; 1e-6 in float64, 1e-3 in float32, times the largest entry
            of F at 0, or 1 where that is less.

    Returns:
        Implicit: the same parameters; the certificate. A derivative at a point that is no solution is not one of a
        solution: look at ``converged``. At a kink it is on one side, and where `∂F/∂w` is singular, not a number.

    Raises:
        TypeError: NumPy float64 while JAX's 64-bit mode is off. ValueError: too many parameters; a tree of another
            form.

    Source: Blondel et al., *Efficient and modular implicit differentiation*, NeurIPS 2022.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxreg.formulas import soft_threshold
        >>> from jaxreg.training import stationary
        >>> loss = lambda w, y, lam: 0.5 * jnp.sum((w - y) ** 2)
        >>> optimality = stationary(loss, lambda w, step, y, lam: soft_threshold(w, lam * step))
        >>> y, w = jnp.array([3.0, 0.5]), jnp.array([2.0, 0.0])  # the solution at lam = 1
        >>> jax.jacobian(lambda lam: implicit(w, optimality, y, lam).params)(1.0).tolist()
        [-1.0, 0.0]
    """
    params = solution.params if isinstance(solution, Training) else solution
    dtype = floating_dtype(params=None, **{f"args[{k}]": leaf for k, leaf in enumerate(jax.tree.leaves(args))})
    dtype = jnp.result_type(dtype, *(jnp.asarray(leaf).dtype for leaf in jax.tree.leaves(params)))
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf), params)
    flat, unravel = ravel_pytree(jax.lax.stop_gradient(params))
    if flat.size > MOST:
        raise ValueError(
            f"solution has {flat.size:,} numbers; implicit factors their matrix and takes {MOST:,} at most."
        )
    residual_of = _flat(optimality, unravel, jax.tree.structure(params))

    def root(w: jax.Array) -> jax.Array:
        return residual_of(w, *args)

    def solved(linear: Any, right: jax.Array) -> jax.Array:
        return jnp.linalg.solve(jax.jacobian(linear)(jnp.zeros_like(right)), right)

    found = jax.lax.custom_root(root, flat, lambda _, start: start, solved)
    still = jax.lax.stop_gradient(args)
    residual = jnp.max(jnp.abs(residual_of(flat, *still)), initial=0.0)
    if tol is None:
        at_zero = jnp.max(jnp.abs(residual_of(jnp.zeros_like(flat), *still)), initial=0.0)
        unit = jnp.where(jnp.isfinite(at_zero), jnp.maximum(at_zero, 1.0), 1.0)
        limit = (1e-6 if dtype == jnp.float64 else 1e-3) * unit
    else:
        limit = jnp.asarray(tol, residual.dtype)
    return Implicit(unravel(found), residual, residual <= limit)


def _flat(optimality: Function, unravel: Any, structure: Any) -> Function:
    """The optimality as a function of one vector."""

    def residual(w: jax.Array, *args: Tree) -> jax.Array:
        made = optimality(unravel(w), *args)
        if jax.tree.structure(made) != structure:
            raise ValueError(
                f"optimality returned a tree {jax.tree.structure(made)}; it must be like the params, {structure}."
            )
        flat = ravel_pytree(made)[0]
        if flat.shape != w.shape:
            raise ValueError(f"optimality returned {flat.size} numbers for {w.size} params; it must be one for each.")
        return flat

    return residual

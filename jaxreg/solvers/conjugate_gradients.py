"""Conjugate gradients, in bursts of so many steps that nobody has to ask after each whether to go on.

On a GPU a loop whose end depends on the data sends its predicate to the host in every turn, which costs more than the
step. So there ``BURST`` steps are one turn, a loop of known length; those after the last one needed change nothing.
On a CPU, where asking costs nothing and steps do, each is a turn.

Source: Hestenes and Stiefel, J. Res. Nat. Bur. Standards 49(6), 1952; with a preconditioner: Golub and Van Loan,
*Matrix Computations*, 4th edition, 2013, §11.5.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.precision import on_accelerator

__all__ = ["BURST", "conjugate_gradients"]

# Half of a burst is lost on average, of the tens of steps that a system takes.
BURST = 8


def conjugate_gradients(
    matrix: Callable[[jax.Array], jax.Array],
    right: jax.Array,
    start: jax.Array,
    most: int,
    tol: float,
    fall: jax.Array | float = 0.0,
    inverse: Callable[[jax.Array], jax.Array] = lambda r: r,
) -> jax.Array:
    """x with `‖right − Mx‖ ≤ max(tol ‖right‖, fall ‖right − M start‖)`, (p,), or what ``most`` steps have reached.

    Args:
        matrix: v ↦ M v, M positive semidefinite; a system that has solutions may be singular. right, start: (p,).
        most: steps, static. inverse: a preconditioner, r ↦ about `M⁻¹ r`.
    """
    r = right - matrix(start)
    z = inverse(r)
    enough = jnp.maximum(tol**2 * jnp.dot(right, right), fall**2 * jnp.dot(r, r))
    unfinished = lambda r, k: (jnp.dot(r, r) > enough) & (k < most)

    # d, the direction, is conjugate to those before it: dᵀM d' = 0.
    def step(_: int, carry: tuple) -> tuple:
        x, r, d, rz, k, going = carry
        Md = matrix(d)
        length = rz / jnp.dot(d, Md)
        after = r - length * Md
        z = inverse(after)
        rz_after = jnp.dot(after, z)
        new = x + length * d, after, z + (rz_after / rz) * d, rz_after, k + 1, unfinished(after, k + 1)
        return jax.tree.map(lambda new, old: jnp.where(going, new, old), new, carry)

    burst = lambda carry: jax.lax.fori_loop(0, BURST, step, carry) if on_accelerator() else step(0, carry)
    none = jnp.zeros((), jnp.int32)
    carry = start, r, z, jnp.dot(r, z), none, unfinished(r, none)
    return jax.lax.while_loop(lambda carry: carry[-1], burst, varying_like(carry, carry))[0]

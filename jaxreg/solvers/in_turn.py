"""Members one after the other inside one program: a loop takes a core as long as its members take, and no longer.

A ``vmap`` would take every member through the steps of the slowest; on a CPU, that costs more than it saves.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like

__all__ = ["in_turn", "in_turn_from"]


def in_turn(one: Callable[[jax.Array], Any], count: Any, members: int) -> Any:
    """What ``one(b)`` is for the first ``count``, (), of so many members, with a leading axis; 0 for the others.

    Example:
        >>> in_turn(lambda b: b * b, 3, 4).tolist()
        [0, 1, 4, 0]
    """
    return in_turn_from(None, lambda nothing, b: (nothing, one(b)), count, members)


def in_turn_from(begin: Any, one: Callable[[Any, jax.Array], tuple[Any, Any]], count: Any, members: int) -> Any:
    """The same where ``one(carry, b)`` needs what the member before it has left, and leaves something itself.

    Example:
        >>> in_turn_from(jnp.int32(1), lambda last, b: (2 * last, last), 3, 3).tolist()
        [1, 2, 4]
    """
    shape = jax.eval_shape(one, begin, jnp.zeros((), jnp.int32))[1]
    room = jax.tree.map(lambda v: jnp.zeros((members, *v.shape), v.dtype), shape)
    begin, room = varying_like((begin, room), count)

    def member(b: jax.Array, carry: tuple[Any, Any]) -> tuple[Any, Any]:
        left, found = one(carry[0], b)
        return left, jax.tree.map(lambda v, a: v.at[b].set(a), carry[1], found)

    return jax.lax.fori_loop(0, count, member, (begin, room))[1]

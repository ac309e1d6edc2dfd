"""How the pure functions take their arguments: one floating dtype, nothing rounded behind the user's back."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.devices import dividing

__all__ = [
    "NO_BOUND",
    "broadcast_columns",
    "change_of",
    "floating",
    "floating_dtype",
    "only_if",
    "per_row",
    "row_of",
    "varying_like",
    "widths_to",
    "with_few",
    "without_columns",
]

# A bound of this size or more stands for none: no coefficient reaches it.
NO_BOUND = 1e300
# Arrays above so many entries are not masked in :func:`only_if`.
LARGE = 2**14
# Below this a matrix is too small for its size to matter.
NARROW = 128


def floating(**arguments: Any) -> tuple[jax.Array, ...]:
    """The arguments as JAX arrays of one floating dtype, in the order given; ``None`` stays ``None``.

    The dtype is the widest among the arrays; Python numbers adapt to it, integers and booleans become floating.

    Raises:
        TypeError: a NumPy float64 array while 64-bit mode is off. JAX would silently round it to float32
            and turn 1e300 into inf.
    """
    dtype = floating_dtype(**arguments)
    given = (None if value is None else _cast(value, dtype) for value in arguments.values())
    return tuple(given)  # type: ignore[arg-type]  # whoever leaves an argument out knows that it is None


def floating_dtype(**arguments: Any) -> Any:
    """The dtype, and the errors, of :func:`floating`."""
    dtypes = []
    for name, value in arguments.items():
        if isinstance(value, np.ndarray) and value.dtype == np.float64 and not _x64():
            raise TypeError(
                f"{name} is a NumPy float64 array, but JAX's 64-bit mode is off and would round it to float32. "
                f"Wrap the call in `with jax.enable_x64(True):`, or convert with {name}.astype('float32')."
            )
        if any(isinstance(x, complex) or np.iscomplexobj(x) for x in jax.tree.leaves(value)):
            raise TypeError(f"{name} is complex; jaxreg takes real numbers only.")
        has_dtype = isinstance(value, (np.ndarray, np.generic, jax.Array)) and not getattr(value, "weak_type", False)
        if has_dtype and jnp.issubdtype(value.dtype, jnp.floating):
            dtypes.append(jnp.dtype(value.dtype))
    dtype = max(dtypes, key=lambda d: d.itemsize) if dtypes else jnp.dtype(jnp.result_type(float))
    if dtype == np.float64 and not _x64():
        dtype = jnp.dtype(jnp.float32)
    return dtype


def _cast(value: Any, dtype: Any) -> jax.Array:
    if isinstance(value, (np.ndarray, np.generic)):  # before JAX cuts large integers to 32 bits
        value = value.astype(dtype)
    return jnp.asarray(value).astype(dtype)


def _x64() -> bool:
    return jnp.result_type(float) == jnp.float64


def per_row(vector: jax.Array, like: jax.Array) -> jax.Array:
    """A (k,) vector shaped so that it multiplies the rows of ``like``, which is (k,) or (k, t)."""
    return vector.reshape(vector.shape + (1,) * (like.ndim - vector.ndim))


def broadcast_columns(value: jax.Array | None, p: int, default: float, dtype: Any) -> jax.Array:
    """``value`` as a (p,) vector: ``None`` is ``default`` everywhere, a number is repeated."""
    if value is None:
        return jnp.full((p,), default, dtype)
    return jnp.broadcast_to(value, (p,)).astype(dtype)


def without_columns(X: jax.Array, penalty_factor: Any, instead: float = 1.0) -> tuple[jax.Array, Any]:
    """X and v without the columns of `v_j = ∞`: a column of zeros stands for each, with the factor ``instead``.

    The shapes stay, as under ``jit`` they must. A column of zeros has the coefficient 0 at every λ, and adds nothing to
    `λ_max`, to degrees of freedom or to the dual.
    """
    if penalty_factor is None:
        return X, None
    v = broadcast_columns(penalty_factor, X.shape[1], 1.0, X.dtype)
    out = jnp.isposinf(v)
    return jnp.where(out[None, :], jnp.zeros_like(X), X), jnp.where(out, jnp.asarray(instead, X.dtype), v)


def widths_to(most: int) -> list[int]:
    """Sizes in steps of at most a half, from :data:`NARROW` up to ``most``."""
    steps = [NARROW * k << octave for octave in range(most.bit_length()) for k in (2, 3)]
    return sorted({min(width // 2, most) for width in steps})


def with_few(count: jax.Array, widths: list[int], leading: Callable[[int], Callable[..., Any]], *arguments: Any) -> Any:
    """``leading(w)(*arguments)`` for the least of the widths, static, that is at least ``count``, ()."""
    # As comparisons with numbers: an array would be a constant of whatever program this is traced into.
    enough = sum(((count > width).astype(jnp.int32) for width in widths), jnp.zeros((), jnp.int32))
    return jax.lax.switch(enough, [leading(width) for width in widths], *arguments)


def row_of(X: jax.Array, i: jax.Array) -> jax.Array:
    """Row i, (); of rows that several devices share as a sum, which spares each of them a copy of all rows."""
    if dividing() == 1:
        return X[i]
    return jnp.sum(jnp.where((jnp.arange(len(X)) == i)[:, None], X, 0.0), axis=0)


def varying_like(tree: Any, *data: Any) -> Any:
    """``tree``, marked as different on every device of a mesh axis under ``jax.shard_map`` if some of ``data`` is.

    A loop must start from what it ends with, also in this: constants are the same on all devices, what is made of
    sharded data is not. Elsewhere nothing happens.
    """
    axes = frozenset[Any]().union(*(_varying(leaf) for leaf in jax.tree.leaves(data)))
    if not axes:
        return tree

    def cast(leaf: Any) -> Any:
        missing = tuple(axes - _varying(leaf))
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(cast, tree)


def only_if(condition: jax.Array, change: Callable[[Any], Any], state: Any) -> Any:
    """``change(state)`` if the condition holds, else ``state``: a ``lax.cond`` that copies no large array.

    A branch that returns a large array as it came would copy it; a loop of no or one turn updates it in place. Under
    ``vmap`` nothing is computed where the condition holds for none, when ``lax.cond`` would take both branches.
    """

    def turn(carry: tuple) -> tuple:
        condition, state = carry
        state = jax.tree.map(lambda x: jnp.where(condition, x, jnp.zeros_like(x)) if x.size <= LARGE else x, state)
        return varying_like((jnp.zeros_like(condition), change(state)), begin)

    begin = varying_like((condition, state), condition, state)
    return jax.lax.while_loop(lambda carry: carry[0], turn, begin)[1]


def _varying(x: Any) -> frozenset[Any]:
    """The mesh axes along which x differs."""
    kind = jax.typeof(x)
    return frozenset(kind.mat.varying if hasattr(kind, "mat") else getattr(kind, "vma", ()))


@jax.custom_jvp
def change_of(x: jax.Array) -> jax.Array:
    """How x changes with the data: of the value 0, whatever x is, and with the derivatives of x."""
    return jnp.where(jnp.isnan(x), 0.0, 0.0).astype(x.dtype)  # made of x, so that vmap and shard_map see what it is of


change_of.defjvp(lambda primals, tangents: (change_of(*primals), tangents[0]))

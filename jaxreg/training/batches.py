"""Mini-batches of arrays that are larger than the device, which stay in NumPy (or on disk) until their step.

And the keys by which they are drawn.
"""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["keys_of", "minibatches"]


def minibatches(key: jax.Array, *arrays: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Endless mini-batches: every epoch visits the rows once in a fresh order; a last, smaller batch is left out.

    Args:
        key: ``jax.random.key``; the same key gives the same batches. arrays: (n, …) each, NumPy arrays or memory maps.
        batch_size: rows a batch, at most n.

    Yields:
        Tuples of arrays (batch_size, …), for ``batches=`` of :func:`jaxreg.train` and :func:`jaxreg.train_grid`.

    Raises:
        ValueError: no arrays, unequal numbers of rows, or a batch larger than they are.

    Example:
        >>> import jax, numpy as np
        >>> batches = minibatches(jax.random.key(0), np.arange(6.0), batch_size=2)
        >>> epoch = [next(batches)[0] for _ in range(3)]
        >>> sorted(np.concatenate(epoch).tolist())
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    """
    lengths = {len(a) for a in arrays}
    if len(lengths) != 1:
        raise ValueError(f"minibatches needs arrays of one length; got {[len(a) for a in arrays]}.")
    n = lengths.pop()
    if not 1 <= batch_size <= n:
        raise ValueError(f"batch_size is {batch_size}; it must be from 1 to the number of rows, {n}.")
    return _endless(key, arrays, n, batch_size)


def _endless(key: jax.Array, arrays: tuple, n: int, batch_size: int) -> Iterator[tuple[np.ndarray, ...]]:
    epoch = 0
    while True:
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), n))
        for start in range(0, n - batch_size + 1, batch_size):
            rows = np.sort(order[start : start + batch_size])  # in order of storage: kinder to a memory map
            yield tuple(np.asarray(a[rows]) for a in arrays)
        epoch += 1


def keys_of(key: jax.Array | None, count: int) -> tuple[jax.Array | None, jax.Array | None]:
    """(the key of all, None), or (None, one key a member)."""
    if key is None:
        return None, None
    typed = jnp.issubdtype(jnp.asarray(key).dtype, jax.dtypes.prng_key)
    shape = jnp.shape(key) if typed else jnp.shape(key)[:-1]
    if shape not in ((), (count,)):
        raise ValueError(f"key has shape {shape}; it must be one key, or one for each of the {count} members.")
    return (None, key) if shape else (key, None)

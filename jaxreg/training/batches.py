"""Mini-batches of arrays that are larger than the device: they stay in NumPy (or on disk) until their step."""

from collections.abc import Iterator

import jax
import numpy as np

__all__ = ["minibatches"]


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

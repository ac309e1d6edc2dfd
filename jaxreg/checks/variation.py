"""The same comparison with other numbers in it: fewer rows, fewer columns, another λ. It betrays exponents."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxreg.checks.evaluation import Arrays
from jaxreg.checks.inputs import Arguments, Tree

__all__ = ["Variation", "rows_of", "variations"]

# Scalars are varied by these factors: no power of one is a simple fraction.
FACTORS = (1.37, 0.61)


class Variation(NamedTuple):
    """A quantity that can be varied: its name, its value, and for other values the parameters and arrays.

    ``same_shapes`` says that these are the parameters and shapes given.
    """

    name: str
    value: float
    others: Sequence[tuple[float, Tree, Arrays]]
    same_shapes: bool


def rows_of(params: Tree, args: Arguments) -> int | None:
    """n: the length that the arrays share in their first axis, or None. A matrix tells more than a vector."""
    own = {length for leaf in jax.tree.leaves(params) for length in np.shape(leaf)}
    matrices = [a.shape[0] for a in args.arrays if a.ndim >= 2 and a.shape[-1] in own]
    vectors = [a.shape[0] for a in args.arrays if a.ndim >= 1]
    others = [length for length in vectors if length not in own]
    for candidates in (matrices, others):
        if candidates:
            return Counter(candidates).most_common(1)[0][0]
    return None


def variations(params: Tree, args: Arguments, d: int) -> Iterator[Variation]:
    """n by leaving rows out, p by leaving columns out, every scalar argument by changing it; d is the number of
    coordinates compared."""
    n = rows_of(params, args)
    if n is not None and n >= 3:
        counts = sorted({max(2, (2 * n) // 3), max(1, n // 2 + 1)} - {n}, reverse=True)
        yield Variation("n", n, [(m, params, _rows(args, n, m)) for m in counts], False)
    p = _columns(params, args, n, d)
    if p is not None and p >= 2:
        others = []
        for q in sorted({p - 1, max(1, p // 2)} - {p}, reverse=True):
            keep = lambda a, q=q: a if np.ndim(a) == 0 else _crop(a, p, q, 1 if np.shape(a)[0] == n else 0)
            others.append((q, jax.tree.map(keep, params), [keep(a) for a in args.arrays]))
        yield Variation("p", p, others, False)
    for place, (name, array) in enumerate(zip(args.names, args.arrays, strict=True)):
        if np.ndim(array) == 0 and np.issubdtype(array.dtype, np.floating) and float(array) not in (0.0,):
            scaled = [(f * float(array), params, _replace(args.arrays, place, f * array)) for f in FACTORS]
            yield Variation(name, float(array), scaled, True)


def _rows(args: Arguments, n: int, m: int) -> list[jax.Array]:
    keep = np.unique(np.linspace(0, n - 1, m).round().astype(int))
    return [array[keep] if array.ndim and array.shape[0] == n else array for array in args.arrays]


def _columns(params: Tree, args: Arguments, n: int | None, d: int) -> int | None:
    """p: an axis of the parameters that is also the last axis of a matrix of n rows; without a matrix the only axis."""
    own = {length for leaf in jax.tree.leaves(params) for length in np.shape(leaf)[:1]} or {d}
    matrices = [a for a in args.arrays if a.ndim == 2]
    found = [a.shape[1] for a in matrices if a.shape[0] == n and a.shape[1] in own]
    if not matrices and len(own) == 1:
        found = list(own)
    return found[0] if found and found[0] != n else None


def _crop(array: jax.Array, p: int, q: int, start: int) -> jax.Array:
    """The first q of p along every axis of that length, from axis ``start`` on."""
    cut = [slice(None)] * start
    return array[tuple(cut + [slice(q) if length == p else slice(None) for length in np.shape(array)[start:]])]


def _replace(arrays: Arrays, place: int, value: jax.Array) -> list[jax.Array]:
    return [value if k == place else array for k, array in enumerate(arrays)]

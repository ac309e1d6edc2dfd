"""A hand-derived Hessian held against automatic differentiation."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.course import examine
from jaxreg.checks.evaluation import Arrays, in_float64, name_of
from jaxreg.checks.inputs import Function, Parameters, Tree
from jaxreg.checks.losses import read_loss
from jaxreg.checks.report import Report
from jaxreg.checks.subjects import Check, Subject

__all__ = ["hessian"]

POINTS = 9


def hessian(
    loss: Function,
    matrix: Function,
    params: Tree,
    *args: Tree,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a matrix of second derivatives against automatic differentiation, at points without kinks.

    Args:
        loss: ``loss(params, *args)``, as in :func:`~jaxreg.checks.check_gradient`.
        matrix: ``matrix(params, *args)``: (d, d) for d parameters in the order of ``jax.flatten_util.ravel_pytree``, or
            the pytree that ``jax.hessian`` returns.
        params, *args, constants, points, seed: as in :func:`~jaxreg.checks.check_gradient`.

    Returns:
        Report, its coordinates named like "w[0], w[1]".

    Raises:
        TypeError, ValueError: as :func:`~jaxreg.checks.check_gradient`; a matrix of the wrong shape.

    Example:
        >>> import jax.numpy as jnp
        >>> X = jnp.array([[1.0, 2.0, 0.5], [3.0, 1.0, 1.0], [0.0, 1.0, 2.0], [1.0, 0.0, 1.0]])
        >>> def loss(w, X, lam):
        ...     return jnp.sum((X @ w) ** 2) / 2 + lam / 2 * jnp.sum(w**2)
        >>> bool(hessian(loss, lambda w, X, lam: X.T @ X + lam * jnp.eye(len(w)), jnp.ones(3), X, 0.5))
        True
        >>> twice = lambda w, X, lam: X.T @ X + 2 * lam * jnp.eye(len(w))
        >>> print(hessian(loss, twice, jnp.ones(3), X, 0.5).findings[0].sentence)
        the term lam/2·Σ w² is 2 times too large
    """
    with in_float64():
        build = partial(_subject, loss, matrix)
        title = f"{name_of(matrix)} against the Hessian of {name_of(loss)}"
        return examine(Check(title, "Hessian", build, build(params, args), params, constants), points, seed)


def _subject(loss: Function, matrix: Function, params: Tree, args: Sequence[Tree]) -> Subject:
    read = read_loss(loss, params, args)

    def claimed(x: jax.Array, arrays: Arrays) -> jax.Array:
        return _square(matrix(read.params.restore(x), *read.args.rebuild(arrays)), read.params)

    def truth(x: jax.Array, arrays: Arrays) -> jax.Array:
        return jnp.ravel(jax.hessian(read.value)(x, arrays))

    def terms(x: jax.Array, arrays: Arrays) -> jax.Array:
        return jnp.reshape(jax.hessian(read.term_values)(x, arrays), (len(read.terms), -1))

    names = read.params.labels
    labels = tuple(f"{row}, {column}" for row in names for column in names)
    return Subject(read, read.params, labels, np.zeros(len(labels), int), claimed, truth, terms, read.names)


def _square(given: Tree, params: Parameters) -> jax.Array:
    """`d²` numbers, of a matrix, or of a pytree of blocks.

    Raises:
        ValueError: it is neither.
    """
    d = len(params.labels)
    if hasattr(given, "shape") and len(params.shapes) == 1 and np.size(given) == d * d and np.ndim(given) != 1:
        return jnp.ravel(given)
    if hasattr(given, "shape") and tuple(given.shape) == (d, d):
        return jnp.ravel(given)
    blocks = jax.tree.leaves(given)
    sizes = [int(np.prod(shape)) for shape in params.shapes]
    expected = [rows * columns for rows in sizes for columns in sizes]
    if [np.size(block) for block in blocks] != expected:
        shapes = ", ".join(str(np.shape(block)) for block in blocks)
        raise ValueError(
            f"the Hessian has the shape {shapes}; return a ({d}, {d}) matrix, or what jax.hessian returns."
        )
    rows, k = [], len(sizes)
    for i, size in enumerate(sizes):
        row = [jnp.reshape(block, (size, -1)) for block in blocks[i * k : (i + 1) * k]]
        rows.append(jnp.concatenate(row, axis=1))
    return jnp.ravel(jnp.concatenate(rows, axis=0))

"""A hand-derived Hessian held against automatic differentiation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.compare import Subject
from jaxreg.checks.gradients import _name, examine
from jaxreg.checks.inputs import Parameters
from jaxreg.checks.losses import read_loss
from jaxreg.checks.report import Report

__all__ = ["hessian"]

POINTS = 9


def hessian(
    loss: Callable[..., Any],
    matrix: Callable[..., Any],
    params: Any,
    *args: Any,
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
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        build = lambda p, a: _subject(loss, matrix, p, a)
        title = f"{_name(matrix)} against the Hessian of {_name(loss)}"
        return examine(
            build(params, args), build, params, title, "Hessian", constants or {}, points, seed, kinks_too=False
        )


def _subject(loss: Callable[..., Any], matrix: Callable[..., Any], params: Any, args: Sequence[Any]) -> Subject:
    read = read_loss(loss, params, args)

    def claimed(x: Any, arrays: Sequence[Any]) -> Any:
        return _square(matrix(read.params.restore(x), *read.args.rebuild(arrays)), read.params)

    names = read.params.labels
    return Subject(
        params=read.params,
        args=read.args,
        labels=tuple(f"{row}, {column}" for row in names for column in names),
        leaves=np.zeros(len(names) ** 2, int),
        claimed=claimed,
        truth=lambda x, arrays: jnp.ravel(jax.hessian(read.value)(x, arrays)),
        terms=lambda x, arrays: jnp.reshape(
            jax.hessian(lambda x: read.term_values(x, arrays))(x), (len(read.terms), -1)
        ),
        names=read.names,
    )


def _square(given: Any, params: Parameters) -> Any:
    """(d²,) of a matrix, or of a pytree of blocks.

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

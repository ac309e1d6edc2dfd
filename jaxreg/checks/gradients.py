"""A hand-derived gradient held against automatic differentiation."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax

from jaxreg.checks.claims import as_claim
from jaxreg.checks.course import examine
from jaxreg.checks.evaluation import Arrays, flat, in_float64, name_of
from jaxreg.checks.inputs import Function, Tree
from jaxreg.checks.losses import read_loss
from jaxreg.checks.report import Report
from jaxreg.checks.subjects import Check, Subject, check_structure, of_gradient

__all__ = ["POINTS", "check_gradient", "gradient_subject"]

# Random points: eight of each magnitude.
POINTS = 24


def check_gradient(
    loss: Function,
    gradient: Function,
    params: Tree,
    *args: Tree,
    constants: Mapping[str, float] | None = None,
    points: int = POINTS,
    seed: int = 0,
) -> Report:
    """Holds a hand-derived gradient against automatic differentiation, and names the slip.

    Compared in float64, whatever your settings, at random points of several magnitudes and on the usual kinks (all 0,
    single coordinates 0, ties, the parameters given). At a kink the value has to be a subgradient. Automatic
    differentiation itself is held against central differences of the loss, so a wrong custom rule is seen too.

    Args:
        loss: ``loss(params, *args)``, a number, or a dictionary or tuple of numbers that are its terms. Terms of a sum
            are found by themselves.
        gradient: ``gradient(params, *args)``, a pytree like the parameters. JAX, NumPy, or PyTorch, which is
            given tensors of float64.
        params: a pytree of floating-point arrays or numbers; sets shapes and magnitudes.
        *args: whatever both take. Arrays that share their first axis are taken for data with n rows.
        constants: named numbers that may be part of a wrong factor, such as ``{"δ": 1.345}``; scalar arguments are
            among them anyway.
        points: how many random points.
        seed: of the random points.

    Returns:
        Report: true when all is well; print it, or call its ``assert_ok()``.

    Raises:
        TypeError: integer parameters; a loss that returns no number.
        ValueError: a loss of another shape, one that is not finite at the parameters given, or that has another value
            at a second evaluation; a gradient of another structure or shape than the parameters, leaf by leaf.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(w, X, y, lam):
        ...     return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)
        >>> def gradient(w, X, y, lam):
        ...     return 2 * X.T @ (X @ w - y) / len(y) + lam * w
        >>> X, y = jnp.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [2.0, 2.0]]), jnp.array([1.0, 0.0, 2.0, 1.0])
        >>> report = check_gradient(loss, gradient, jnp.ones(2), X, y, 0.1)
        >>> bool(report), report.expression, report.findings[0].term
        (False, '2', 'lam·Σ w²')
        >>> print(report.findings[0].sentence)
        the term lam·Σ w² is 2 times too small
    """
    gradient = as_claim(gradient)
    with in_float64():
        build = partial(gradient_subject, loss, gradient)
        subject = build(params, args)
        check_structure(subject.loss, gradient, "the gradient")
        title = f"{name_of(gradient)} against the gradient of {name_of(loss)}"
        return examine(Check(title, "gradient", build, subject, params, constants), points, seed)


def gradient_subject(loss: Function, gradient: Function, params: Tree, args: Sequence[Tree]) -> Subject:
    """What ``check_gradient`` compares, at parameters and arguments of these shapes."""
    read = read_loss(loss, params, args)

    def claimed(x: jax.Array, arrays: Arrays) -> jax.Array:
        return flat(gradient(read.params.restore(x), *read.args.rebuild(arrays)))

    return of_gradient(read, claimed)

"""Bounds held against what they bound: they have to hold, and to be tight.

A Lipschitz constant L of a gradient holds if no second derivative is larger in size, and is tight if one is as large.
`λ_max` is the smallest λ at which all penalised coordinates are 0: it holds if no direction leads down from there, and
is tight if at any smaller λ one does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.course import examine
from jaxreg.checks.data import as_parameters, unpack
from jaxreg.checks.evaluation import Arrays, Part, each, in_float64, name_of
from jaxreg.checks.inputs import Function, Tree
from jaxreg.checks.losses import Loss, read_loss
from jaxreg.checks.points import random_points
from jaxreg.checks.report import Finding, Report
from jaxreg.checks.subjects import Check, Subject

__all__ = ["bound"]

# Data sets, and parameters at which curvatures are looked at, besides those given and 0.
POINTS, PLACES = 9, 24
# A one-sided slope at 0 is taken at this distance and half of it.
STEP = 1e-6
NEWTON = 12

# The bound that the data in the arrays have, ().
Bound = Callable[[Arrays], jax.Array]


def bound(
    loss: Function,
    params: Tree,
    *args: Tree,
    lipschitz: Function | None = None,
    lam_max: Function | None = None,
    lam: str = "lam",
    constants: Mapping[str, float] | None = None,
    seed: int = 0,
) -> Report:
    """Holds a Lipschitz constant or a `λ_max` against the loss, on the data given and on others like them.

    Args:
        loss: ``loss(params, *args)``, as in :func:`~jaxreg.checks.check_gradient`. For ``lipschitz`` its kinks are left
            out: the constant is that of the smooth part.
        params: for ``lipschitz``, their shapes and magnitudes; for ``lam_max``, the penalised ones 0; the others are
            fitted.
        *args: data and numbers.
        lipschitz: ``lipschitz(*args)``, the constant. Exactly one of the two bounds is given.
        lam_max: ``lam_max(*args)``, the smallest λ that leaves the penalised parameters at 0.
        lam: the name of the argument of the loss that is λ.
        constants, seed: as in :func:`~jaxreg.checks.check_gradient`.

    Returns:
        Report: a factor is what the bound has to be multiplied by; ``numbers`` has the claimed and the true one.

    Raises:
        TypeError, ValueError: as :func:`~jaxreg.checks.check_gradient`; not exactly one bound; no argument named
            ``lam``.

    Example:
        >>> import jax.numpy as jnp
        >>> X, y = jnp.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [2.0, 2.0]]), jnp.array([1.0, 0.0, 2.0, 1.0])
        >>> def loss(w, X, y, lam):
        ...     return jnp.mean((X @ w - y) ** 2) / 2 + lam * jnp.sum(jnp.abs(w))
        >>> bool(bound(loss, jnp.zeros(2), X, y, 0.1, lam_max=lambda X, y, lam: jnp.max(jnp.abs(X.T @ y)) / 4))
        True
        >>> square = lambda X, y, lam: jnp.linalg.norm(X, 2) ** 2
        >>> print(bound(loss, jnp.zeros(2), X, y, 0.1, lipschitz=square).findings[0].sentence)
        the Lipschitz constant holds but is not tight: it is n times too large
    """
    if (lipschitz is None) == (lam_max is None):
        raise ValueError("give exactly one of lipschitz and lam_max.")
    claim = lipschitz if lipschitz is not None else lam_max
    assert claim is not None
    what = "Lipschitz constant" if lipschitz is not None else "λ_max"
    with in_float64():
        rng = np.random.default_rng(seed)

        def build(p: Tree, a: Sequence[Tree]) -> Subject:
            read = read_loss(loss, p, a)
            largest = _curvature(read, rng) if lipschitz is not None else _smallest_lam(read, lam)
            return _subject(read, claim, largest, what)

        subject = build(params, args)
        title = f"the {what} {name_of(claim)} of {name_of(loss)}".replace(" the formula", "")
        report = examine(Check(title, what, build, subject, params, constants, data=True), POINTS, seed)
        x = subject.params.vector
        claimed, true = (float(each(f, x[None], subject.args.arrays)[0, 0]) for f in (subject.claimed, subject.truth))
    findings = tuple(_worded(finding, what, claimed, true) for finding in report.findings)
    return replace(report, findings=findings, numbers={"claimed": claimed, "true": true})


def _worded(finding: Finding, what: str, claimed: float, true: float) -> Finding:
    """A bound that is too small does not hold; one that is too large is not tight."""
    small = claimed < true
    verdict = "does not hold" if small else "holds but is not tight"
    start = f"the term {what} is "
    if finding.sentence.startswith(start):
        amount = f"it is {finding.sentence.removeprefix(start)}"
    else:
        amount = f"it is {claimed:.6g}, and {true:.6g} is needed"
    return finding._replace(kind="bound", sentence=f"the {what} {verdict}: {amount}")


def _subject(read: Loss, claim: Function, largest: Bound, what: str) -> Subject:
    data = as_parameters(read.args)

    def both(x: jax.Array, arrays: Arrays) -> jax.Array:
        """(2, 1): the bound claimed, and the true one."""
        arrays = unpack(x, data, arrays)
        claimed = jnp.asarray(claim(*read.args.rebuild(arrays)), jnp.float64)
        return jnp.stack([jnp.reshape(claimed, (1,)), jnp.reshape(largest(arrays), (1,))])

    claimed, truth = Part(both, lambda v: v[..., 0, :]), Part(both, lambda v: v[..., 1, :])
    terms = Part(both, lambda v: v[..., 1:, :])
    return Subject(read, data, (what,), np.zeros(1, int), claimed, truth, terms, (what,))


def _curvature(read: Loss, rng: np.random.Generator) -> Bound:
    """The largest second derivative in size at the parameters given, at 0 and at random ones."""
    vectors = [np.asarray(read.params.vector)[None], np.zeros((1, len(read.params.vector)))]
    places = jnp.asarray(np.concatenate([*vectors, random_points(read.params, PLACES, rng)]))

    def largest(arrays: Arrays) -> jax.Array:
        matrices = jax.vmap(lambda w: jax.hessian(read.value)(w, arrays))(places)
        sizes = jnp.max(jnp.abs(jnp.linalg.eigvalsh(matrices)), axis=1)
        return jnp.max(jnp.where(jnp.isfinite(sizes), sizes, 0.0))

    return largest


# The slope of F at the null model along ±e_j is affine in λ:  s_j(λ) = a_j + λ b_j.  A penalised coordinate has
# b_j > 0, and 0 is minimal along it from λ = −a_j / b_j on. A coordinate with b_j = 0 is free, and fitted by Newton's
# method.
def _smallest_lam(read: Loss, lam: str) -> Bound:
    if lam not in read.args.names:
        raise ValueError(
            f"no argument of the loss is named {lam}: they are {', '.join(read.args.names)}. Name λ by lam=."
        )
    place, d = read.args.names.index(lam), len(read.params.vector)
    base = jnp.asarray(read.params.vector)
    at_lam = lambda arrays, value: [jnp.asarray(value) if k == place else a for k, a in enumerate(arrays)]

    def slopes(w: jax.Array, arrays: Arrays) -> jax.Array:
        """(2d,): of F along `e_j` and along `−e_j`, for `h ↓ 0`."""
        whole, half = (read.one_sided(w, arrays, h) for h in (STEP, STEP / 2))
        right, left = (2 * b - a for a, b in zip(whole, half, strict=True))
        return jnp.concatenate([right, -left])

    at_0, at_1 = (np.asarray(slopes(base, at_lam(read.args.arrays, value))) for value in (0.0, 1.0))
    free = np.abs(at_1 - at_0)[:d] <= 1e-7 * np.max(np.abs(at_1))
    if free.all():
        raise ValueError(
            f"no parameter is penalised at 0: {lam} does not change the slope there, so there is no λ_max."
        )
    if np.any(np.asarray(base)[~free] != 0):
        raise ValueError("the penalised parameters have to be 0 in params: λ_max is where they become so.")

    def fitted(arrays: Arrays) -> jax.Array:
        def step(_: int, w: jax.Array) -> jax.Array:
            gradient, matrix = read.gradient(w, arrays)[free], jax.hessian(read.value)(w, arrays)[np.ix_(free, free)]
            return w.at[free].add(-jnp.linalg.solve(matrix, gradient))

        return jax.lax.fori_loop(0, NEWTON, step, base) if free.any() else base

    def smallest(arrays: Arrays) -> jax.Array:
        w = fitted(at_lam(arrays, 0.0))
        a = slopes(w, at_lam(arrays, 0.0))
        b = slopes(w, at_lam(arrays, 1.0)) - a
        penalised = np.concatenate([~free, ~free])
        return jnp.max(jnp.where(penalised, -a / jnp.where(penalised, b, 1.0), 0.0))

    return smallest

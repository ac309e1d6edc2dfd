"""One decomposition for a whole λ-grid of ridge fits, and what it costs in accuracy.

In the coordinates of :mod:`~jaxreg.solvers.reduction`, `(AᵀA + λI) u = Aᵀỹ`. With `A = U diag(√e) Vᵀ`,

    u(λ) = left · a(λ),     a(λ) = right / (e + λ),     degrees of freedom Σ e/(e + λ)

    n ≥ p:  AᵀA = V diag(e) Vᵀ,  left = V,    right = Vᵀ(Aᵀỹ)
    p > n:  AAᵀ = U diag(e) Uᵀ,  left = AᵀU,  right = Uᵀỹ

so all λs and targets together are one matrix product. `AᵀA` has the square of A's condition number κ: its eigenvectors
leave a relative error of about `κ²ε` in u. Where that exceeds a tenth of the default tolerance, the singular value
decomposition of A itself is taken (error `κε`).

Source: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, §3.4.1; the dual form: Saunders,
Gammerman and Vovk, ICML 1998.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.projection import smallest_direction

__all__ = [
    "Spectrum",
    "certificate_of",
    "coefficients",
    "gap_bound",
    "is_accurate",
    "map_lams",
    "of_other_targets",
    "products",
    "ridge_degrees",
    "shrink",
    "spectrum_of_gram",
    "spectrum_of_kernel",
    "spectrum_of_rows",
]

# The largest relative error of u that is left to the eigenvectors of AᵀA.
LARGEST_ERROR = {jnp.dtype(jnp.float64): 1e-11, jnp.dtype(jnp.float32): 1e-6}
# Scalar products of rows are taken in blocks: their rounding is a few ε of the product of the two lengths.
ROUNDING = 8
# Work arrays of several λs stay below this.
LAM_BLOCK_BYTES = 2**26


class Spectrum(NamedTuple):
    """What solves for every λ, and how far from exact it is.

    Attributes:
        e: squared singular values of A, (k,), k = min(n, p). left: (p, k). right: (k, t).
        miss: (t,), defect: (): the gradient of `½‖ỹ − Au‖² + ½λ‖u‖²` at `left · a(λ)` is at most
            `miss + defect ‖a(λ)‖`.
    """

    e: jax.Array
    left: jax.Array
    right: jax.Array
    miss: jax.Array
    defect: jax.Array


# The certificate. The duality gap of ridge at θ = r, the residual, with z = Aᵀr:
#
#     F − D = ½‖r‖² + ½λ‖u‖² − ỹ·r + ½‖r‖² + ‖z‖²/(2λ) = ½λ‖u‖² − u·z + ‖z‖²/(2λ) = ‖λu − z‖²/(2λ) = ‖∇F(u)‖²/(2λ).
#
# With computed factors, E = (AᵀA)V − V diag(e) is not 0 and VVᵀ is not I. With c = Aᵀỹ and right = Vᵀc:
#
#     ∇F = (AᵀA + λI) V a − c = V (e + λ) a + E a − c = (VVᵀ − I) c + E a,     ‖∇F‖ ≤ ‖(VVᵀ − I) c‖ + ‖E‖ ‖a‖.
#
# miss = ‖(VVᵀ − I) c‖ and ‖E‖ (Frobenius) need one product each, whatever the number of λs. The dual, u = AᵀU a, has
# ∇F = Aᵀρ, ρ = (AAᵀ + λI) U a − ỹ: the same with AAᵀ and ỹ, and with a factor ‖A‖ = √max e.
#
# What rounding leaves is added: AᵀA itself is known to ROUNDING · ε · trace, and evaluating u = left · a costs √k ε of
# ‖left‖ ‖a‖. Not covered are the centring and scaling of the rows, a relative ε of each entry.
def certificate_of(
    product: jax.Array, vectors: jax.Array, e: jax.Array, side: jax.Array, right: jax.Array, trace: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(miss, defect) for ``product`` `AᵀAV`, ``vectors`` V, ``side`` `Aᵀỹ`; or `AAᵀU`, U, `ỹ`, still times `‖A‖`."""
    eps = jnp.finfo(e.dtype).eps
    defect = jnp.linalg.norm(product - vectors * e[None, :]) + _evaluation(e) * jnp.max(e) + ROUNDING * eps * trace
    return _miss(vectors, e, side, right), defect


def _evaluation(e: jax.Array) -> float:
    return float(jnp.finfo(e.dtype).eps) * (len(e) ** 0.5 + ROUNDING)


def _miss(vectors: jax.Array, e: jax.Array, side: jax.Array, right: jax.Array) -> jax.Array:
    if vectors.shape[0] == len(e) < side.shape[1]:  # more targets than vectors: ‖VVᵀ − I‖ costs less, and bounds it
        distance = jnp.linalg.norm(vectors @ vectors.T - jnp.eye(len(e), dtype=e.dtype))
        miss = distance * jnp.linalg.norm(side, axis=0)
    else:
        miss = jnp.linalg.norm(vectors @ right - side, axis=0)
    return miss + _evaluation(e) * jnp.linalg.norm(right, axis=0)


def is_accurate(e: jax.Array, smallest_lam: jax.Array) -> jax.Array:
    """Whether the eigenvalues of `AᵀA` or `AAᵀ` are well enough conditioned for λ from ``smallest_lam``, (), on."""
    error = jnp.finfo(e.dtype).eps * jnp.max(e) / (jnp.maximum(jnp.min(e), 0.0) + smallest_lam)
    return error <= LARGEST_ERROR.get(e.dtype, 0.0)


def spectrum_of_gram(gram: jax.Array, correlation: jax.Array) -> Spectrum:
    """From `AᵀA`, (p, p), and `Aᵀỹ`, (p, t). Ask :func:`is_accurate` whether it will do.

    Example:
        >>> import jax.numpy as jnp
        >>> spectrum = spectrum_of_gram(jnp.array([[8.0]]), jnp.array([[10.0]]))
        >>> coefficients(spectrum, jnp.array([8.0]))
        Array([[0.625]], dtype=float32)
    """
    e, V = jnp.linalg.eigh(gram)
    e, right = jnp.maximum(e, 0.0), V.T @ correlation
    return Spectrum(e, V, right, *certificate_of(gram @ V, V, e, correlation, right, jnp.trace(gram)))


def of_other_targets(spectrum: Spectrum, correlation: jax.Array) -> Spectrum:
    """:func:`spectrum_of_gram` of the same `AᵀA` and of other `Aᵀỹ`, (p, t): two products, and no decomposition."""
    right = spectrum.left.T @ correlation
    return spectrum._replace(right=right, miss=_miss(spectrum.left, spectrum.e, correlation, right))


def spectrum_of_kernel(kernel: jax.Array, targets: jax.Array) -> Spectrum:
    """From `AAᵀ`, (n, n), and `ỹ`, (n, t), with U in the place of ``left``, `AᵀU`. As :func:`spectrum_of_gram`."""
    e, U = jnp.linalg.eigh(kernel)
    e, right = jnp.maximum(e, 0.0), U.T @ targets
    miss, defect = certificate_of(kernel @ U, U, e, targets, right, jnp.trace(kernel))
    norm = jnp.sqrt(jnp.max(e))
    return Spectrum(e, U, right, norm * miss, norm * defect)


def spectrum_of_rows(rows: jax.Array, targets: jax.Array, smallest_lam: jax.Array) -> Spectrum:
    """From the rows, by the smaller of `AᵀA` and `AAᵀ`; by the singular values of A where that is not accurate.

    Args:
        rows: A, (n, p), targets: `ỹ`, (n, t). smallest_lam: the least λ that will be asked for, (); it may be 0.
    """
    rows, targets = varying_like((rows, targets), rows, targets, smallest_lam)
    n, p = rows.shape
    primal = n >= p
    gram = rows.T @ rows if primal else rows @ rows.T
    e, vectors = jnp.linalg.eigh(gram)

    def eigen(_: None) -> Spectrum:
        positive = jnp.maximum(e, 0.0)
        side = rows.T @ targets if primal else targets
        right = vectors.T @ side
        miss, defect = certificate_of(gram @ vectors, vectors, positive, side, right, jnp.trace(gram))
        if primal:
            return Spectrum(positive, vectors, right, miss, defect)
        norm = jnp.sqrt(jnp.max(positive))
        return Spectrum(positive, rows.T @ vectors, right, norm * miss, norm * defect)

    def singular(_: None) -> Spectrum:
        U, sv, Vt = jnp.linalg.svd(rows, full_matrices=False)
        # With λ > 0 every direction is what it is; at λ = 0 those of rounding are dependent.
        keep = (sv > smallest_direction(min(n, p), rows.dtype) * sv[0]) | (smallest_lam > 0)
        sv = jnp.where(keep, sv, 0.0)
        V, right = Vt.T, sv[:, None] * (U.T @ targets)
        return Spectrum(
            sv**2, V, right, *certificate_of(rows.T @ (rows @ V), V, sv**2, rows.T @ targets, right, sv[0] ** 2)
        )

    return jax.lax.cond(is_accurate(e, smallest_lam), eigen, singular, None)


def shrink(right: jax.Array, e: jax.Array, lam: jax.Array) -> jax.Array:
    """`a = right / (e + λ)`, (k, t), for one λ, () or (t,), and 0 where `e + λ = 0`: the solution of least norm."""
    denominator = e[:, None] + (lam[None, None] if lam.ndim == 0 else lam[None, :])
    return jnp.where(denominator > 0, right / jnp.where(denominator > 0, denominator, 1.0), 0.0)


def products(rows: jax.Array, right: jax.Array, e: jax.Array, lam: jax.Array) -> jax.Array:
    """`rows · a(λ)`, (m, t), for λ of shape (1,), shared by the targets, or (t,).

    A λ that is shared weighs the columns of the m rows, not the k numbers of every target: a grid is one product.
    """
    if lam.shape[0] != 1:
        return rows @ shrink(right, e, lam)
    positive = e + lam > 0
    return (rows * jnp.where(positive, 1.0 / jnp.where(positive, e + lam, 1.0), 0.0)[None, :]) @ right


def coefficients(spectrum: Spectrum, lam: jax.Array) -> jax.Array:
    """`u(λ)`, (p, t), for λ of shape () or (t,), one a target."""
    return spectrum.left @ shrink(spectrum.right, spectrum.e, lam)


def ridge_degrees(e: jax.Array, lams: jax.Array) -> jax.Array:
    """`Σ e/(e + λ)`, (L, t), for λs (L, t) above 0: the trace of `A (AᵀA + λI)⁻¹ Aᵀ`, the intercept not counted."""
    return map_lams(lambda lam: jnp.sum(e[:, None] / (e[:, None] + lam[None, :]), axis=0), lams, len(e) * lams.shape[1])


def gap_bound(spectrum: Spectrum, lams: jax.Array) -> jax.Array:
    """A bound on the duality gap at `u(λ)`, in the units of the objective, (L, t), for λs above 0, (L, t) or (L, 1)."""
    # ‖a‖² = Σ_k right_k² / (e_k + λ)²; both factors are scaled so that squares stay in range.
    largest = jnp.max(jnp.abs(spectrum.right), axis=0)
    largest = jnp.where(largest > 0, largest, 1.0)
    right, e = spectrum.right / largest[None, :], spectrum.e[:, None]

    def norm(lam: jax.Array) -> jax.Array:
        least = jnp.min(spectrum.e) + lam
        return jnp.sqrt(jnp.sum((right * (least[None, :] / (e + lam[None, :]))) ** 2, axis=0)) * largest / least

    def shared(lam: jax.Array) -> jax.Array:
        least = jnp.min(e) + lam
        return jnp.sqrt((least / (e[:, 0] + lam)) ** 2 @ right**2) * largest / least

    norms = jax.vmap(shared)(lams) if lams.shape[1] == 1 else map_lams(norm, lams, right.size)
    return (spectrum.miss[None, :] + spectrum.defect * norms) ** 2 / (2.0 * lams)


def map_lams(f: Callable[[jax.Array], Any], lams: jax.Array, width: int) -> Any:
    """``f`` of every λ, stacked: as many at once as arrays of ``width`` numbers a λ stay within the block size."""
    count = len(lams)
    most = max(1, LAM_BLOCK_BYTES // (width * lams.dtype.itemsize))
    if most >= count:
        return jax.vmap(f)(lams)
    return jax.lax.map(f, lams, batch_size=-(-count // -(-count // most)))

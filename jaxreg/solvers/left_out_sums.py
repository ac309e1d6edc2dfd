"""Sums of ridge's leave-one-out errors over rows, for every λ: from `B = A V`, or from the eigenvectors of `AAᵀ`.

The formulas (1) to (3) are those of :mod:`~jaxreg.solvers.leave_one_out`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like
from jaxreg.formulas.projection import smallest_direction
from jaxreg.solvers.factored_ridge import FactoredRidge, spectral_lams
from jaxreg.solvers.spectrum import Spectrum, certificate_of, is_accurate, map_lams, shrink, spectrum_of_rows

__all__ = ["Sums", "decomposition", "dual", "primal", "sums_of_rows"]

# Rows for which B = A V is at hand at once.
ROW_BLOCK = 2048


class Sums(NamedTuple):
    """Over rows: `Σ r²`, `Σ e²` and `Σ e⁴ Σs/s` of the weighted residuals, (L, t), and max h, (L, t) or (L, 1)."""

    squares: jax.Array
    left_out: jax.Array
    fourth: jax.Array
    leverage: jax.Array


def _errors(
    residual: jax.Array, remaining: jax.Array, known: jax.Array, share: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`Σ e²` and `Σ e⁴/share` of `e = residual / remaining`; inf where a row has no others, and ``known`` is False.

    Args:
        residual: (m, t). remaining, known: (m, t) or (m, 1). share: (m,).
    """
    error = jnp.where(known, residual / jnp.where(known, remaining, 1.0), jnp.inf) ** 2
    error = jnp.where(share[:, None] > 0, error, 0.0)
    return jnp.sum(error, axis=0), jnp.sum(error / jnp.where(share > 0, share, 1.0)[:, None] * error, axis=0)


def sums_of_rows(
    factored: FactoredRidge, X: jax.Array, Y: jax.Array, share: jax.Array, lams: jax.Array, fit_intercept: bool
) -> Sums:
    """Those of some rows, for `n > p` and without free columns: what :func:`primal` sums, block by block.

    Args:
        factored: of all rows. X: (m, p), Y: (m, t). share: `s/Σs`, (m,), 0 for rows that fill up.
    """
    root = jnp.sqrt(share)[:, None]
    B = root * ((X - factored.x_mean[None, :]) / factored.size[None, :]) @ factored.spectrum.left
    T = root * (Y - factored.y_mean[None, :])
    base = share if fit_intercept else jnp.zeros_like(share)
    return _block_sums(factored.spectrum, B, T, base, share, spectral_lams(factored, lams))


def _block_sums(
    spectrum: Spectrum, B: jax.Array, T: jax.Array, base: jax.Array, share: jax.Array, lams: jax.Array
) -> Sums:
    """By (2), of rows B (m, k) and targets T (m, t), which are 0 where ``share`` is.

    Args:
        base: `s_i/Σs + Σ_k Q_ik²`, (m,). lams: of the decomposition, (L, t) or (L, 1).
    """
    e, right, squares = spectrum.e, spectrum.right, B**2

    def one(lam: jax.Array) -> Sums:
        h = base[:, None] + squares @ (1.0 / (e[:, None] + lam[None, :]))
        residual = T - B @ shrink(right, e, lam)
        known = 1.0 - h > 64 * jnp.finfo(h.dtype).eps
        square, fourth = _errors(residual, 1.0 - h, known, share)
        return Sums(
            jnp.sum(residual**2, axis=0), square, fourth, jnp.max(jnp.where(share[:, None] > 0, h, 0.0), axis=0)
        )

    return map_lams(one, lams, max(B.shape) * T.shape[1])


def primal(
    rows: jax.Array, targets: jax.Array, removed: jax.Array, share: jax.Array, lams: jax.Array
) -> tuple[Spectrum, Sums]:
    """The spectrum and the sums by (2), in blocks of rows, at the λs of the decomposition, (L, t) or (L, 1)."""
    spectrum = spectrum_of_rows(rows, targets, jnp.min(lams))
    n = rows.shape[0]
    length = min(n, ROW_BLOCK)
    base = jnp.sum(removed**2, axis=1)

    def block(start: jax.Array) -> Sums:
        first = jnp.minimum(start, n - length)  # the last block starts early: its first rows have been counted
        new = first + jnp.arange(length) >= start
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, first, length)
        counted = lambda a: jnp.where(new.reshape((-1,) + (1,) * (a.ndim - 1)), cut(a), 0.0)
        return _block_sums(spectrum, counted(rows) @ spectrum.left, counted(targets), cut(base), counted(share), lams)

    parts = jax.lax.map(block, jnp.arange(0, n, length))
    return spectrum, jax.tree.map(lambda a: jnp.sum(a, axis=0), parts)._replace(
        leverage=jnp.max(parts.leverage, axis=0)
    )


def dual(
    rows: jax.Array, targets: jax.Array, removed: jax.Array, share: jax.Array, lams: jax.Array
) -> tuple[Spectrum, Sums]:
    """As :func:`primal`, by (3)."""
    n, p = rows.shape
    U, raised, K, kept = decomposition(rows, removed, lams)
    finite = jnp.where(kept, raised, 0.0)
    right = U.T @ targets
    norm = jnp.sqrt(jnp.max(finite))
    miss, defect = certificate_of(K @ U, U, finite, targets, right, jnp.trace(K))
    known = finite > smallest_direction(min(n, p), K.dtype) ** 2 * jnp.max(finite)
    left = jnp.where(known[None, :], rows.T @ U, 0.0)
    e, squares = jnp.where(kept, raised, jnp.inf), U**2
    determined = jnp.sum(squares, axis=1) > 64 * jnp.finfo(K.dtype).eps

    def one(lam: jax.Array) -> tuple[jax.Array, ...]:
        remaining = squares @ (1.0 / (e[:, None] + lam[None, :]))  # (1 − h)/λ and (ỹ − ŷ)/λ
        residual = U @ shrink(right, e, lam)
        h = jnp.where(share[:, None] > 0, 1.0 - lam[None, :] * remaining, 0.0)
        errors = _errors(residual, remaining, determined[:, None], share)
        return lam**2 * jnp.sum(residual**2, axis=0), *errors, jnp.max(h, axis=0)

    sums = Sums(*map_lams(one, lams, n * targets.shape[1]))
    return Spectrum(e, left, right, norm * miss, norm * defect), sums


def decomposition(rows: jax.Array, removed: jax.Array, lams: jax.Array) -> tuple[jax.Array, ...]:
    """U (n, n), 0 in the directions of ``removed``; its eigenvalues; `K = AAᵀ`; and which directions are kept, (n,)."""
    # The directions of ``removed`` have the eigenvalue 0, as others may have. With τ removed removedᵀ added to K = AAᵀ,
    # τ = 2 max_i Σ_j |K_ij|, at least twice the largest e, they have the eigenvalue τ, and are known by it.
    rows, removed = varying_like((rows, removed), rows, removed, lams)
    K = rows @ rows.T
    largest = jnp.max(jnp.sum(jnp.abs(K), axis=1))
    largest = jnp.where(largest > 0, largest, 1.0)
    raised, U = jnp.linalg.eigh(K + 2.0 * largest * (removed @ removed.T))

    def singular() -> tuple[jax.Array, jax.Array]:
        U, sv, _ = jnp.linalg.svd(
            jnp.concatenate([rows, jnp.sqrt(2.0 * largest) * removed], axis=1), full_matrices=False
        )
        return sv**2, U

    good = is_accurate(raised, jnp.min(lams))
    raised, U = jax.lax.cond(good, lambda: (jnp.maximum(raised, 0.0), U), singular)
    kept = raised < 1.5 * largest
    return jnp.where(kept[None, :], U, 0.0), raised, K, kept

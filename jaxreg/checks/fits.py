"""Least squares: by how much of each term is a claimed vector made up?

At points `x_1, …, x_P` let h be the claimed vector and `g_k` the gradient of term k. If `h(x_i) = Σ_k a_k g_k(x_i)` at
all points, the `a_k` are determined as soon as the `g_k` are independent, and `a_k ≠ 1` names the term that is wrong.
Points of different magnitude count alike: each is divided by its largest number.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["EXACT", "Fit", "fit", "independent", "ratio"]

# What an exact explanation may leave, relative to the largest term at the point.
EXACT = 1e-8


class Fit(NamedTuple):
    """`h = Σ a_k g_k`: the coefficients (K,), and what is left, relative to the terms, (d,).

    ``known`` says which coefficients are determined: not those of terms that are 0 at all the coordinates looked at;
    ``accuracy`` to how much.
    """

    coefficients: np.ndarray
    left: np.ndarray
    known: np.ndarray
    accuracy: np.ndarray

    @property
    def exact(self) -> bool:
        return bool(np.max(self.left, initial=0.0) <= EXACT)


def fit(claimed: np.ndarray, terms: np.ndarray, inside: np.ndarray | None = None, slack: float = 0.0) -> Fit:
    """Fits (P, d) by (P, K, d), at the coordinates ``inside``, (d,) booleans.

    ``slack`` is the relative rounding error of formulas that compute in less than float64.
    """
    if inside is not None:
        claimed, terms = claimed[:, inside], terms[:, :, inside]
    size = np.max(np.abs(terms), axis=(1, 2), initial=0.0)
    size = np.where(size > 0, size, np.max(np.abs(claimed), axis=1, initial=0.0))
    size = np.where(size > 0, size, 1.0)[:, None]
    h, g = claimed / size, terms / size[:, :, None]
    matrix = g.transpose(0, 2, 1).reshape(-1, g.shape[1])
    norms = np.linalg.norm(matrix, axis=0)
    known = norms > 1e-12 * np.max(norms, initial=1e-300)
    scaled = matrix[:, known] / norms[known]
    coefficients = np.ones(len(norms))
    coefficients[known] = np.linalg.lstsq(scaled, h.reshape(-1), rcond=1e-13)[0] / norms[known]
    left = np.abs(h - np.einsum("pkd,k->pd", g, np.where(known, coefficients, 0.0)))
    rounding = 1e-14 + np.max(left, initial=0.0)
    accuracy = np.maximum(1e-9, 10 * rounding * np.sqrt(len(matrix)) / np.maximum(norms, 1e-300)) + slack
    return Fit(coefficients, np.max(left, axis=0, initial=0.0) - slack, known, accuracy)


def ratio(claimed: np.ndarray, truth: np.ndarray, inside: np.ndarray | None = None, slack: float = 0.0) -> float | None:
    """The number c with `claimed = c · truth`, or None."""
    found = fit(claimed, truth[:, None, :], inside, slack)
    return float(found.coefficients[0]) if found.exact and found.known[0] else None


def independent(terms: np.ndarray) -> list[list[int]]:
    """The terms in groups; those of a group have parallel gradients and cannot be told apart, (P, K, d)."""
    size = np.maximum(np.max(np.abs(terms), axis=(1, 2), keepdims=True), 1e-300)
    columns = (terms / size).transpose(1, 0, 2).reshape(terms.shape[1], -1)
    groups: list[list[int]] = []
    for k, column in enumerate(columns):
        norm = np.linalg.norm(column)
        for group in groups:
            other = columns[group[0]]
            if norm == 0 or abs(column @ other) >= (1 - 1e-12) * norm * np.linalg.norm(other):
                group.append(k)
                break
        else:
            groups.append([k])
    return groups

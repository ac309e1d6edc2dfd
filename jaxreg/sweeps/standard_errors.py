"""Standard errors of ridge and of least squares, in closed form, for studentised intervals.

Without bounds the coefficients at `ρ = 0` (any λ), or at `λ = 0` (any ρ), are linear in y. About the means, with
weights s,

    G = XᵀSX / Σs,    D_j = v_j σ_j² / τ  at ρ = 0,  0 at λ = 0,    A = (G + λD)⁻¹,    ŵ = A XᵀSy / Σs

and if the errors of y are independent, that of row i of variance `σ²/s_i`, then

    Var ŵ = A XᵀS (σ² S⁻¹) S X A / (Σs)² = σ² A G A / Σs,    σ̂² = Σ s r² / (n − 1 − tr AG)

with n rows of positive weight, a row that was drawn c times as c rows; the 1 is the intercept's. At `λ = 0` this is the
textbook's `σ̂² (XᵀSX)⁻¹`. The penalty's scales `σ_j` and τ are taken as given. Ridge's bias is not in it: as all
intervals of resamples, these are of the penalised estimate.

Source: Hoerl and Kennard, *Technometrics* 12, 1970, for the variance; Hastie and Tibshirani, *Generalized Additive
Models*, 1990, ch. 3, for the degrees of freedom that are taken off.
"""

import numpy as np

from jaxreg.data.cores import share
from jaxreg.data.problem import Problem

__all__ = ["check_linear", "standard_errors"]

# Columns that explain each other up to one part in so many have no standard error.
MOST_INFLATED = 1e12


def check_linear(problem: Problem, lams: int | np.ndarray) -> None:
    """
    Raises:
        ValueError: coefficients are not linear in y.
    """
    if problem.l1_ratio > 0 and (isinstance(lams, int) or np.any(lams != 0)):
        raise ValueError(
            f"standard_errors=True is for ridge (l1_ratio=0) and least squares (lams=[0.0]); with l1_ratio="
            f"{problem.l1_ratio:g} coefficients are not linear in y, and their variance has no closed form."
        )
    bounds = [name for name in ("lower", "upper") if getattr(problem, name) is not None]
    if any(np.isfinite(getattr(problem, name)).any() for name in bounds):
        raise ValueError(
            f"standard_errors=True with {' and '.join(bounds)}: a bound makes coefficients not linear in y."
        )


def standard_errors(
    problem: Problem, lams: np.ndarray, weights: np.ndarray, coef: np.ndarray, intercept: np.ndarray
) -> np.ndarray:
    """Of the coefficients of B samples, (B, L, p, t); NaN where there is none, 0 where a column does not vary.

    Args:
        problem: X, y (n, t) or, where each sample has its own target, (n, B), and the weights of the data.
        lams: (L,). weights: s of each sample, (B, n). coef: (B, L, p, t), intercept: (B, L, t).
    """
    rows = int((problem.weights > 0).sum())
    own = problem.y.shape[1] != coef.shape[3]

    def of(b: int) -> np.ndarray:
        y = problem.y[:, b, None] if own else problem.y
        return _of_sample(problem._replace(y=y, sample_weight=weights[b]), lams, coef[b], intercept[b], rows)

    return np.stack(share(of, range(len(weights))))


def _of_sample(problem: Problem, lams: np.ndarray, coef: np.ndarray, intercept: np.ndarray, rows: int) -> np.ndarray:
    """Of one sample, (L, p, t)."""
    there = problem.weights > 0
    s = problem.weights[there] / problem.weights.sum()
    Z, Y = (np.asarray(v[there], float) for v in (problem.X, problem.y))
    vary = (Z[0] != Z).any(axis=0) | (np.any(Z != 0, axis=0) & (not problem.fit_intercept))
    v = np.ones(len(vary)) if problem.penalty_factor is None else problem.penalty_factor
    found = np.zeros(coef.shape)
    rss: np.ndarray = np.stack([s @ (Y - Z @ w - b) ** 2 for w, b in zip(coef, intercept, strict=True)])
    Z, v = Z[:, vary], v[vary]
    deviation = lambda values: np.sqrt(s @ (values - s @ values) ** 2)
    sigma, tau = (deviation(Z), deviation(Y)) if problem.standardize else (np.ones(len(v)), np.ones(Y.shape[1]))
    sigma, tau = np.where(sigma > 0, sigma, 1.0), np.where(tau > 0, tau, 1.0)
    Z = Z - s @ Z if problem.fit_intercept else Z
    G = Z.T @ (s[:, None] * Z)
    for l, lam in enumerate(lams):
        for target in range(len(tau)):
            penalised = G + np.diag(lam * v * sigma**2 / tau[target])
            try:
                A = np.linalg.inv(penalised)
            except np.linalg.LinAlgError:
                found[l, vary, target] = np.nan
                continue
            inflated = np.diagonal(A) * np.diagonal(penalised)
            left = rows - problem.fit_intercept - np.trace(A @ G)
            if not (inflated > 0).all() or (inflated > MOST_INFLATED).any() or left <= 0:
                found[l, vary, target] = np.nan
                continue
            variance = ((A @ G) * A).sum(axis=1)
            found[l, vary, target] = np.sqrt(rss[l, target] / left * variance)
    return found

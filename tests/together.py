"""Targets that are penalised together, in plain NumPy: the objective, its minimiser, its optimality and its gap.

Written from the objective in the docstring of ``jaxreg.formulas.multi_task``, not from jaxreg's code; what is judged is
judged in extended precision.
"""

import numpy as np

LD = np.longdouble


def weighted(X, Y, s, intercept):
    """√(s/Σs) (X − x̄) and the same of Y."""
    share = s / s.sum()
    root = np.sqrt(share)[:, None]
    centre = (lambda A: A - share @ A) if intercept else (lambda A: A)
    return root * centre(X), root * centre(Y)


def objective(W, b, X, Y, lam, rho, s):
    norm = np.sqrt((W**2).sum(axis=1))
    residual = Y - X @ W - b
    return (s[:, None] * residual**2).sum() / (2 * s.sum()) + lam * (rho * norm + (1 - rho) / 2 * norm**2).sum()


def minimiser(X, Y, lam, rho, s=None, intercept=True, sweeps=20_000):
    """(W, b) by block descent until nothing moves any more."""
    s = np.ones(len(X)) if s is None else s
    Z, T = weighted(X, Y, s, intercept)
    W, l1, l2 = np.zeros((X.shape[1], Y.shape[1])), lam * rho, lam * (1 - rho)
    R = T.copy()
    for _ in range(sweeps):
        before = W.copy()
        for j, z in enumerate(Z.T):
            if not z.any():
                continue
            c = z @ R + z @ z * W[j]
            length = np.sqrt(c @ c)
            new = max(1 - l1 / length, 0) * c / (z @ z + l2) if length > 0 else 0 * c
            R += np.outer(z, W[j] - new)
            W[j] = new
        if np.abs(W - before).max() <= 1e-16:
            break
    share = s / s.sum()
    return W, (share @ (Y - X @ W) if intercept else np.zeros(Y.shape[1]))


def kkt(W, b, X, Y, lam, rho, s=None, intercept=True):
    """How far 0 is from the subdifferential, for the worst column or the intercept, in extended precision."""
    s = np.ones(len(X)) if s is None else s
    W, b, X, Y, s = (np.asarray(v, LD) for v in (W, b, X, Y, s))
    lam, rho = LD(lam), LD(rho)
    R = (s / s.sum())[:, None] * (Y - X @ W - b)
    norm = np.sqrt((W**2).sum(axis=1))
    g = -X.T @ R + lam * (1 - rho) * W
    worst = LD(0)
    for j in range(len(W)):
        if norm[j] > 0:
            off = g[j] + lam * rho * W[j] / norm[j]
            worst = max(worst, np.sqrt(off @ off))
        else:
            worst = max(worst, np.sqrt(g[j] @ g[j]) - lam * rho)
    total = R.sum(axis=0)
    return float(max(worst, np.sqrt(total @ total)) if intercept else worst)


def gap(W, b, X, Y, lam, rho, s=None, intercept=True):
    """F − D at Θ = c R, the best c in [0, 1], as a share of ‖Ỹ‖², in extended precision."""
    s = np.ones(len(X)) if s is None else s
    W, b, X, Y, s = (np.asarray(v, LD) for v in (W, b, X, Y, s))
    l1, l2 = LD(lam) * LD(rho), LD(lam) * (1 - LD(rho))
    Z, T = weighted(X, Y, s, intercept)
    R = T - Z @ W
    z = Z.T @ R
    norm = np.sqrt((z**2).sum(axis=1))
    F = objective(W, b, X, Y, LD(lam), LD(rho), s)

    def dual(c):
        excess = np.maximum(c * norm - l1, 0)
        if l2 == 0 and (excess > 64 * np.finfo(LD).eps * l1).any():
            return -LD(np.inf)
        conjugate = (excess**2).sum() / (2 * l2) if l2 > 0 else LD(0)
        return c * (T * R).sum() - c**2 * (R**2).sum() / 2 - conjugate

    limit = min(LD(1), l1 / norm.max()) if norm.max() > 0 else LD(1)
    best, low, high = max(dual(limit), dual(LD(0))), LD(0), LD(1) if l2 > 0 else limit
    for _ in range(100):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        a, c = dual(left), dual(right)
        best = max(best, a, c)
        low, high = (left, high) if a < c else (low, right)
    return float((F - best) / (T**2).sum())

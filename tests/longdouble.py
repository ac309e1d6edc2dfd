"""An independent certificate: the duality gap in NumPy's extended precision.

Written from the definition in the objective's docstring, not from jaxreg's code. For any θ,

    F(w, b) − min F  ≤  F − D(θ),     D(θ) = ½‖ỹ‖² − ½‖ỹ − θ‖² − Σ_j h_j*(z_jᵀθ),

in rows weighted by √(s/Σs), about the means where an intercept is fitted, with the free columns' span removed.
"""

import numpy as np

LD = np.longdouble
EPS = np.finfo(LD).eps


def orthonormal(columns):
    """A basis of their span by Gram and Schmidt, twice; what is left below 1e-17 of a column depends on the others."""
    basis = []
    for column in columns.T:
        rest = column.copy()
        for _ in range(3):
            for q in basis:
                rest = rest - q * (q @ rest)
        if np.sqrt(rest @ rest) > LD(1e-17) * np.sqrt(column @ column):
            basis.append(rest / np.sqrt(rest @ rest))
    return np.stack(basis, axis=1) if basis else np.zeros((len(columns), 0), LD)


def minimal_norm(Z, off):
    """The shortest x with Zᵀx = off, by a triangular solve in an orthonormal basis of Z's columns."""
    Q, x, done = [], np.zeros(len(Z), LD), []
    for column, value in zip(Z.T, off, strict=True):
        rest = column.copy()
        for _ in range(3):
            for q in Q:
                rest = rest - q * (q @ rest)
        length = np.sqrt(rest @ rest)
        if length > LD(1e-17) * np.sqrt(column @ column):
            q = rest / length
            x = x + q * ((value - column @ x) / length)
            Q.append(q)
            done.append(column)
    return x


def gap(X, y, w, b, lam, rho, *, weight, factor, sigma, tau, lower, upper, intercept, only_residual=False):
    """(F − D)/‖ỹ‖²; ∞ outside the bounds. X (n, p), y, w: of one target.

    D is at the best of c r and of c θ, θ the nearest to r that is optimal for the columns inside their bounds.
    """
    X, y, w, weight, factor, sigma, lower, upper = (
        np.asarray(v, LD) for v in (X, y, w, weight, factor, sigma, lower, upper)
    )
    b, lam, rho, tau = (LD(v) for v in (b, lam, rho, tau))
    # Such a bound is none; in the conjugate it would multiply the rounding of float64 coefficients.
    lower, upper = np.where(lower <= -1e300, -np.inf, lower), np.where(upper >= 1e300, np.inf, upper)
    if (w < lower).any() or (w > upper).any():
        return np.inf
    share = weight / weight.sum()
    root = np.sqrt(share)
    l1, l2 = lam * rho * factor * sigma, lam * (1 - rho) * factor * sigma**2 / tau
    # Differences from the first row are exact, where offsets of 1e13 would cost products their last digits.
    steps, rises = X - X[0], y - y[0]
    slopes = rises - steps @ w
    residual = slopes + (y[0] - X[0] @ w - b)
    F = share @ residual**2 / 2 + (l1 * np.abs(w) + l2 * w**2 / 2).sum()
    centre = (lambda v: v - share @ v) if intercept else (lambda v: v)
    if not intercept:
        steps, rises, slopes = X, y, y - X @ w
    Z, target, r = root[:, None] * centre(steps), root * centre(rises), root * centre(slopes)
    free = (l1 == 0) & (l2 == 0) & np.isinf(lower) & np.isinf(upper)
    Q = orthonormal(Z[:, free])
    away = lambda v: v - Q @ (Q.T @ v)
    before = np.sqrt((Z**2).sum(axis=0))
    target, r, Z = away(away(target)), away(away(r)), away(away(Z))
    Z = np.where(np.sqrt((Z**2).sum(axis=0)) > LD(1e-17) * before, Z, 0)  # what depends on free columns is rounding
    yy = target @ target
    length = np.sqrt((Z**2).sum(axis=0))
    numbers = np.sqrt(share @ y**2) + np.abs(b) + np.sqrt(share @ X**2) @ np.abs(w)
    rounding = 64 * EPS * length * numbers

    def dual(theta):
        z = np.where(free, LD(0), Z.T @ theta)
        # What rounding makes of z = 0 must not count where hardly a penalty weighs: h* would divide its square by l2.
        none = (l1 <= rounding) & (np.abs(z) <= rounding)
        excess = np.where(none | (np.abs(z) <= l1), LD(0), z - l1 * np.sign(z))
        bound = np.where(excess > 0, upper, np.where(excess < 0, lower, LD(0)))
        with np.errstate(all="ignore"):
            at = np.where(l2 > 0, np.clip(excess / np.where(l2 > 0, l2, LD(1)), lower, upper), bound)
            square = np.where(l2 > 0, l2 * at**2 / 2, LD(0))
            conjugate = np.where(excess == 0, LD(0), excess * at - square)
        return yy / 2 - ((target - theta) ** 2).sum() / 2 - conjugate.sum()

    def best(theta):
        """Over c in [0, 1], where D(c θ) is concave: the kinks where a column meets its limit, and a ternary search."""
        z = np.where(free, LD(0), np.abs(Z.T @ theta))
        with np.errstate(all="ignore"):
            kinks = np.where(z > 0, l1 / np.where(z > 0, z, LD(1)), LD(1))
        kinks = np.clip(np.concatenate([kinks, [LD(1), LD(0)]]), 0, 1)
        found = max(dual(c * theta) for c in kinks)
        low, high = LD(0), LD(1)
        for _ in range(60):
            third = (high - low) / 3
            a, c = low + third, high - third
            left, right = dual(a * theta), dual(c * theta)
            found = max(found, left, right)  # beside a kink the last steps are rounding
            if left < right:
                low = a
            else:
                high = c
        return found

    # Columns without a penalty first: where others equal them, it is those that can give way.
    inside = np.flatnonzero((w != 0) & (w > lower) & (w < upper) & ~free)
    inside = inside[np.argsort((l1 + l2)[inside] > 0, kind="stable")]
    off = Z[:, inside].T @ r - l1[inside] * np.sign(w[inside]) - l2[inside] * w[inside]
    candidates = [r, r - minimal_norm(Z[:, inside], off)] if len(inside) else [r]
    D = max(best(theta) for theta in (candidates[:1] if only_residual else candidates))
    scale = yy if yy > (LD(64) * np.finfo(float).eps * numbers) ** 2 else numbers**2
    return float(max(F - D, LD(0)) / scale) if scale > 0 else float("inf" if F > D else 0)

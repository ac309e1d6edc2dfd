"""The certificate of the host functions: the duality gap of the parameters as they are returned.

Whatever engine made them, whatever it lost on the way (bounds, offsets, digits of a Gram matrix, float32), parameters
leave with the gap of :mod:`jaxreg.formulas.duality` at these very numbers, in float64, against their bounds. It needs

    r = y − Xw − b,     F = ½ Σ s r²/Σs + Σ_j h_j(w_j),     z = ZᵀS r,     D(c r) = c ỹ·r − ½ c² r·r − Σ_j h_j*(c z_j)

for all λs and targets at once: two products with the table. From the rows, r is formed about the columns' means, so an
offset of 1e13 costs no digits but those that b itself has lost. Moments are asked where they are at hand and

    rounding = unit · ( ‖ỹ‖ + Σ_j |w_j| ‖x_j‖ )²  +  ( 4ε ( |ȳ| + |b| + Σ_j |w_j x̄_j| ) )²

is below a tenth of the tolerance: 8ε is the unit of moments that were summed about their means, and what subtracting
rows adds is in it (:class:`Known`).

Where a residual of rounding is judged (noise-free y, coefficients of 1e9 that cancel), c r is a poor dual point: its
products with the columns inside their bounds are not l1_j s_j but that and rounding. The nearest θ for which they are,

    θ = r − Z_A x,     Z_AᵀZ_A x = Z_Aᵀr − (l1 s)_A,

is tried where c r does not do: every θ gives a lower bound.

These are host functions: NumPy arrays in, NumPy numbers out.
"""

from typing import NamedTuple

import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.engines.gaps import (
    EPS,
    Members,
    Sums,
    Weights,
    each_member,
    gap_of,
    per_scale,
    scaling,
    some_lams,
)
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.row_gaps import gap_from_rows
from jaxreg.formulas.moments import Moments, about_zero
from jaxreg.formulas.objective import Params

__all__ = ["UNIT", "Known", "certified", "gap_from_moments", "gap_from_rows"]

# Moments about their means are known to so much of the columns' lengths: sums of products in blocks.
UNIT = 8 * EPS


class Known(NamedTuple):
    """Moments of the rows that have weight, in float64, p columns or more; ``unit``: by how much of the columns'
    lengths their entries may be off."""

    moments: Moments
    unit: float = UNIT


def certified(solved: Solved, a: Arguments, options: Options, known: Known | None = None) -> Solved:
    """``solved`` in the caller's precision, with the gaps of its parameters."""
    dtype = a.X.dtype
    params = Params(*(v.astype(dtype, copy=False) for v in solved.params))
    solved = solved._replace(params=params)
    late = np.ones(solved.lams.shape[0], bool)
    gap = np.full(solved.lams.shape, np.inf)
    if known is not None and np.all(solved.lams > 0):
        gap, rounding = gap_from_moments(known, a, solved, options)
        late = ~np.all(rounding <= options.tol / 10, axis=1)
    if late.any():
        gap[late] = gap_from_rows(a, some_lams(solved, late), options)
    lams, scale, tau = (v.astype(dtype, copy=False) for v in (solved.lams, solved.scale, solved.y_scale))
    return solved._replace(lams=lams, gap=gap.astype(dtype), scale=scale, y_scale=tau)


def gap_from_moments(known: Known, a: Arguments, solved: Solved, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The gaps and what rounding may make of them, as shares of Σ s ỹ²/Σs, each (L, t), at λ > 0, all columns
    penalised."""
    m, p = known.moments, a.X.shape[1]
    m = Moments(m.weight, m.x_mean[:p], m.y_mean, m.xx[:p, :p], m.xy[:p], m.yy)
    original = m.yy / m.weight + m.y_mean**2
    mean, y_mean = m.x_mean, m.y_mean
    m = m if options.fit_intercept else about_zero(m)
    square = np.diagonal(m.xx) / m.weight
    scale = scaling(np.sqrt(square))
    size = np.sqrt(square) / scale

    def sums(members: Members) -> Sums:
        used, target = members.used, members.target
        W = members.coef[used]
        xy = m.xy[:, target] / m.weight
        z = xy - (m.xx[:, used]) @ (W / m.weight)
        yy, product = m.yy[target] / m.weight, np.einsum("pm,pm->m", W, xy[used])
        rr = np.maximum(yy - product - np.einsum("pm,pm->m", W, z[used]), 0.0)
        left = m.y_mean[target] - m.x_mean[used] @ W - members.intercept
        spread = np.sqrt(yy) + (size * scale)[used] @ np.abs(W)
        magnitude = np.abs(y_mean[target]) + np.abs(members.intercept) + np.abs(mean[used]) @ np.abs(W)
        return Sums(rr + left**2, rr, yy - product, yy, per_scale(z, scale), size, spread, magnitude)

    def judge(members: Members) -> tuple[np.ndarray, np.ndarray]:
        of = sums(members)
        gap = gap_of(of, members, Weights(a, options, solved.scale, scale), original)
        noise = known.unit * of.spread**2 + (4 * EPS * of.magnitude) ** 2
        return gap, np.where(of.yy > 0, noise / np.where(of.yy > 0, of.yy, 1.0), 0.0)

    with np.errstate(all="ignore"):
        gap, rounding = each_member(judge, solved)
    return gap, rounding

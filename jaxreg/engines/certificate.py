"""The certificate of the host functions: the duality gap of the parameters as they are returned.

Whatever engine made them, whatever it lost on the way (bounds, offsets, digits of a Gram matrix, float32), parameters
leave with the gap of :mod:`jaxreg.formulas.duality` at these very numbers, in float64, against their bounds. It needs

    r = y − Xw − b,     F = ½ Σ s r²/Σs + Σ_j h_j(w_j),     z = ZᵀS r,     D(c r) = c ỹ·r − ½ c² r·r − Σ_j h_j*(c z_j)

for all λs and targets at once: two products with the table. From the rows, r is formed about the columns' means, so an
offset of 1e13 costs no digits but those that b itself has lost. Moments are asked where they are at hand and what
rounding may make of their gap (:mod:`~jaxreg.solvers.moment_problem`) is below a tenth of the tolerance: 8ε is the unit
of moments that were summed about their means, and what subtracting rows adds is in it.

Where a residual of rounding is judged (noise-free y, coefficients of 1e9 that cancel), c r is a poor dual point: its
products with the columns inside their bounds are not l1_j s_j but that and rounding. The nearest θ for which they are,

    θ = r − Z_A x,     Z_AᵀZ_A x = Z_Aᵀr − (l1 s)_A,

is tried where c r does not do: every θ gives a lower bound.

These are host functions: NumPy arrays in, NumPy numbers out.
"""

import jax
import numpy as np

from jaxreg.data.inputs import Arguments
from jaxreg.data.row_blocks import filled_up
from jaxreg.engines.gaps import EPS, some_lams
from jaxreg.engines.options import Options, Solved
from jaxreg.engines.order import settings
from jaxreg.engines.row_gaps import gap_from_rows
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.precision import computing, find_device
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Settings
from jaxreg.solvers.moment_problem import Judgement, judge, moment_problem

__all__ = ["UNIT", "certified", "gap_from_moments", "gap_from_rows"]

# Moments about their means are known to so much of the columns' lengths: sums of products in blocks.
UNIT = 8 * EPS


def certified(solved: Solved, a: Arguments, options: Options, rounding: np.ndarray | None = None) -> Solved:
    """``solved`` in the caller's precision, with the gaps of its parameters.

    Args:
        rounding: what it may make of the gaps that are there, (L, t); None where none are.
    """
    dtype = a.X.dtype
    params = Params(*(v.astype(dtype, copy=False) for v in solved.params))
    solved = solved._replace(params=params)
    late = np.ones(len(solved.lams), bool) if rounding is None else ~np.all(rounding <= options.tol / 10, axis=1)
    gap = np.array(solved.gap, float)
    if late.any():
        gap[late] = gap_from_rows(a, some_lams(solved, late), options)
    lams, scale, tau = (v.astype(dtype, copy=False) for v in (solved.lams, solved.scale, solved.y_scale))
    return solved._replace(lams=lams, gap=gap.astype(dtype), scale=scale, y_scale=tau)


def _judge(m: Moments, asked: Settings, lams: jax.Array, params: Params, unit: float) -> Judgement:
    problem = moment_problem(m, asked)
    return judge(problem, asked, lams, params, params.coef * problem.size[None, :, None], unit)


_program = compiled(_judge)


def gap_from_moments(m: Moments, a: Arguments, solved: Solved, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The gaps of what was found elsewhere, and what rounding may make of them, each (L, t), on the CPU.

    Args:
        m: in float64, of the rows that have weight, p columns. solved: at λ > 0, all columns penalised.
    """
    L, m = len(solved.lams), filled_up(m)
    more = lambda v: np.concatenate([v, np.repeat(v[-1:], padded(L) - L, axis=0)]).astype(float)
    coef, fill = more(solved.params.coef), len(m.x_mean) - a.X.shape[1]
    params = Params(more(solved.params.intercept), np.pad(coef, ((0, 0), (0, fill), (0, 0))))
    with computing(True, find_device("cpu")):
        found = _program(m, settings(a, options, len(m.x_mean)), more(solved.lams), params, UNIT)
    return np.asarray(found.gap)[:L], np.asarray(found.rounding)[:L]

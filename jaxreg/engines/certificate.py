"""The certificate of the host functions: the duality gap of the parameters as they are returned.

Whatever engine made them, whatever it lost on the way (bounds, offsets, digits of a Gram matrix, float32), parameters
leave with the gap of :mod:`jaxreg.formulas.duality` at these very numbers, in float64, against their bounds. It needs

    r = y − Xw − b,     F = ½ Σ s r²/Σs + Σ_j h_j(w_j),     z = ZᵀS r,     D(c r) = c ỹ·r − ½ c² r·r − Σ_j h_j*(c z_j)

for all λs and targets at once: two products with the table. From the rows, r is formed about the columns' means, so an
offset of 1e13 costs no digits but those that b itself has lost. Moments are asked where they are at hand and what
rounding may make of their gap (:mod:`~jaxreg.solvers.moment_problem`) is below a tenth of the tolerance: `8ε` is the
unit of moments that were summed about their means, and what subtracting rows adds is in it.

Where a residual of rounding is judged (noise-free y, coefficients of 1e9 that cancel), c r is a poor dual point: its
products with the columns inside their bounds are not `l1_j s_j` but that and rounding. The nearest θ for which they
are,

    θ = r − Z_A x,     Z_AᵀZ_A x = Z_Aᵀr − (l1 s)_A,

is tried where c r does not do: every θ gives a lower bound.

These are host functions: NumPy arrays in, NumPy numbers out.
"""

import jax
import numpy as np

from jaxreg.data.members import UNIT
from jaxreg.data.problem import Problem
from jaxreg.data.row_blocks import filled_up
from jaxreg.engines.order import settings_of
from jaxreg.engines.row_gaps import gap_from_rows
from jaxreg.engines.solved import Solved, some_lams
from jaxreg.formulas.moments import Moments
from jaxreg.formulas.objective import Params
from jaxreg.precision import computing, host
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Settings
from jaxreg.solvers.moment_problem import Judgement, judge, moment_problem

__all__ = ["certified", "gap_from_moments", "gap_from_rows"]


def certified(problem: Problem, solved: Solved) -> Solved:
    """``solved`` in the caller's precision, with the gaps of its parameters: those that are there, where rounding makes
    little of them, and else from the rows."""
    dtype = problem.X.dtype
    as_given = lambda v: v.astype(dtype, copy=False)
    solved = solved._replace(params=Params(*map(as_given, solved.params)))
    late = ~np.all(solved.rounding <= problem.tol / 10, axis=1)
    gap = np.array(solved.gap, float)
    if late.any():
        gap[late] = gap_from_rows(problem, some_lams(solved, late))
    lams, scale, y_scale = map(as_given, (solved.lams, solved.scale, solved.y_scale))
    return solved._replace(lams=lams, gap=as_given(gap), scale=scale, y_scale=y_scale)


def _judge(m: Moments, asked: Settings, lams: jax.Array, params: Params, unit: float) -> Judgement:
    problem = moment_problem(m, asked)
    return judge(problem, asked, lams, params, params.coef * problem.size[None, :, None], unit)


_program = compiled(_judge)


def gap_from_moments(m: Moments, problem: Problem, solved: Solved) -> Solved:
    """With the gaps of what was found elsewhere, and what rounding may make of them, computed on the CPU.

    Args:
        m: in float64, of the rows that have weight, p columns. solved: at `λ > 0`, all columns penalised.
    """
    L, m = len(solved.lams), filled_up(m)
    more = lambda v: np.concatenate([v, np.repeat(v[-1:], padded(L) - L, axis=0)]).astype(float)
    coef, fill = more(solved.params.coef), len(m.x_mean) - problem.X.shape[1]
    params = Params(more(solved.params.intercept), np.pad(coef, ((0, 0), (0, fill), (0, 0))))
    with computing(True, host()):
        found = _program(m, settings_of(problem, len(m.x_mean)), more(solved.lams), params, UNIT)
    return solved._replace(gap=np.asarray(found.gap)[:L], rounding=np.asarray(found.rounding)[:L])

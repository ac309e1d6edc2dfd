"""The debiased lasso from one Gram matrix: λ where it is not given, the nodewise lassos, and their certificates.

The matrix and all p lassos stay on the CPU, in float64. What does not reach the tolerance from knot to knot is solved
again by Newton steps. Without a penalty `Θ = Σ̂⁻¹`; the gap of regression j, `½ sᵀG_{−j}⁻¹s` with its gradient s, is
then at most `‖s‖²/(2 e)` with the smallest eigenvalue e of `Σ̂`, for those of a part lie between those of the whole.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.cores import CORES, share
from jaxreg.data.members import UNIT, moments_of
from jaxreg.data.problem import Problem
from jaxreg.engines.order import settings_of
from jaxreg.formulas.moments import Moments
from jaxreg.precision import computing, host
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Settings
from jaxreg.solvers.moment_problem import MomentProblem, moment_problem
from jaxreg.solvers.nodewise import Debiased, Nodes, debiased, newton_nodes, nodes_at, scaled_lasso, scaled_nodes
from jaxreg.solvers.reduction import LeastSquares
from jaxreg.solvers.tableau import block_number

__all__ = ["Columns", "columns_of", "inverse_nodes", "nodes_of", "without_bias"]

# Below this share of the largest eigenvalue of Σ̂ the smallest is rounding.
DEPENDENT = 1e-12


def _scaled(m: Moments, asked: Settings, lam0: jax.Array) -> tuple[MomentProblem, jax.Array]:
    posed = moment_problem(m, asked)
    G, unit = posed.gram, posed.unit_penalty(asked, jnp.ones((), lam0.dtype))
    one = LeastSquares(G, G, posed.correlation[:, 0], posed.yy[0])
    return posed, scaled_lasso(one, unit, lam0, block_number(len(G)))[0]


def _inverse(G: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """γ of every column without a penalty, bounds on the gaps, and the eigenvalues of `Σ̂`."""
    e, V = jnp.linalg.eigh(G)
    least = jnp.where(e[0] > DEPENDENT * e[-1], e[0], jnp.nan)
    inverse = (V / e[None, :]) @ V.T
    identity = jnp.eye(len(G), dtype=G.dtype)
    coef = jnp.where(identity > 0, 0.0, -inverse / jnp.diagonal(inverse)[:, None])
    gradient = jnp.where(identity > 0, 0.0, (identity - coef) @ G)
    return coef, jnp.sum(gradient**2, axis=1) / (2.0 * least), e


_scaled_program, _inverse_program, _debiased = compiled(_scaled), compiled(_inverse), compiled(debiased)
_nodes, _nodes_at = (compiled(of, static_argnames="blocks") for of in (scaled_nodes, nodes_at))
_newton_nodes = compiled(newton_nodes)


class Columns(NamedTuple):
    """The problem as `Σ̂` poses it, with p columns and others of 0 that fill up; `μ₀`; the λ of the scaled lasso."""

    posed: Any
    p: int
    lam0: float
    lam: float


def columns_of(problem: Problem) -> Columns:
    """Of one target, without weights."""
    n, p = problem.X.shape
    m, lam0 = moments_of(problem), float(np.sqrt(2.0 * np.log(max(p, 2)) / n))
    with computing(True, host()):
        posed, lam = _scaled_program(m, settings_of(problem, len(m.x_mean)), np.float64(lam0))
    return Columns(jax.tree.map(np.asarray, posed), p, lam0, float(lam))


def nodes_of(columns: Columns, lams: np.ndarray | None, tol: float) -> Nodes:
    """The lassos of all columns at `μ > 0`, (p,), or each at the μ of the scaled lasso; γ has zeros that fill up.

    What is above the tolerance after the few knots for which `Σ̂` is only read has a tableau, and then Newton steps.
    """
    program, P = _nodes if lams is None else _nodes_at, len(columns.posed.gram)
    found = Nodes(*(np.zeros(shape) for shape in ((columns.p,), (columns.p, P), (columns.p,))))
    late = np.arange(columns.p)
    for solve in (partial(program, blocks=0), partial(program, blocks=block_number(P)), _newton_nodes):
        given = found.lam if solve is _newton_nodes else lams
        parts = [part for part in np.array_split(late, CORES) if part.size]
        each = share(partial(_some, solve, columns, given), parts)
        for all_of, those in zip(found, zip(*each, strict=True), strict=True):
            all_of[late] = np.concatenate(those)
        late = np.flatnonzero(~(found.gap <= tol))
        if not late.size:
            break
    return _with_rounding(found)


def _with_rounding(nodes: Nodes) -> Nodes:
    """With what rounding of `Σ̂` may add to the gaps: a unit of `(‖z_j‖ + Σ_k |γ_k| ‖z_k‖)²/n`."""
    return nodes._replace(gap=nodes.gap + UNIT * (1.0 + np.abs(nodes.coef).sum(axis=1)) ** 2)


def _some(program: Any, columns: Columns, lams: np.ndarray | None, some: np.ndarray) -> Nodes:
    """What a program finds for the columns with the given numbers, at their μ, or from `μ₀` down."""
    filled = np.resize(some, padded(len(some))).astype(np.int32)
    with computing(True, host()):
        given = np.float64(columns.lam0) if lams is None else lams[filled]
        found = program(columns.posed.gram, filled, np.int32(len(some)), given)
        return Nodes(*(np.array(v)[: len(some)] for v in found))


def inverse_nodes(columns: Columns) -> Nodes:
    """The regressions of all columns on the others without a penalty.

    Raises:
        ValueError: `Σ̂` has no inverse.
    """
    G, p = columns.posed.gram, columns.p
    filled = G + np.diag(np.where(np.arange(len(G)) < p, 0.0, 1.0))
    with computing(True, host()):
        coef, gap, e = (np.asarray(v) for v in _inverse_program(filled))
    if not e[0] > DEPENDENT * e[-1]:
        raise ValueError(
            "node_lam is 0, but columns of X depend on each other (or there are as many as rows); give a node_lam "
            "above 0, or leave it out."
        )
    return _with_rounding(Nodes(np.zeros(p), coef[:p], gap[:p]))


def without_bias(columns: Columns, coef: np.ndarray, nodes: Nodes) -> tuple[Debiased, float]:
    """What is made of the lasso's coefficients, (p,), on the scale of X, and the mean square of its residuals."""
    posed, p = columns.posed, columns.p
    u = np.pad(coef, (0, len(posed.size) - p)) * posed.size
    correlation = posed.correlation[:, 0]
    z = correlation - posed.gram @ u
    with computing(True, host()):
        found = Debiased(*map(np.asarray, _debiased(posed.gram, z, u, nodes.coef)))
    size = posed.size[:p]
    rr = float(posed.yy[0] - u @ (correlation + z))
    return found._replace(estimate=found.estimate / size, spread=found.spread / size), max(rr, 0.0)

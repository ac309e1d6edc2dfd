"""The debiased lasso from one Gram matrix: λ where it is not given, the nodewise lassos, and their certificates.

The matrix and all p lassos stay on the CPU, in float64. What does not reach the tolerance from knot to knot is solved
again by Newton steps. Without a penalty Θ is Σ̂⁻¹ itself; the gap of regression j, ½ sᵀG_{−j}⁻¹s with its gradient s, is
then at most ‖s‖²/(2 e) with the smallest eigenvalue e of Σ̂, for those of a part lie between those of the whole.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.cores import CORES, share
from jaxreg.data.members import moments_of
from jaxreg.data.problem import Problem
from jaxreg.engines.order import settings_of
from jaxreg.formulas.moments import Moments
from jaxreg.precision import computing, find_device
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Settings
from jaxreg.solvers.moment_problem import MomentProblem, moment_problem
from jaxreg.solvers.nodewise import Debiased, Nodes, debiased, nodes_at, scaled_lasso, scaled_nodes
from jaxreg.solvers.reduction import LeastSquares

__all__ = ["Columns", "columns_of", "inverse_nodes", "nodes_of", "without_bias"]

# Below this share of the largest eigenvalue of Σ̂ the smallest is rounding.
DEPENDENT = 1e-12


def _scaled(m: Moments, asked: Settings, lam0: jax.Array) -> tuple[MomentProblem, jax.Array]:
    posed = moment_problem(m, asked)
    one = LeastSquares(posed.gram, posed.gram, posed.correlation[:, 0], posed.yy[0])
    return posed, scaled_lasso(one, posed.unit_penalty(asked, jnp.ones((), lam0.dtype)), lam0)[0]


def _inverse(G: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """γ of every column without a penalty, bounds on the gaps, and the eigenvalues of Σ̂."""
    e, V = jnp.linalg.eigh(G)
    least = jnp.where(e[0] > DEPENDENT * e[-1], e[0], jnp.nan)
    inverse = (V / e[None, :]) @ V.T
    identity = jnp.eye(len(G), dtype=G.dtype)
    coef = jnp.where(identity > 0, 0.0, -inverse / jnp.diagonal(inverse)[:, None])
    gradient = jnp.where(identity > 0, 0.0, (identity - coef) @ G)
    return coef, jnp.sum(gradient**2, axis=1) / (2.0 * least), e


_scaled_program, _nodes, _inverse_program = compiled(_scaled), compiled(scaled_nodes), compiled(_inverse)
_nodes_at, _debiased = compiled(nodes_at, static_argnames="way"), compiled(debiased)


class Columns(NamedTuple):
    """The problem as Σ̂ poses it, with p columns and others of 0 that fill up; μ₀; and the λ of the scaled lasso."""

    posed: Any
    p: int
    lam0: float
    lam: float


def columns_of(problem: Problem) -> Columns:
    """Of one target, without weights."""
    n, p = problem.X.shape
    m, lam0 = moments_of(problem), float(np.sqrt(2.0 * np.log(max(p, 2)) / n))
    with computing(True, find_device("cpu")):
        posed, lam = _scaled_program(m, settings_of(problem, len(m.x_mean)), np.float64(lam0))
    return Columns(jax.tree.map(np.asarray, posed), p, lam0, float(lam))


def nodes_of(columns: Columns, lams: np.ndarray | None, tol: float) -> Nodes:
    """The lassos of all columns at μ > 0, (p,), or each at the μ of the scaled lasso; γ has zeros that fill up."""
    parts = [part for part in np.array_split(np.arange(columns.p), CORES) if part.size]
    each = share(partial(_from_knot_to_knot, columns, lams), parts)
    found = Nodes(*(np.concatenate(v) for v in zip(*each, strict=True)))
    late = np.flatnonzero(~(found.gap <= tol))
    if late.size:
        again = _some(partial(_nodes_at, way="newton"), columns, late, found.lam)
        for old, new in zip(found, again, strict=True):
            old[late] = new
    return found


def _from_knot_to_knot(columns: Columns, lams: np.ndarray | None, some: np.ndarray) -> Nodes:
    if lams is None:
        return _some(_nodes, columns, some, None)
    return _some(partial(_nodes_at, way="knots"), columns, some, lams)


def _some(program: Any, columns: Columns, some: np.ndarray, lams: np.ndarray | None) -> Nodes:
    """What a program finds for the columns with the given numbers, at the μ of their own, or from μ₀ on."""
    filled = np.resize(some, padded(len(some))).astype(np.int32)
    with computing(True, find_device("cpu")):
        given = np.float64(columns.lam0) if lams is None else lams[filled]
        found = program(columns.posed.gram, filled, np.int32(len(some)), given)
        return Nodes(*(np.array(v)[: len(some)] for v in found))


def inverse_nodes(columns: Columns) -> Nodes:
    """The regressions of all columns on the others without a penalty.

    Raises:
        ValueError: Σ̂ has no inverse.
    """
    G, p = columns.posed.gram, columns.p
    filled = G + np.diag(np.where(np.arange(len(G)) < p, 0.0, 1.0))
    with computing(True, find_device("cpu")):
        coef, gap, e = (np.asarray(v) for v in _inverse_program(filled))
    if not e[0] > DEPENDENT * e[-1]:
        raise ValueError(
            "node_lam is 0, but columns of X depend on each other (or there are as many as rows); give a node_lam "
            "above 0, or leave it out."
        )
    return Nodes(np.zeros(p), coef[:p], gap[:p])


def without_bias(columns: Columns, coef: np.ndarray, nodes: Nodes) -> tuple[Debiased, float]:
    """What is made of the lasso's coefficients, (p,), on the scale of X, and the mean square of its residuals."""
    posed, p = columns.posed, columns.p
    u = np.pad(coef, (0, len(posed.size) - p)) * posed.size
    correlation = posed.correlation[:, 0]
    z = correlation - posed.gram @ u
    with computing(True, find_device("cpu")):
        found = Debiased(*map(np.asarray, _debiased(posed.gram, z, u, nodes.coef)))
    size = posed.size[:p]
    rr = float(posed.yy[0] - u @ (correlation + z))
    return found._replace(estimate=found.estimate / size, spread=found.spread / size), max(rr, 0.0)

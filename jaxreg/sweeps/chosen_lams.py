"""λ chosen anew in every resample, by cross-validation inside it.

What is done once on the data — cross-validate, choose λ, fit on all rows — is done again on each resample: an estimate
at one λ does not know that λ, too, was chosen from the data. A fold is a set of rows of the data. A resample weighs row
i with `c_i`, so the copies of a row stay in one fold, and of fold k

    training weights  c_i 1[i not in k]        held-out error  m_k = Σ_{i in k} c_i r_i² / W_k,    W_k = Σ_{i in k} c_i

Folds of which a resample has no row have `W_k = 0` and are not measured; the standard error counts the others.

Source: of the whole procedure in each resample, Efron, *JASA* 109, 2014, on estimation after model selection.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.data.budget import BLOCK_BYTES
from jaxreg.data.cores import CORES, share
from jaxreg.data.members import UNIT, Members
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem
from jaxreg.devices import Devices
from jaxreg.engines import choose, moments
from jaxreg.engines.lockstep import columns_of, in_lockstep
from jaxreg.engines.order import Order, settings_of
from jaxreg.engines.solved import Solved
from jaxreg.engines.weightings import filled_up, settled
from jaxreg.programs import compiled
from jaxreg.solvers.active_set import padded
from jaxreg.solvers.found import Found
from jaxreg.solvers.from_many_moments import fold_paths_of_weights
from jaxreg.solvers.lockstep import LOCKSTEP
from jaxreg.sweeps.cross_validate import choose as choose_lam
from jaxreg.sweeps.cross_validate import mean_and_standard_error
from jaxreg.sweeps.fold_paths import errors_of_folds, errors_on

__all__ = ["RULES", "Chosen", "chosen_of_targets", "chosen_of_weightings"]

# As the choices of a sweep are named.
RULES = ("best", "one_se")

_program = compiled(fold_paths_of_weights, static_argnames="way")


class Chosen(NamedTuple):
    """Of B members: coef (B, p), intercept, lam, gap, (B,), at the λ that each has chosen; fold_gap: the largest of its
    training parts, (B, L)."""

    coef: np.ndarray
    intercept: np.ndarray
    lam: np.ndarray
    gap: np.ndarray
    fold_gap: np.ndarray


def chosen_of_weightings(
    problem: Problem,
    plan: Plan,
    lams: np.ndarray,
    rule: str,
    weights: np.ndarray,
    report: Callable[[int], None] = lambda done: None,
) -> Chosen:
    """The λ that each set of weights chooses, and its certified fit there.

    Args:
        problem: of one target. plan: the folds. lams: (L,). rule: "best" or "one_se". weights: (B, n), in place of the
            problem's. report: called with how many members are done.

    Raises:
        ValueError: a member has all its rows in one fold, or a fold leaves none to train on.
    """
    problem = problem._replace(degrees=False)
    _check(plan, weights)
    B = len(weights)
    folds = _Folds(problem, plan, lams) if np.all(lams > 0) and plan.divides(problem.weights > 0) else None
    together = folds is not None and folds.size > 0
    divided = isinstance(problem.device, Devices)
    size = min(folds.size, padded(B if divided else -(-B // CORES))) if folds is not None and together else 1

    def some(first: int) -> list[tuple[Any, ...]]:
        here = weights[first : first + size]
        if folds is not None and together:
            found = folds.paths(here, size)
        else:
            found = [_as_a_sweep(problem._replace(sample_weight=s), plan, lams) for s in here]
        each = zip((problem._replace(sample_weight=s) for s in here), found, strict=True)
        return [_concluded(member, plan, lams, rule, *one) for member, one in each]

    starts, chosen = range(0, B, size), []
    step = CORES if together else 1
    for k in range(0, len(starts), step):
        for block in share(some, starts[k : k + step], divided):
            chosen += block
        report(len(chosen))
    return Chosen(*(np.stack(v) for v in zip(*chosen, strict=True)))


def chosen_of_targets(problem: Problem, plan: Plan, lams: np.ndarray, rule: str) -> Chosen:
    """The same for each of the problem's targets, (n, B), on the same rows."""
    problem = problem._replace(degrees=False)
    members = Members(problem, plan)
    solved = choose.solve(problem, lams, members)
    errors = errors_of_folds(problem, members, lams, False, lambda: None)

    def of_target(b: int) -> Solved:
        own = lambda v: v[..., b, None]
        return jax.tree.map(own, solved)._replace(scale=solved.scale, y_scale=own(solved.y_scale))

    each = range(problem.y.shape[1])
    found = [_concluded(problem, plan, lams, rule, of_target(b), errors.mse[..., b], errors.gap[..., b]) for b in each]
    return Chosen(*(np.stack(v) for v in zip(*found, strict=True)))


def _check(plan: Plan, weights: np.ndarray) -> None:
    """There are two folds to measure on, and each leaves something to train on."""
    for weight in weights:
        there = np.flatnonzero(plan.measured @ weight)
        if len(there) < 2:
            raise ValueError("a resample has all its rows in one fold; ask for more folds, or other labels.")
        if not all(plan.training_weight(k, weight).any() for k in there.tolist()):
            raise ValueError("a fold leaves no row of a resample to train on; ask for other folds.")


class _Folds:
    """The rows fold by fold, and a program that goes through sets of weights.

    Attributes:
        size: members by one call; 0 where moments refuse the problem, or take much memory.
    """

    def __init__(self, problem: Problem, plan: Plan, lams: np.ndarray) -> None:
        self.problem, self.plan, self.each = problem, plan, lams[:, None]
        self.rows = [plan.test_rows(k) for k in range(len(plan))]
        K, m = len(plan), max(map(len, self.rows))
        self.order, self.way = Order(self.each, 1, problem.eps), "knots" if problem.l1_ratio == 1 else "blocks"
        if self.way == "knots" and in_lockstep(problem, K):
            self.way = LOCKSTEP
        P = columns_of(self.way, problem.X.shape[1])
        self.asked = settings_of(problem, P)
        numbers = K * m + 2 * (K + 1) * len(self.order.grid.lams) * P + K * P * P
        fits = moments.refuses(problem, self.each) is None and K * m <= 2 * len(problem.y)
        self.size = int(BLOCK_BYTES // (8 * numbers)) if fits else 0
        if self.size:
            self.X = self._by_fold(filled_up(problem.X, P))
            self.Y = self._by_fold(problem.y)

    def _by_fold(self, values: np.ndarray) -> np.ndarray:
        """(n, …) as (K, m, …), filled up with zeros."""
        found = np.zeros((len(self.rows), max(map(len, self.rows)), *values.shape[1:]))
        for fold, rows in zip(found, self.rows, strict=True):
            fold[: len(rows)] = values[rows]
        return found

    def paths(self, weights: np.ndarray, size: int) -> list[tuple[Solved, np.ndarray, np.ndarray]]:
        """Of each member: the path of all its rows, the errors of its folds and their gaps, (L, K)."""
        given = np.zeros((size, *self.X.shape[:2]))
        for b, weight in enumerate(weights):
            given[b] = self._by_fold(weight)
        with choose.computing(moments, self.problem):
            of = self.X, self.Y, given, np.int32(len(weights)), self.order.grid, self.asked, np.float64(UNIT)
            found, parts = jax.tree.map(np.asarray, _program(*of, way=self.way))
        all_found = []
        for b, weight in enumerate(weights):
            paths = [Found._make(v[b, k] for v in found) for k in range(len(self.rows) + 1)]
            L = len(self.each)
            errors, gaps = np.zeros((2, L, len(self.rows)))
            for k, rows in enumerate(self.rows):
                rows = rows[weight[rows] > 0]
                if len(rows) == 0:
                    continue
                training = self.problem._replace(sample_weight=self.plan.training_weight(k, weight))
                solved = settled(training, self.each, self.order, self.asked, paths[k])
                part = jax.tree.map(lambda v, b=b, k=k: v[b, k], parts)
                weighted = self.problem._replace(sample_weight=weight)
                errors[:, k] = errors_on(solved.params, weighted, rows, part, False)[0][:, 0]
                gaps[:, k] = solved.gap[:, 0]
            member = self.problem._replace(sample_weight=weight)
            all_found.append((settled(member, self.each, self.order, self.asked, paths[-1]), errors, gaps))
        return all_found


def _as_a_sweep(problem: Problem, plan: Plan, lams: np.ndarray) -> tuple[Solved, np.ndarray, np.ndarray]:
    """The same for one member, as a sweep does it."""
    there = plan.measured @ problem.weights > 0
    some = Plan(plan.measured[there], None if plan.trained is None else plan.trained[there])
    members = Members(problem, some)
    solved = choose.solve(problem, lams, members)
    found = errors_of_folds(problem, members, lams, False, lambda: None)
    errors, gaps = np.zeros((2, len(lams), len(plan)))
    errors[:, there], gaps[:, there] = found.mse[..., 0], found.gap[..., 0]
    return solved, errors, gaps


def _concluded(
    problem: Problem, plan: Plan, lams: np.ndarray, rule: str, solved: Solved, errors: np.ndarray, gaps: np.ndarray
) -> tuple[Any, ...]:
    """What is kept of a member."""
    dtype = problem.X.dtype
    with problem.computing():
        weight = plan.measured.astype(float) @ problem.weights
        found = _choices(errors[None].astype(dtype), weight, lams[None].astype(dtype))
    l = int(found[RULES.index(rule)][1])
    params = solved.params
    return params.coef[l, :, 0], params.intercept[l, 0], solved.lams[l, 0], solved.gap[l, 0], gaps.max(axis=1)


@compiled
def _choices(fold_mse: jax.Array, fold_weight: jax.Array, lams: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The two choices of a sweep; the standard error of K folds is as of those that have weight."""
    mean, se = mean_and_standard_error(fold_mse, fold_weight)
    there = jnp.sum(fold_weight > 0)
    correction = jnp.sqrt((len(fold_weight) - 1) / (there - 1)).astype(se.dtype)
    return choose_lam(mean, se * correction, lams)

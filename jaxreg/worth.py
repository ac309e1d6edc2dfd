"""``nested_sweep`` and ``permutation_test``: what a cross-validated choice is worth.

The least error of a sweep is the error of a choice on the rows that chose it: it is too small. Both doors do the whole
procedure again, on other rows or for other targets, as members of one batch (:mod:`jaxreg.sweeps.chosen_lams`,
:mod:`jaxreg.sweeps.fold_paths`).
"""

import inspect
from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.budget import fitting
from jaxreg.data.inputs import check_values
from jaxreg.data.left_out_columns import without_left_out
from jaxreg.data.members import Members
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress, following
from jaxreg.results.honest import NestedSweep, PermutationTest
from jaxreg.sweeps.chosen_lams import RULES, chosen_of_weightings
from jaxreg.sweeps.fold_paths import errors_of_folds
from jaxreg.sweeps.folds import plan_of

__all__ = ["nested_sweep", "permutation_test"]


@names_ours
def nested_sweep(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    outer: Any = 5,
    folds: Any = 10,
    repeats: int = 1,
    seed: int = 0,
    *,
    rule: str = "best",
    progress: Progress = None,
    **options: Any,
) -> NestedSweep:
    """The error of a cross-validated choice, on rows that took no part in it.

    Each outer fold is held out in turn; the other rows are cross-validated, choose λ, are fitted there, and predict it.
    The grid is that of all rows: it says where to look, not what to choose.

    Args:
        outer: folds that are held out, as ``folds`` of :func:`sweep`. folds: those inside, of the rows that are left;
            rows of one label stay together inside too. repeats: how many times the rows are divided anew, where
            ``outer`` is a number; seed: of all random folds.
        rule: "best" or "one_se", the choice of a sweep.
        progress: called as ``progress(done, total)`` when some outer folds are done; True shows a line.
        X, y, lams, l1_ratio, options: these and sample_weight, standardize, ...: as in :func:`path`. One target.

    Returns:
        :class:`jaxreg.results.NestedSweep`.

    Raises, Warns: as :func:`sweep`.

    Source: Varma and Simon, *BMC Bioinformatics* 7:91, 2006; Cawley and Talbot, *JMLR* 11, 2010.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> nested = jaxreg.nested_sweep(data.X, data.y, lams=30, folds=5)
        >>> nested.lam.shape, bool(nested.converged.all()), 0.4 < nested.r2 < 0.6
        ((5,), True, True)
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; it must be 'best' or 'one_se'.")
    repeats, seed = parameters.check_positive(repeats, "repeats", int), parameters.check_whole_number(seed, "seed")
    given, problem = _of_one_target(X, y, l1_ratio, options, "nested_sweep")
    of_folds: Any = lambda wanted, seed: plan_of(wanted, given.X, given.y[:, 0], seed, given.sample_weight)
    if repeats > 1 and not isinstance(outer, int | np.integer):
        raise ValueError(f"repeats={repeats} divides the rows at random; with folds of your own repeats is 1.")
    plans = [of_folds(outer, seed + r) for r in range(repeats)]
    inner = of_folds(folds, seed + repeats)
    along = _grid(problem, lams)
    weights = np.concatenate([[plan.training_weight(b, problem.weights) for b in range(len(plan))] for plan in plans])
    with following(progress, "outer folds") as show:
        chosen = chosen_of_weightings(problem, inner, along, rule, weights, lambda done: show(done, len(weights)))
    gap = np.maximum(chosen.gap, chosen.fold_gap.max(axis=1))
    warn_unless_converged(gap, chosen.lam, problem.tol, "nested_sweep")
    held_out = np.concatenate([plan.measured for plan in plans]) * problem.weights
    mean = weights @ problem.y[:, 0] / weights.sum(axis=1)
    predicted = np.asarray(problem.X, float) @ chosen.coef.T.astype(float) + chosen.intercept
    return NestedSweep(
        lams=along.astype(problem.X.dtype),
        lam=chosen.lam,
        coef=chosen.coef,
        intercept=chosen.intercept,
        mse=_error(held_out, problem.y - predicted),
        baseline=_error(held_out, problem.y - mean),
        weight=held_out.sum(axis=1),
        gap=gap,
        converged=gap <= problem.tol,
        n_repeats=repeats,
        rule=rule,
        feature_names=given.names,
    )


def _error(weight: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """The weighted mean of the squared residuals, (n, B), of each member's rows, weight (B, n)."""
    return np.einsum("bn,nb->b", weight, residual**2) / weight.sum(axis=1)


@names_ours
def permutation_test(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    folds: Any = 10,
    n_permutations: int = 200,
    seed: int = 0,
    *,
    progress: Progress = None,
    **options: Any,
) -> PermutationTest:
    """Whether X says anything about y: the least cross-validated error, beside that for targets of no relation.

    With `T` the least mean squared error along the λs, and `T_b` that of y in a random order of its rows, each
    cross-validated with the same folds and λs,

        p = (1 + #{ b: T_b ≤ T }) / (B + 1)

    which is at most α with a probability of at most α where the rows of y are exchangeable and have nothing to do with
    X. The choice of λ is in it: it is made anew for every order.

    Args:
        folds: as in :func:`sweep`. n_permutations: B. seed: of the permutations, and of random folds.
        progress: called as ``progress(done, total)`` when some permutations are done; True shows a line.
        X, y, lams, l1_ratio, options: as in :func:`path`; the λs are those of y. One target.

    Returns:
        :class:`jaxreg.results.PermutationTest`.

    Raises, Warns: as :func:`sweep`.

    Source: Ojala and Garriga, *JMLR* 11, 2010; of the 1 that is added, Phipson and Smyth, *Statistical Applications in
    Genetics and Molecular Biology* 9(1), 2010.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> jaxreg.permutation_test(data.X, data.y, lams=20, folds=5, n_permutations=99).p_value
        0.01
    """
    B = parameters.check_positive(n_permutations, "n_permutations", int)
    seed = parameters.check_whole_number(seed, "seed")
    given, problem = _of_one_target(X, y, l1_ratio, options, "permutation_test")
    plan = plan_of(folds, given.X, given.y[:, 0], seed, given.sample_weight)
    along = _grid(problem, lams)
    orders = [np.arange(len(given.y)), *(np.random.default_rng([seed, b]).permutation(len(given.y)) for b in range(B))]
    targets = np.stack([given.y[order, 0] for order in orders], axis=1)
    with following(progress, "permutations") as show:
        least, gap = _least_errors(problem, plan, along, targets, show)
    converged = warn_unless_converged(gap, along[:, None], problem.tol, "permutation_test")
    return PermutationTest(
        lams=along.astype(problem.X.dtype),
        statistic=float(least[0]),
        null=least[1:],
        p_value=float((1 + (least[1:] <= least[0]).sum()) / (B + 1)),
        largest_gap=float(gap.max()),
        converged=bool(converged),
        seed=seed,
    )


def _least_errors(
    problem: Problem, plan: Plan, lams: np.ndarray, targets: np.ndarray, show: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The least mean held-out error of each target, (t,), and the largest gap of its folds at each λ, (L, t)."""
    t, weight = targets.shape[1], plan.measured @ problem.weights
    size = fitting(len(lams) * problem.X.shape[1], t)
    least, gaps = [], []
    for first in range(0, t, size):
        block = problem._replace(y=targets[:, first : first + size])
        errors = errors_of_folds(block, Members(block, plan), lams, False, lambda: None)
        least.append(np.average(errors.mse, axis=1, weights=weight).min(axis=0))
        gaps.append(errors.gap.max(axis=1))
        show(max(0, min(first + size, t) - 1), t - 1)
    return np.concatenate(least), np.concatenate(gaps, axis=1)


def _of_one_target(X: Any, y: Any, l1_ratio: Any, options: Any, where: str) -> tuple[Problem, Problem]:
    """The problem as it was given, and as it is solved."""
    for name in options:
        if name not in inspect.signature(check_problem).parameters:
            raise TypeError(f"{where}() has no argument {name!r}.")
    given = check_problem(X, y, l1_ratio, **({"max_iter": 20_000} | options))
    if not given.flat:
        raise ValueError(f"{where} is for one target; call it for each column of y.")
    problem = choose.ready(without_left_out(given)._replace(degrees=False))
    check_values(problem.X, problem.names)
    return given, problem


def _grid(problem: Problem, lams: Any) -> np.ndarray:
    """λs as given, or those of all rows."""
    lams = parameters.check_lams(lams, problem.X.dtype)
    return np.asarray(choose.path(problem, lams).lams, float) if isinstance(lams, int) else lams.astype(float)

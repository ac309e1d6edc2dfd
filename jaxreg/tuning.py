"""``tune``: hyperparameters down the gradient of a criterion, through the solution.

As the other doors it checks the arguments and owns no mathematics: the criteria are in :mod:`jaxreg.sweeps.criteria`,
what is tuned in :mod:`jaxreg.sweeps.tuning`, and how it goes down in :mod:`jaxreg.sweeps.descent`.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxreg import results
from jaxreg.convergence import TuningWarning, warn_caller, warn_unless_converged
from jaxreg.data import inputs, parameters
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose
from jaxreg.other_names import names_ours
from jaxreg.precision import on_accelerator
from jaxreg.regression import fit
from jaxreg.sweeps.criteria import CRITERIA, PRICED
from jaxreg.sweeps.descent import lbfgs, with_optax
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.starts import held_out_of, labels_of, names_of_tuned, starting_points
from jaxreg.sweeps.tuned_rows import largest_lam, rows_of, strategy_for
from jaxreg.sweeps.tuning import Given, Space, box_of, hyper_at, judge_of

__all__ = ["tune"]

# A criterion that changes by no more than this share of itself over all that was judged is flat.
FLAT = 1e-9


@names_ours
def tune(
    X: Any,
    y: Any,
    tuned: str | tuple[str, ...] | Callable[[Any], Any] = "lam",
    *,
    criterion: str = "cv",
    start: Any = None,
    groups: Any = None,
    row_groups: Any = None,
    l1_ratio: float = 1.0,
    folds: Any = 10,
    seed: int = 0,
    sigma2: float | None = None,
    optimizer: Any = None,
    steps: int = 100,
    starts: int = 1,
    outer_folds: int | None = None,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    tol: float | None = None,
    dtype: Any = None,
    device: Any = None,
) -> results.Tuned:
    """Hyperparameters of least error, found by the gradient of the error through the solution; then a fit on all rows.

    Args:
        X: (n, p). y: (n,).
        tuned: one or several of "lam", "l1_ratio", "penalty_factor" (one a column, or a group of columns) and
            "sample_weight" (one a row, or a group of rows); or a function of a pytree, written with ``jax.numpy``, that
            returns a dict with some of these.
        criterion: "cv" or "held_out" (folds: one mask), "leave_one_out" (closed form for ridge; for other penalties an
            approximation, and the result says so), "gcv", "aic", "bic", "sure" (:mod:`jaxreg.sweeps.criteria`). Where
            the last four count the columns of a lasso they jump with its support, which no gradient sees: the minimum
            is that between two jumps, from the best of 60 λs.
        start: λ to start from, or the pytree that a function takes. Without it some λs are judged first, and the best
            are the starts.
        groups: (p,) labels, row_groups: (n,) labels, of columns and rows that share a factor or weight; without them
            each has its own.
        l1_ratio: ρ, or where it starts. folds: as in :func:`jaxreg.sweep`; for "held_out" (n,) booleans. seed: of the
            random folds and of further starts.
        sigma2: the variance of the noise, for "sure", "aic" and "bic". Without it "sure" estimates it, from least
            squares (`n > p + 1`) or a cross-validated lasso, and "aic" and "bic" take `n log RSS`.
        optimizer: an ``optax.GradientTransformation`` on logarithms; None is L-BFGS. steps: rounds at most.
        starts: how many; they go in lockstep, as one batch on an accelerator.
        outer_folds: so many folds are held out from all tuning, for an honest error of the whole; None measures none.
        fit_intercept, standardize, sample_weight, penalty_factor, tol, dtype, device: as in :func:`jaxreg.fit`.

    Returns:
        :class:`jaxreg.results.Tuned`: λ, ρ, factors and weights; ``params`` on all rows with their certificate; the
        trace of every start.

    Raises:
        ValueError, TypeError: as :func:`jaxreg.fit`; several targets; a criterion that does not depend on what is
            tuned; "sample_weight" tuned by errors on the rows that it weighs.

    Warns:
        TuningWarning: the criterion is flat, or the best point stands at a bound. ConvergenceWarning: a fit at the best
            point has a gap above ``tol``.

    Source: Bertrand, Klopfenstein, Massias, Blondel, Vaiter, Gramfort and Salmon, J. Machine Learning Research 23,
    2022.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.tune(data.X, data.y, folds=5)
        >>> bool(found.value <= jaxreg.sweep(data.X, data.y, folds=5).best.mean_mse), bool(found.converged)
        (True, True)
    """
    given = check_problem(
        X,
        y,
        l1_ratio,
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        tol=tol,
        device=device,
    )
    if not given.flat:
        raise ValueError("y has several targets; call tune for each of its columns.")
    if criterion not in CRITERIA:
        raise ValueError(f"criterion is {criterion!r}; it must be one of {', '.join(CRITERIA)}.")
    steps, starts = (parameters.check_positive(v, name, int) for v, name in ((steps, "steps"), (starts, "starts")))
    seed = parameters.check_whole_number(seed, "seed")
    names = names_of_tuned(tuned, criterion)
    problem = choose.ready(given, "tune")
    inputs.check_values(problem.X, problem.names)
    p, n = problem.X.shape[1], len(problem.y)
    given_start = start
    if callable(tuned):
        if start is None:
            raise ValueError("start is missing: with a function for tuned, give the pytree where it starts.")
    elif start is not None:
        start = parameters.check_positive(start, "start")
    held_out = held_out_of(criterion, folds, problem, seed)
    if sigma2 is not None:
        sigma2 = parameters.check_positive(sigma2, "sigma2")
    estimated = sigma2 is None and criterion == "sure"
    sigma2 = _noise(problem) if estimated else sigma2
    of_columns = labels_of(groups, p, "groups") if "penalty_factor" in names else None
    of_rows = labels_of(row_groups, n, "row_groups") if "sample_weight" in names else None
    space = Space(names, given.l1_ratio, tuned if callable(tuned) else None)
    with given.computing(double=True):
        top = largest_lam(problem)
        rows = rows_of(problem, space, held_out, sigma2)
        tree = jax.tree.map(lambda leaf: np.asarray(leaf, float), given_start) if callable(tuned) else None
        at = np.float64(top if start is None or tree is not None else start)
        origin = Given(at, problem.penalty_factor, problem.sample_weight, of_columns, of_rows, tree)
        together = on_accelerator(given.device) and starts > 1
        how = given.fit_intercept, given.standardize, strategy_for(problem)
        judge = judge_of(criterion, space, origin, rows, together, *how)
        first, low, high = box_of(space, origin, top)
        points, looked = starting_points(
            judge, first, low, high, space, top, starts, seed, given_start is None, criterion in PRICED
        )
        gaps: dict[bytes, float] = {}

        def seen(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            values, gradients, gap = judge(z)
            gaps.update((point.tobytes(), worst) for point, worst in zip(z, gap, strict=True))
            return values, gradients

        descend = lbfgs if optimizer is None else lambda *a: with_optax(optimizer, *a)
        found = descend(seen, points, low, high, steps)
        k = int(np.argmin(np.where(np.isfinite(found.value), found.value, np.inf)))
        if not np.isfinite(found.value[k]):
            raise ValueError(
                f"the criterion {criterion!r} is not a number where tune starts; give another start, a larger λ, or "
                "another criterion."
            )
        values = np.concatenate([found.trace[np.isfinite(found.trace)], looked])
        flat = bool(np.ptp(values) <= FLAT * np.abs(values).max() and not np.any(np.abs(found.gradient) > 0))
        if flat and space.function is not None:
            raise ValueError(
                "the criterion does not depend on what the function for tuned is given: its gradient is 0."
            )
        z = found.best[k]
        hyper = hyper_at(z, space, origin)
    at_bound = bool(np.any((z <= low) | (z >= high)))
    _warn(flat, at_bound, z, low, high, space, origin)
    options: dict[str, Any] = {"fit_intercept": given.fit_intercept, "standardize": given.standardize}
    whole = fit(
        problem.X,
        problem.y[:, 0],
        float(hyper.lam),
        float(hyper.l1_ratio),
        sample_weight=problem.sample_weight if hyper.sample_weight is None else hyper.sample_weight,
        penalty_factor=hyper.penalty_factor,
        **options,
        tol=tol,
        dtype=given.X.dtype,
        device=device,
    )
    worst = gaps.get(z.tobytes(), np.nan)
    warn_unless_converged(np.array([worst]), np.array([float(hyper.lam)]), problem.tol, "tune, in the criterion")
    outer = None
    if outer_folds is not None:
        again = {"criterion": criterion, "groups": groups, "l1_ratio": l1_ratio, "steps": steps}
        again["sigma2"] = None if estimated else sigma2  # what is estimated is so on the other folds
        again |= {"optimizer": optimizer, "starts": starts, "seed": seed, "tol": tol, "dtype": dtype, "device": device}
        again |= options
        outer = _outer(problem, tuned, given_start, outer_folds, folds, penalty_factor, again)
    return results.Tuned(
        lam=float(hyper.lam),
        l1_ratio=float(hyper.l1_ratio),
        penalty_factor=hyper.penalty_factor,
        sample_weight=hyper.sample_weight,
        params=whole.params,
        gap=float(whole.gap),
        converged=bool(whole.converged),
        criterion=criterion,
        value=float(found.value[k]),
        criterion_gap=float(worst),
        gradient_norm=float(np.abs(found.gradient[k]).max()),
        trace=found.trace,
        n_judged=found.judgements + len(looked),
        flat=flat,
        at_bound=at_bound,
        sigma2=sigma2,
        sigma2_estimated=estimated,
        approximate=criterion == "leave_one_out" and not (space.l1_ratio == 0 and "l1_ratio" not in names),
        outer_mse=outer,
        scale=whole.scale,
        y_scale=float(whole.y_scale),
        feature_names=given.names,
    )


def _noise(problem: Problem) -> float:
    """`σ²` of the residuals: of least squares, or where rows are too few of a cross-validated lasso."""
    from jaxreg.cross_validation import sweep

    n, p = problem.X.shape
    how: dict[str, Any] = {"fit_intercept": problem.fit_intercept, "sample_weight": problem.sample_weight}
    target, weight = problem.y[:, 0], problem.weights / problem.weights.sum()
    if n > p + 1:
        model: Any = fit(problem.X, target, 0.0, **how)
        d = p + 1
    else:
        best = sweep(problem.X, target, 50, **how).best
        model, d = best, int(best.n_nonzero) + 1
    residual = target - model.predict(problem.X)
    return float(weight @ residual**2) * n / max(n - d, 1)


def _warn(
    flat: bool, at_bound: bool, z: np.ndarray, low: np.ndarray, high: np.ndarray, space: Space, origin: Given
) -> None:
    if flat:
        warn_caller("tune: the criterion is flat: it does not depend on what is tuned from here.", TuningWarning)
    elif at_bound:
        at = int(((z <= low) | (z >= high)).sum())
        warn_caller(
            f"tune: {at} of {len(z)} tuned numbers ({', '.join(space.names)}) stand at a bound, where the criterion "
            "still falls.",
            TuningWarning,
        )


def _outer(
    problem: Problem, tuned: Any, start: Any, outer_folds: int, folds: Any, penalty_factor: Any, how: dict[str, Any]
) -> np.ndarray:
    """The mean squared error on each of the outer folds of what is tuned on the others, (F,)."""
    if np.ndim(folds) or how["criterion"] == "held_out" or (not callable(tuned) and "sample_weight" in tuned):
        raise ValueError("outer_folds needs folds as a number, and does not go with tuned weights of rows.")
    target = problem.y[:, 0]
    plan = plan_of(outer_folds, problem.X, target, how["seed"], problem.sample_weight)
    errors = []
    for k in range(len(plan)):
        train, test = plan.training_rows(k), plan.test_rows(k)
        s = None if problem.sample_weight is None else problem.sample_weight[train]
        given = {"start": start, "folds": folds, "sample_weight": s, "penalty_factor": penalty_factor}
        model = tune(problem.X[train], target[train], tuned, **given, **how)
        errors.append(np.average((target[test] - model.predict(problem.X[test])) ** 2, weights=problem.weights[test]))
    return np.array(errors)

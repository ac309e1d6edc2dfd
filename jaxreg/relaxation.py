"""``relaxed_path`` and ``relaxed_sweep``: a lasso, least squares on its supports, and what lies between.

As the other doors they check the arguments and own no mathematics: the refits are those of
:mod:`jaxreg.engines.relaxed`, the derivation is in :mod:`jaxreg.solvers.relaxed`. They are doors of their own, and not
an option of ``path`` and ``sweep``, for a relaxed model minimises no objective of λ: what those promise of their
results does not hold for it.
"""

from typing import Any

import numpy as np

from jaxreg import results
from jaxreg.convergence import GridEndWarning, warn_caller, warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.members import Members
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose, held_out
from jaxreg.engines.relaxed import refits
from jaxreg.formulas.objective import Params
from jaxreg.other_names import names_ours
from jaxreg.programs import compiled
from jaxreg.progress import Progress, following
from jaxreg.results.relaxed import RelaxedChoice, RelaxedPath, RelaxedSweep, between
from jaxreg.solvers.grid_ends import open_end
from jaxreg.sweeps.cross_validate import choices
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.measures import fold_weight

__all__ = ["relaxed_path", "relaxed_sweep"]

_choices = compiled(choices)


@names_ours
def relaxed_path(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    eps: float | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    dtype: Any = None,
    device: Any = None,
) -> RelaxedPath:
    """A lasso at every λ of a grid, and least squares on its support there.

    Each support is fitted once, however many λs have it. R's glmnet has the same as ``relax=TRUE``.

    Args:
        X: (n, p), y: (n,), one target. l1_ratio: ρ in (0, 1]. lams, ...: these and all other options as in
            :func:`path`; bounds there are none, for least squares would leave them.

    Returns:
        :class:`jaxreg.results.RelaxedPath`; ``found.at(gamma)`` are the models at γ, from 1, the lasso, to 0.

    Where columns of a support depend on each other, or are as many as the rows, least squares has the least norm, in
    units of the columns' lengths.

    Raises, Warns: as :func:`path`; ValueError for several targets and for ridge, which chooses no support.

    Source: Meinshausen, *Computational Statistics & Data Analysis* 52, 2007; Hastie, Tibshirani and Tibshirani,
    *Statistical Science* 35, 2020.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.relaxed_path(data.X, data.y, lams=[20.0])
        >>> for gamma in (1.0, 0.5, 0.0):
        ...     print(found.at(gamma).coef[0, [2, 8]].round(1))
        [379.2 319.1]
        [491.1 431.5]
        [603.1 543.9]
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
        eps=eps,
        tol=tol,
        max_iter=max_iter,
        device=device,
    )
    problem = _ready(given, "relaxed_path")
    return _relaxed(given, problem, parameters.check_lams(lams, given.X.dtype), "relaxed_path")


@names_ours
def relaxed_sweep(
    X: Any,
    y: Any,
    lams: Any = 100,
    gammas: Any = (1.0, 0.75, 0.5, 0.25, 0.0),
    l1_ratio: float = 1.0,
    folds: Any = 10,
    seed: int = 0,
    *,
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    eps: float | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    dtype: Any = None,
    device: Any = None,
    progress: Progress = None,
) -> RelaxedSweep:
    """Cross-validate λ and γ together, choose, and fit on all rows.

    Args:
        gammas: γs from 0 (least squares on the support) to 1 (the lasso); ties go to the larger λ, then to the first γ.
        folds, seed, progress: as in :func:`sweep`. X, y, lams, l1_ratio, ...: these and all other options as in
            :func:`relaxed_path`. Supports, and least squares on them, are those of each training part.

    Returns:
        :class:`jaxreg.results.RelaxedSweep`.

    Raises, Warns: as :func:`relaxed_path` and :func:`sweep`; an automatic grid is not extended.

    Source: as :func:`relaxed_path`.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> result = jaxreg.relaxed_sweep(data.X, data.y, lams=50, folds=5)
        >>> result.mean_mse.shape, result.best.gamma, result.converged
        ((5, 50), 0.0, True)
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
        eps=eps,
        tol=tol,
        max_iter=max_iter,
        device=device,
    )
    problem = _ready(given, "relaxed_sweep")
    along, along_gamma = parameters.check_lams(lams, given.X.dtype), _gammas(gammas)
    plan = plan_of(folds, given.X, given.y[:, 0], parameters.check_whole_number(seed, "seed"), given.sample_weight)
    with following(progress, "paths") as show:
        path = _relaxed(given, problem, along, "relaxed_sweep, on all rows")
        members, errors, gaps, refit_gaps = Members(problem, plan), [], [], []
        show(1, 1 + len(plan))
        for b in range(len(plan)):
            solved = choose.solve(problem._replace(degrees=False), np.asarray(path.lams, float), members, b)
            coef, intercept = solved.params.coef[..., 0], solved.params.intercept[:, 0]
            refit = refits(members.problem(problem, b), coef)
            mixed = [(between(g, intercept, refit.intercept), between(g, coef, refit.coef)) for g in along_gamma]
            models = Params(*(np.concatenate(v)[..., None] for v in zip(*mixed, strict=True)))
            rows = plan.test_rows(b)
            rows = rows[problem.weights[rows] > 0]
            error = held_out.from_rows(models, problem.X, problem.y, problem.sample_weight, rows)[0]
            errors.append(error.reshape(len(along_gamma), len(coef)))
            gaps.append(solved.gap[:, 0])
            refit_gaps.append(refit.gap)
            members.forget(b)
            show(2 + b, 1 + len(plan))
    fold_mse, gap, refit_gap = (np.stack(v, axis=-1) for v in (errors, gaps, refit_gaps))
    grid = np.broadcast_to(path.lams, fold_mse.shape[:2])
    with given.computing():
        mean, se, best, one_se = map(np.asarray, _choices(fold_mse, fold_weight(problem, plan), grid))
    where = "relaxed_sweep, in the folds"
    converged = warn_unless_converged(np.fmax(gap, refit_gap), path.lams[:, None], problem.tol, where)
    end = open_end(mean[best[0]], path.lams, path.path.n_nonzero)
    if end is not None:
        what = "smaller" if end == "smallest" else "larger"
        warn_caller(
            f"relaxed_sweep: the best λ, {path.lams[best[1]]:.4g}, is the {end} of the grid, and the error still "
            f"falls; give {what} λs.",
            GridEndWarning,
        )

    def choice(index: np.ndarray) -> RelaxedChoice:
        (g, l), params = index, path.at(along_gamma[index[0]])
        lam, error, spread, used = (v.item() for v in (path.lams[l], mean[g, l], se[g, l], path.path.n_nonzero[l]))
        chosen = Params(params.intercept[l], params.coef[l])
        return RelaxedChoice(lam, float(along_gamma[g]), index, chosen, error, spread, used, given.names)

    return RelaxedSweep(
        gammas=along_gamma,
        fold_mse=fold_mse,
        fold_gap=gap,
        fold_refit_gap=refit_gap.astype(gap.dtype),
        mean_mse=mean,
        se_mse=se,
        best=choice(best),
        one_se=choice(one_se),
        path=path,
        converged=bool(converged and path.converged.all()),
    )


def _ready(given: Problem, where: str) -> Problem:
    """As engines take it; what chooses no support, or has several, is refused."""
    if given.l1_ratio == 0:
        raise ValueError("l1_ratio is 0: ridge chooses no support to relax on; give a number above 0.")
    if not given.flat:
        raise ValueError(f"y has several targets; call {where} for each of its columns.")
    return choose.ready(without_left_out(given))


def _relaxed(given: Problem, problem: Problem, lams: Any, where: str) -> RelaxedPath:
    """The path and least squares on its supports, both certified."""
    choose.check_size(problem, lams)
    pure: Any = choose.path(problem, lams)
    refit, dtype = refits(problem, pure.coef), given.X.dtype
    gap = np.fmax(pure.gap, refit.gap)
    warn_unless_converged(gap, pure.lams, problem.tol, where, bool(pure.n_iter.any()))
    pure = pure._replace(scale=own_scale(pure.scale, given))
    return RelaxedPath(
        path=results.Path(**pure._asdict(), feature_names=given.names),
        refit_coef=refit.coef.astype(dtype),
        refit_intercept=refit.intercept.astype(dtype),
        refit_gap=refit.gap.astype(dtype),
        converged=gap <= problem.tol,
    )


def _gammas(gammas: Any) -> np.ndarray:
    """(G,), each from 0 to 1."""
    values = np.atleast_1d(np.asarray(gammas, float))
    wrong = ~((values >= 0) & (values <= 1))
    if values.ndim != 1 or not values.size or wrong.any():
        at = (
            f"gammas[{int(np.argmax(wrong))}] is {values[wrong][0]:g}" if values.ndim == 1 and wrong.any() else "gammas"
        )
        raise ValueError(f"{at}: numbers from 0 (least squares) to 1 (the lasso) are needed, at least one.")
    return values

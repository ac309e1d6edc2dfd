"""``sweep`` on NumPy arrays and data frames: cross-validation, the two choices, and the path on all rows.

As the other doors it checks the arguments and owns no mathematics: what is computed is in
:mod:`jaxreg.sweeps.grids`, what is measured in :mod:`jaxreg.sweeps.measures`, and how is chosen in
:mod:`jaxreg.sweeps.cross_validate`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxreg import results
from jaxreg.convergence import GridEndWarning, warn_caller, warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.on_device import stays
from jaxreg.data.problem import Problem, check_problem
from jaxreg.data.sparse import is_sparse
from jaxreg.data.stacks import taken_apart
from jaxreg.device_sweeps import is_handed_over, plan_of_table, suits, sweep_there
from jaxreg.device_tables import brought
from jaxreg.engines import choose, known
from jaxreg.engines.ridge import FactoredPath
from jaxreg.groups import Work, refuse_checkpoint, sweep_of_each
from jaxreg.other_names import names_ours
from jaxreg.programs import compiled
from jaxreg.progress import Progress, following
from jaxreg.streams import is_stream, read_stream
from jaxreg.sweeps.cross_validate import Sweep, choices, conclude
from jaxreg.sweeps.factored import conclude_factored
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.grids import Grids
from jaxreg.sweeps.measures import MEASURES, Measured
from jaxreg.sweeps.moment_grids import MomentGrids
from jaxreg.without_rows import parts_of_folds, refuse_rows, require_rows, say_rounding

__all__ = ["sweep"]

_choices = compiled(choices)


@names_ours
def sweep(
    X: Any = None,
    y: Any = None,
    lams: Any = 100,
    l1_ratio: float | Sequence[float] = 1.0,
    folds: Any = 10,
    seed: int = 0,
    *,
    measure: str = "mse",
    fit_intercept: bool = True,
    standardize: bool = True,
    sample_weight: Any = None,
    penalty_factor: Any = None,
    lower: Any = None,
    upper: Any = None,
    eps: float | None = None,
    tol: float | None = None,
    max_iter: int = 20_000,
    strategy: str | None = None,
    dtype: Any = None,
    device: Any = None,
    device_arrays: bool = False,
    mesh: Any = None,
    progress: Progress = None,
    by: Any = None,
    checkpoint: Any = None,
    moments_by_fold: Any = None,
    target: str | None = None,
    table: Mapping[str, Any] | None = None,
) -> Any:  # a Sweep, or a GroupedSweep
    """Cross-validate a grid of λs (and l1_ratios), choose, and fit on all rows.

    Standardisation and intercept are those of each training part. ``best`` has the least mean error, ties going to the
    larger λ; ``one_se`` is the largest λ at the same l1_ratio within one standard error of it.

    Args:
        l1_ratio: one number or several; each has its own automatic grid.
        folds: a number of folds; (n,) labels, one fold a distinct value; (K, n) booleans, True = held out; a
            scikit-learn splitter; or pairs (training rows, held-out rows) as one makes, in a list or from a generator.
            The training rows of a splitter are kept to: TimeSeriesSplit trains on the past alone. seed: of the random
            folds.
        measure: of the held-out error by which is chosen: "mse", "mae" (mean absolute error) or "r2" (`1 − R²`, `R²`
            the share of the fold's own variance that is explained). The first and the last are always in the result;
            mean absolute errors, which cost a product with the held-out rows, where they are asked for.
        device_arrays, mesh: as in :func:`jaxreg.fit`; ``measure`` is "mse".
        progress: called as ``progress(done, total)`` after every path, one a fold and one on all rows; True shows a
            line in a terminal or notebook, and elsewhere prints one now and then.
        by: a sweep within each group of rows, as in :func:`jaxreg.fit`: folds, grid and choices are those of the group.
            It takes the mean squared error, and folds as a number or labels.
        checkpoint: with ``by``, a folder in which blocks of groups are kept, as in :func:`jaxreg.fit`.
        moments_by_fold: :class:`jaxreg.Moments` of the rows of each fold, in place of X, y, sample_weight and folds,
            for what ``moments`` serve in :func:`jaxreg.fit`; ``measure`` is "mse" or "r2".
        target, table: where X is a file, a pattern, a folder or an iterator of batches: the column to predict, and how
            the table is read, the other arguments of :func:`jaxreg.fold_moments` by their names. ``folds`` may then be
            the name of a column, ``sample_weight`` is one, and ``checkpoint`` keeps the sums of what has been read.
        X, y, lams, eps, ...: these and all other options as in :func:`path`.

    Returns:
        :class:`jaxreg.results.Sweep`; with ``by`` a :class:`jaxreg.results.GroupedSweep`.

    An automatic grid at whose end the error still falls is extended there by half its length, at most twice
    (``Sweep.extended``); ``lams`` is then longer than was asked for. Of groups each is extended by itself.

    Raises, Warns: as :func:`path`; ValueError for folds that leave nothing to train or to measure on; GridEndWarning
        where the error still falls at the end of the grid; IllConditionedWarning where moments leave held-out errors
        less than ten digits.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> result = jaxreg.sweep(data.X, data.y, lams=30, folds=5)
        >>> result.mean_mse.shape, bool(result.one_se.lam >= result.best.lam), result.converged
        ((1, 30), True, True)
    """
    if measure not in MEASURES:
        raise ValueError(f"measure is {measure!r}; it must be 'mse', 'mae' or 'r2'.")
    ratios = _check_ratios(l1_ratio)
    if is_stream(X):
        given_table = {**(table or {}), "sample_weight": sample_weight, "checkpoint": checkpoint, "progress": progress}
        moments_by_fold = read_stream(X, target, folds, seed, **given_table).folds
        X = sample_weight = checkpoint = None
    if moments_by_fold is not None:
        with_rows = {"X": X, "y": y, "sample_weight": sample_weight, "strategy": strategy, "dtype": dtype, "by": by}
        more = {"device": device, "device_arrays": device_arrays, "mesh": mesh, "checkpoint": checkpoint}
        refuse_rows("sweep", "moments_by_fold", **with_rows, **more, measure=measure if measure == "mae" else None)
        asked = {"fit_intercept": fit_intercept, "standardize": standardize, "penalty_factor": penalty_factor}
        how = {"lower": lower, "upper": upper, "eps": eps, "tol": tol, "max_iter": max_iter}
        return _sweep_of_folds(moments_by_fold, ratios, lams, measure, {**asked, **how}, progress)
    require_rows("sweep", X, y)
    X, y, sample_weight, runs = taken_apart(by, X, y, sample_weight)
    given = check_problem(
        X,
        y,
        ratios[0],
        sample_weight=sample_weight,
        penalty_factor=penalty_factor,
        lower=lower,
        upper=upper,
        dtype=dtype,
        fit_intercept=fit_intercept,
        standardize=standardize,
        eps=eps,
        tol=tol,
        max_iter=max_iter,
        strategy=strategy,
        device=device,
        mesh=mesh,
        stays=measure == "mse" and stays(X, device, device_arrays, runs is not None, mesh),
    )
    if (device_arrays or mesh is not None) and measure != "mse":
        raise ValueError(f"measure is {measure!r}; with device_arrays=True or mesh it must be 'mse'.")
    lams, seed = parameters.check_lams(lams, given.dtype), parameters.check_whole_number(seed, "seed")
    if runs is not None:
        if measure != "mse":
            raise ValueError(f"sweep(by=) chooses by measure='mse' alone, and measure is {measure!r}.")
        return sweep_of_each(given, ratios, runs, lams, folds, seed, eps, Work(checkpoint, progress))
    refuse_checkpoint(checkpoint, "sweep")
    if isinstance(given.X, jax.Array):
        plan = plan_of_table(folds, given, seed)
        there = suits(plan, device_arrays or mesh is not None)
    else:
        of_splitter = given.y[:, 0] if given.flat else given.y
        plan = plan_of(folds, given.X, of_splitter, seed, given.sample_weight)
        there = measure == "mse" and is_handed_over(given, ratios, plan)
    if there and (found_there := sweep_there(given, ratios, lams, plan, device_arrays, progress)) is not None:
        return found_there
    given = brought(given) if isinstance(given.X, jax.Array) else given
    problem = without_left_out(given)
    problems = [problem._replace(l1_ratio=rho) for rho in ratios]
    ready = [choose.ready(one) for one in problems]
    dense = next((one.X for one in ready if not is_sparse(one.X)), problem.X)  # all read the same table
    problems = [one._replace(X=dense) for one in ready]
    with following(progress, "paths") as show:
        grids = Grids(problems, plan, measure, show)
        grids.solve(lams)
    return _result(grids, ratios, given, lambda scale: own_scale(scale, given))


def _sweep_of_folds(
    moments_by_fold: Any, ratios: list[float], lams: Any, measure: str, options: dict[str, Any], progress: Progress
) -> results.Sweep:
    """From the moments of the folds."""
    lams = parameters.check_lams(lams, float)
    problems, parts, total = parts_of_folds(moments_by_fold, ratios, lams, options)
    with following(progress, "paths") as show:
        grids = MomentGrids(problems, parts, measure, show)
        grids.solve(lams)
    result = _result(grids, ratios, problems[0], lambda scale: known.own_scale(scale, problems[0], total))
    say_rounding(grids.rounding, problems[0].tol, grids.unsure)
    return result


def _result(grids: Grids, ratios: list[float], given: Problem, scale_of: Callable[[Any], Any]) -> results.Sweep:
    """What is chosen from the errors, and what is said of it.

    Args:
        given: the problem as it was given. scale_of: σ of its columns, from that of the path.
    """
    found, weight, measure = grids.measured(), grids.folds.weight, grids.measure
    with given.computing():
        of_losses = {name: _choices(loss, weight, found.lams) for name, loss in found.losses().items()}
        by = {name: jax.tree.map(np.asarray, chosen) for name, chosen in of_losses.items()}
        pure = _concluded(grids.paths, ratios, found, (*by["mse"][:2], *by[measure][2:]))
    steps = any(path.n_iter.any() for path in grids.paths)
    along = lambda gap: found.lams.reshape(found.lams.shape + (1,) * (gap.ndim - 2))
    converged = warn_unless_converged(found.gap, along(found.gap), given.tol, "sweep, in the folds", steps)
    all_rows = warn_unless_converged(found.path_gap, along(found.path_gap), given.tol, "sweep, on all rows", steps)
    scale = scale_of(pure.path.scale)
    df = grids.degrees(int(pure.best.index[0]), pure.path) if given.flat else pure.path.df
    concluded = pure._asdict() | {
        "fold_mae": found.mae,
        "fold_r2": found.r2,
        "mean_mae": by["mae"][0] if "mae" in by else None,
        "se_mae": by["mae"][1] if "mae" in by else None,
        "mean_r2": 1 - by["r2"][0],
        "se_r2": by["r2"][1],
        "best": _choice(pure.best, given.names),
        "one_se": _choice(pure.one_se, given.names),
        "path": _path(pure.path._replace(scale=scale, df=df), given.names),
    }
    of_call: Any = {"feature_names": given.names, "measure": measure, "extended": grids.extended}
    result = results.Sweep(**concluded, converged=converged and all_rows, **of_call)
    if result.end_in_words:
        warn_caller(f"sweep: {result.end_in_words}", GridEndWarning)
    return result


def _check_ratios(l1_ratio: Any) -> list[float]:
    """One ρ or several as a list."""
    given = [l1_ratio] if np.ndim(l1_ratio) == 0 else list(l1_ratio)
    if not given:
        raise ValueError("l1_ratio is empty; give at least one number from 0 (ridge) to 1 (lasso).")
    return [parameters.check_l1_ratio(rho) for rho in given]


def _concluded(paths: list[Any], ratios: list[float], found: Measured, chosen_from: tuple[np.ndarray, ...]) -> Sweep:
    """The sweep that belongs to the choices, in NumPy arrays; of a FactoredPath with the chosen coefficients alone."""
    if isinstance(paths[0], FactoredPath):
        return conclude_factored(paths[0], found.mse, found.gap, chosen_from)
    stacked = jax.tree.map(lambda *v: np.stack(v), *paths)
    return conclude(found.lams, np.asarray(ratios, found.lams.dtype), found.mse, found.gap, chosen_from, stacked)


def _path(found: Any, names: tuple[str, ...] | None) -> results.Path:
    """Of a pure Path, or of a FactoredPath, whose coefficients are computed when they are first read."""
    fields = found._asdict()
    if isinstance(found, FactoredPath):
        del fields["factors"]
        fields |= {"coef": lambda _: found.coef(), "n_nonzero": lambda path: (path.coef != 0).sum(axis=1)}
    return results.Path(**fields, feature_names=names)


def _choice(choice: Any, names: tuple[str, ...] | None) -> results.Choice:
    plain = {k: v.item() if isinstance(v, np.ndarray) and v.ndim == 0 else v for k, v in choice._asdict().items()}
    return results.Choice(**plain, feature_names=names)

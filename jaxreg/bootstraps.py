"""``bootstrap``: the same fit on other samples that might have been drawn, each certified.

As the other doors it checks the arguments and owns no mathematics: what is drawn is in :mod:`jaxreg.sweeps.resamples`,
how it is solved in :mod:`jaxreg.engines.weightings`, how λ is chosen in :mod:`jaxreg.sweeps.chosen_lams`, what is made
of it in :mod:`jaxreg.sweeps.intervals`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.inputs import check_values
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.plan import Plan
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose
from jaxreg.engines.weightings import Weighted, paths_of_weightings
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress, following
from jaxreg.resampled import Bootstrap, ChosenBootstrap
from jaxreg.sweeps.chosen_lams import RULES, Chosen, chosen_of_targets, chosen_of_weightings
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.resamples import KINDS, jackknife_weights, resampled_targets, resampled_weights

__all__ = ["bootstrap"]

# What a bootstrap returns may take so many bytes; and the weights, or targets, that are drawn at a time.
MOST_BYTES, DRAWN_BYTES = 2**32, 2**27


@names_ours
def bootstrap(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    n_resamples: int = 1000,
    seed: int = 0,
    *,
    kind: str = "pairs",
    folds: Any = None,
    rule: str = "best",
    jackknife: bool = False,
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
    progress: Progress = None,
) -> Bootstrap | ChosenBootstrap:
    """Fit at every λ of a grid on the data, and on resamples of them; or choose λ anew in each of them.

    The grid is that of the data, for all resamples; columns are standardised, and λ is in units of y, within each of
    them.

    Args:
        n_resamples: B ≥ 2. seed: of the resamples, and of random folds; the first resamples do not depend on how many
            follow.
        kind: "pairs" (rows drawn with replacement), "bayesian" (rows with exponential weights), "residual" (residuals
            drawn with replacement), "wild" (each row's own residual, times a random number). The last two keep X, and
            take the residuals of the fit at the smallest λ.
        folds: None, or folds of the rows of the data, as in :func:`sweep`: each resample is cross-validated, and fitted
            at the λ that it chooses. The copies of a row stay in one fold. rule: "best", the λ of least held-out error,
            or "one_se", the largest within one standard error of it.
        jackknife: whether the rows are left out too, one at a time or in 400 groups, which BCa intervals need.
        progress: called as ``progress(done, total)`` when some resamples are done; True shows a line in a terminal or
            notebook, and elsewhere prints one now and then.
        X, y, lams, l1_ratio, ...: these and all other options as in :func:`path`. A resample of "pairs" counts a row
            c_i times: its weight is c_i times its sample_weight.

    Returns:
        :class:`jaxreg.resampled.Bootstrap`: the coefficients of every resample, its intervals, how often each feature
        was chosen. With ``folds`` :class:`jaxreg.resampled.ChosenBootstrap`: every resample's λ, and its fit there.

    Raises, Warns: as :func:`path`; ValueError for another kind or rule, several targets of "residual" and "wild" or
        with folds, fewer than two resamples; MemoryError before the work if the coefficients would take more than
        4 GiB: ask for fewer λs.

    Source: Efron, *Annals of Statistics* 7, 1979; Rubin, *Annals of Statistics* 9, 1981; Mammen, *Annals of Statistics*
    21, 1993; of λ chosen in each resample, Efron, *JASA* 109, 2014.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.bootstrap(data.X, data.y, lams=[5.0, 1.0], n_resamples=200)
        >>> found.coef.shape, bool(found.converged.all())
        ((200, 2, 10), True)
        >>> low, high = found.interval(0.9)
        >>> bool((low[1] <= found.estimate[1]).all()), found.selection_frequency[0, 2].item()
        (True, 1.0)
        >>> chosen = jaxreg.bootstrap(data.X, data.y, lams=20, n_resamples=20, folds=5)
        >>> chosen.coef.shape, chosen.chosen_lam.shape, bool(chosen.converged.all())
        ((20, 10), (20,), True)
    """
    given = check_problem(
        X,
        y,
        l1_ratio,
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
    )
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(map(repr, KINDS))}.")
    B = parameters.check_positive(n_resamples, "n_resamples", int)
    if B < 2:
        raise ValueError("n_resamples is 1; at least 2 are needed.")
    seed = parameters.check_whole_number(seed, "seed")
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; it must be 'best' or 'one_se'.")
    if kind in ("residual", "wild") and not given.flat:
        raise ValueError(f"kind={kind!r} is for one target; call bootstrap for each column of y.")
    if folds is not None and not given.flat:
        raise ValueError("folds is for one target; call bootstrap for each column of y.")
    problem = without_left_out(given)
    lams = parameters.check_lams(lams, given.X.dtype)
    plan = None if folds is None else plan_of(folds, given.X, given.y[:, 0], seed, given.sample_weight)
    L = lams if isinstance(lams, int) else len(lams)
    if (needs := B * (L if plan is None else 1) * given.X.shape[1] * given.y.shape[1] * 8) > MOST_BYTES:
        raise MemoryError(
            f"the coefficients of {B} resamples at {L} λs would take {needs / 2**30:.3g} GiB; ask for fewer λs."
        )
    problem = choose.ready(problem)
    check_values(problem.X, problem.names)
    pure: Any = choose.path(problem._replace(degrees=False), lams)
    along = np.asarray(pure.lams, float)
    ways = _ways(problem, plan, along, rule)
    with following(progress, "resamples") as show:
        found = _resampled(problem, pure, along, kind, B, seed, ways, show)
        left = ways[0](jackknife_weights(problem.weights, seed)) if jackknife else None
    options = {"scale": own_scale(pure.scale, given), "kind": kind, "seed": seed, "feature_names": given.names}
    if plan is not None:
        return _chosen(problem, ways[0](problem.weights[None]), along, found, left, rule, options)
    gaps = (pure.gap, found.gap) if left is None else (pure.gap, found.gap, left.gap)
    every = np.concatenate([np.reshape(gap, (-1, L, given.y.shape[1])) for gap in gaps])
    warn_unless_converged(every, along[None, :, None], problem.tol, "bootstrap")
    own: Any = lambda v: None if v is None else (v[..., 0] if given.flat else v)
    return Bootstrap(
        lams=pure.lams,
        estimate=pure.coef,
        intercept=pure.intercept,
        coef=own(found.coef),
        intercepts=own(found.intercept),
        gap=own(found.gap),
        converged=own(found.gap <= problem.tol),
        left_out=own(left and left.coef),
        left_out_intercepts=own(left and left.intercept),
        **options,
    )


def _chosen(
    problem: Problem, of_data: Chosen, lams: np.ndarray, found: Chosen, left: Chosen | None, rule: str, options: Any
) -> ChosenBootstrap:
    """What is returned where each resample has chosen its λ."""
    every = [of_data, found] if left is None else [of_data, found, left]
    for gap, at in (("gap", np.concatenate([of.lam for of in every])[:, None]), ("fold_gap", lams[None, :])):
        gaps = np.concatenate([getattr(of, gap).reshape(len(of.lam), -1) for of in every])
        warn_unless_converged(gaps, at, problem.tol, "bootstrap" if gap == "gap" else "bootstrap, in the folds")
    return ChosenBootstrap(
        lams=lams.astype(problem.X.dtype),
        lam=float(of_data.lam[0]),
        estimate=of_data.coef[0],
        intercept=float(of_data.intercept[0]),
        chosen_lam=found.lam,
        coef=found.coef,
        intercepts=found.intercept,
        gap=found.gap,
        fold_gap=found.fold_gap,
        converged=np.maximum(found.gap, found.fold_gap.max(axis=1)) <= problem.tol,
        rule=rule,
        left_out=left and left.coef,
        left_out_intercepts=left and left.intercept,
        **options,
    )


def _ways(problem: Problem, plan: Plan | None, lams: np.ndarray, rule: str) -> tuple[Callable[..., Any], ...]:
    """What is done with sets of weights, and with targets on the same rows."""
    if plan is None:
        return partial(paths_of_weightings, problem, lams), partial(_paths_of_targets, problem, lams)
    given = problem, plan, lams, rule
    return partial(chosen_of_weightings, *given), partial(chosen_of_targets, *given)


def _resampled(
    problem: Problem, pure: Any, lams: np.ndarray, kind: str, B: int, seed: int, ways: Any, show: Any
) -> Any:
    """All resamples, so many at a time that what is drawn stays small."""
    of_weights, of_targets = ways
    n = len(problem.y)
    size = int(max(1, min(B, DRAWN_BYTES // (8 * n))))
    blocks: list[Any] = []
    smallest = int(np.argmin(lams))
    for first in range(0, B, size):
        some = range(first, min(first + size, B))
        if kind in ("pairs", "bayesian"):
            weights = resampled_weights(kind, problem.weights, seed, some)
            blocks.append(of_weights(weights, partial(_shown_from, show, first, B)))
        else:
            X: Any = problem.X
            fitted = np.asarray(X @ pure.coef[smallest] + pure.intercept[smallest], float)
            targets = resampled_targets(kind, fitted, problem.y[:, 0] - fitted, seed, some)
            blocks.append(of_targets(targets))
            show(some.stop, B)
    return type(blocks[0])(*(np.concatenate(v) for v in zip(*blocks, strict=True)))


def _shown_from(show: Any, first: int, B: int, done: int) -> None:
    show(first + done, B)


def _paths_of_targets(problem: Problem, lams: np.ndarray, targets: np.ndarray) -> Weighted:
    """A path for each of B targets, (n, B), on the same rows."""
    solved = choose.solve(problem._replace(y=targets, degrees=False), lams)
    first = lambda v: np.moveaxis(v, -1, 0)[..., None]
    return Weighted(first(solved.params.coef), first(solved.params.intercept), first(solved.gap))

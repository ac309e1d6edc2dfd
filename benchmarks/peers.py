"""The other programs: a lasso path by each, and cross-validation with it.

A path is a function (X, y, lams, tolerance) -> coefficients (L, p). X and y come centred, so no program has to spend
time on an intercept, and X has its columns one after the other in memory, as these programs like it best. What a
tolerance means differs; it is the duality gap of the answer that is compared.

NumPy alone is imported here: every other package is imported by the function that uses it, in a process of its own
(worker.py). R's glmnet stands in glmnet.R. himalaya has ridge to offer and stands in ridge.py.
"""

import importlib.metadata
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

__all__ = ["PEERS", "Peer", "cross_validate", "lasso_cv", "solve"]

Path = Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PROCESSES_PAY = 0.3  # seconds of work from which on it pays to start processes for the folds
THREADS_PAY = 1_000_000  # elements of X from which on adelie gains from more than one thread
ENOUGH = 1_000_000  # iterations: the tolerance is to end the work, not their number


def scikit_learn(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The tolerance is the duality gap as a share of ‖y‖²; n > p: on XᵀX."""
    from sklearn.linear_model import lasso_path

    return lasso_path(X, y, alphas=lams, tol=tolerance, max_iter=ENOUGH, copy_X=False)[1].T


def celer(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The tolerance is the duality gap as a share of ‖y‖²/n."""
    from celer import celer_path

    return celer_path(X, y, "lasso", alphas=lams, tol=tolerance, max_iter=1_000)[1].T


def skglm(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The tolerance is the distance to optimality, a gradient: here as a share of the largest λ."""
    from skglm import Lasso

    model = Lasso(tol=tolerance * lams[0], fit_intercept=False, warm_start=True, max_iter=1_000)
    return model.path(X, y, lams)[1].T


def adelie(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The tolerance is the progress of a sweep over the coordinates."""
    from adelie import glm, grpnet

    threads = _threads if X.size >= THREADS_PAY else 1
    to_the_end = {"adev_tol": 1.0, "early_exit": False, "progress_bar": False}
    options = {"intercept": False, "max_iters": ENOUGH, "n_threads": threads, **to_the_end}
    return grpnet(X, glm.gaussian(y), lmda_path=lams, tol=tolerance, **options).betas.toarray()


def scm2cpp(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The tolerance is the largest move of a coefficient."""
    from scm2cpp_learn import DerivedLasso

    return DerivedLasso(X, y).fit_path(lams, tol=tolerance)


def scm2cpp_moments(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The same package's class that works on XᵀX."""
    from scm2cpp_learn import CovLasso

    return CovLasso(X, y).fit_path(lams, tol=tolerance)


def glmnet_rs(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The tolerance is glmnet's: the progress of a pass over the coordinates, as a share of the null deviance."""
    from glmnetrs import glmnet

    path = glmnet(X, y, lambda_=lams, standardize=False, intercept=False, thresh=tolerance, maxit=ENOUGH)
    coef = np.zeros((len(lams), X.shape[1]))
    coef[: path.beta.shape[1]] = path.beta.T  # a path that ends early is not complete, and its gap says so
    return coef


def glmstar(X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float) -> np.ndarray:
    """The same tolerance."""
    from glmnet import GaussNet
    from glmnet.paths.fastnet import FastNetControl

    control = FastNetControl(thresh=tolerance, maxit=ENOUGH, fdev=0.0, devmax=1.0)
    net = GaussNet(lambda_values=lams, standardize=False, fit_intercept=False, control=control).fit(X, y)
    coef = np.zeros((len(lams), X.shape[1]))
    coef[: len(net.coefs_)] = net.coefs_
    return coef


class Peer(NamedTuple):
    """A program: the package that it is installed as, its path, and the loosest tolerance that is tried."""

    package: str
    path: Path
    loosest: float

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.package)


PEERS = {
    "scikit-learn": Peer("scikit-learn", scikit_learn, 1e-3),
    "celer": Peer("celer", celer, 1e-3),
    "skglm": Peer("skglm", skglm, 1e-2),
    "adelie": Peer("adelie", adelie, 1e-7),
    "scm2cpp-learn": Peer("scm2cpp-learn", scm2cpp, 1.0),
    "scm2cpp-learn on XᵀX": Peer("scm2cpp-learn", scm2cpp_moments, 1.0),
    "glmstar": Peer("glmstar", glmstar, 1e-6),
    "glmnet-rs": Peer("glmnet-rs", glmnet_rs, 1e-6),
}

# How many threads one call may use: all cores for a path, one where several folds run at once.
_threads = CORES


def solve(path: Path, X: np.ndarray, y: np.ndarray, lams: np.ndarray, tolerance: float, rows: np.ndarray) -> np.ndarray:
    """(L, p + 1) with the intercept first, from some rows of X (n, p) and y (n,), which are not centred.

    X has its columns one after the other in memory: one copy makes of them what the path takes.
    """
    columns = np.take(X.T, rows, axis=1)
    x_mean, y_mean = columns.mean(1), y[rows].mean()
    columns -= x_mean[:, None]
    coef = path(columns.T, y[rows] - y_mean, lams, tolerance)
    return np.column_stack([y_mean - coef @ x_mean, coef])


def cross_validate(
    path: Path, X: np.ndarray, y: np.ndarray, lams: np.ndarray, folds: np.ndarray, tolerance: float, keep: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """A path on all rows, and K paths without one fold each: as many folds at once as there are cores, if that pays.

    Processes rather than threads: most of these programs hold Python's lock.

    Returns:
        Mean squared held-out error (L,); with ``keep`` the coefficients (K + 1, L, p + 1), those on all rows first.
    """
    start = time.perf_counter()
    on_all_rows = solve(path, X, y, lams, tolerance, np.arange(len(y)))
    labels = list(range(folds.max() + 1))
    expected = len(labels) * (time.perf_counter() - start)
    results = (_in_turn if expected < PROCESSES_PAY else _at_once)(
        lambda label: _one_fold(path, X, y, lams, folds, tolerance, label, keep), labels
    )
    error = sum(squares for squares, _ in results) / len(y)
    return error, np.stack([on_all_rows, *(coef for _, coef in results)]) if keep else None


def _one_fold(path, X, y, lams, folds, tolerance, label, keep) -> tuple[np.ndarray, np.ndarray | None]:
    """The sum of squares of the held-out rows (L,), and the coefficients if they are wanted."""
    coef = solve(path, X, y, lams, tolerance, np.flatnonzero(folds != label))
    held_out = np.flatnonzero(folds == label)
    residual = y[held_out, None] - np.take(X.T, held_out, axis=1).T @ coef[:, 1:].T - coef[:, 0]
    return (residual**2).sum(0), coef if keep else None


_task: Callable = len


def _call_task(argument):
    return _task(argument)


def _in_turn(task: Callable, arguments: list) -> list:
    return [task(argument) for argument in arguments]


def _at_once(task: Callable, arguments: list) -> list:
    """[task(a) for a in arguments], in processes that inherit data and compiled code, where the system can fork."""
    global _task, _threads
    if CORES == 1 or "fork" not in multiprocessing.get_all_start_methods():
        return _in_turn(task, arguments)
    from threadpoolctl import threadpool_limits

    _task, _threads = task, 1
    try:
        with threadpool_limits(1), multiprocessing.get_context("fork").Pool(min(CORES, len(arguments))) as pool:
            return pool.map(_call_task, arguments, chunksize=1)
    finally:
        _task, _threads = len, CORES


def lasso_cv(X: np.ndarray, y: np.ndarray, lams: np.ndarray, folds: np.ndarray, tolerance: float) -> np.ndarray:
    """scikit-learn's LassoCV as it is usually called; in its favour, on all rows it fits the chosen λ alone.

    Returns:
        Mean squared held-out error (L,).
    """
    from sklearn.linear_model import LassoCV

    rows = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(folds.max() + 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LassoCV(alphas=lams, cv=rows, tol=tolerance, max_iter=ENOUGH).fit(X, y)
    return np.average(model.mse_path_, axis=1, weights=[len(test) for _, test in rows])

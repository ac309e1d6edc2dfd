"""What does the gradient of a cross-validated error cost, beside the error itself, and what does tuning cost?

    python benchmarks/implicit.py [--only gradients memory tune others] [--shapes 10000x500 500x5000] [--out FILE]

Gradients: of the 10-fold error of a lasso at one λ, by λ, by penalty factors and by weights of the rows, as shares of
the time of the error (goal: the gradient at most 1.0 of it). Memory: the largest resident memory of the gradient by
2,000 penalty factors at 10,000 rows, less that before, without the compiler (goal: 2 GiB). Tune: one λ by its gradient
against scikit-learn's LassoCV of 100 λs, and how far from the best of 1,000 λs it ends. Others: unrolled FISTA, central
differences, and sparse-ho where it is installed. Each is compiled and run once, and then gradients and the error take
turns eight times, others are timed three times in a row; the least counts.
"""

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from worker import forget_peak, peak_mib, resident_mib

import jaxreg
from jaxreg import solvers, sweeps
from jaxreg.formulas import soft_threshold

PARTS = ("gradients", "memory", "tune", "others")
TIMES, TURNS = 3, 8


def problem(n: int, p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and ten folds, (10, n): 20 of the columns matter."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((n, p)), np.zeros(p)
    w[:20] = rng.standard_normal(20)
    return X, X @ w + 3 * rng.standard_normal(n), np.arange(n) % 10 == np.arange(10)[:, None]


def timed(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds: the least and the largest, of runs after the first."""
    jax.block_until_ready(run())
    found = []
    for _ in range(TIMES):
        start = time.perf_counter()
        jax.block_until_ready(run())
        found.append(time.perf_counter() - start)
    return min(found), max(found)


def error_of(X: Any, y: Any, held_out: Any) -> Callable[..., jax.Array]:
    """(λ, v, s) ↦ the 10-fold error."""

    def error(lam: Any, v: Any, s: Any) -> jax.Array:
        how = {"penalty_factor": v, "sample_weight": s, "strategy": "active set"}
        return sweeps.cross_validate(X, y, held_out, lam[None], **how).mean_mse[0, 0]

    return error


def gradients(n: int, p: int) -> list[str]:
    """The error and its gradients take turns, so that what else the machine does falls on all of them alike."""
    X, y, held_out = map(jnp.asarray, problem(n, p))
    at = jnp.asarray(0.1 * jnp.max(jnp.abs((X - X.mean(axis=0)).T @ y)) / n), jnp.ones(p), jnp.ones(n)
    error = error_of(X, y, held_out)
    names = ("the error", "λ", f"{p} penalty factors", f"{n} weights")
    runs = [jax.jit(error), *(jax.jit(jax.value_and_grad(error, argnums=k)) for k in range(3))]
    took = np.empty((TURNS + 1, len(runs)))  # the first turn compiles
    for turn in took:
        for k, run in enumerate(runs):
            start = time.perf_counter()
            jax.block_until_ready(run(*at))
            turn[k] = time.perf_counter() - start
    first, took = took[0], took[1:]
    lines = [f"{n} x {p}: the error {took[:, 0].min():.3f} s (slowest {took[:, 0].max():.3f})"]
    for k in (1, 2, 3):
        least = took[:, k].min() / took[:, 0].min() - 1
        shares = took[:, k] / took[:, 0] - 1
        words = f"{least:.2f} of the error (turn by turn {shares.min():.2f} to {shares.max():.2f})"
        lines.append(f"  gradient by {names[k]}: {words}; the first call {first[k]:.0f} s")
    return lines


def memory() -> list[str]:
    """In a process of its own, for the largest memory is one of a process."""
    done = subprocess.run([sys.executable, __file__, "--memory-alone"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def memory_alone() -> None:
    X, y, held_out = map(jnp.asarray, problem(10_000, 2_000))
    error = error_of(X, y, held_out)
    before = resident_mib()
    forget_peak()
    slope = jax.jit(jax.grad(error, argnums=1))(jnp.asarray(0.3), jnp.ones(2_000), jnp.ones(10_000))
    assert bool(jnp.isfinite(slope).all())
    print(
        f"10000 x 2000, gradient by 2,000 penalty factors: {peak_mib() - before:.0f} MiB beside the table, compiler too"
    )


def tune(n: int, p: int) -> list[str]:
    from sklearn.linear_model import LassoCV

    X, y, held_out = problem(n, p)
    folds = np.argmax(held_out, axis=0)
    jaxreg.tune(X, y, folds=folds)  # compiled
    start = time.perf_counter()
    found = jaxreg.tune(X, y, folds=folds)
    ours = time.perf_counter() - start
    pairs = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in range(10)]
    start = time.perf_counter()
    LassoCV(alphas=100, cv=pairs).fit(X, y)
    theirs = time.perf_counter() - start
    best = float(jaxreg.sweep(X, y, 1000, folds=folds).best.mean_mse)
    off = found.value / best - 1
    words = f"{n} x {p}: tune {ours:.2f} s, {found.n_judged} points; LassoCV of 100 λs {theirs:.2f} s"
    return [f"{words}; above the best of 1,000 λs by {off:.1e}"]


def others(n: int, p: int) -> list[str]:
    """The derivative of a held-out error by λ or by p penalty factors, by other ways."""
    X, y, held_out = map(jnp.asarray, problem(n, p))
    train = ~held_out[0]
    A, b, test, target = X[train], y[train], X[~train], y[~train]
    lam = 0.1 * jnp.max(jnp.abs(A.T @ b)) / len(b)
    how: dict[str, Any] = {"fit_intercept": False, "standardize": False, "strategy": "active set"}

    def implicit(v: Any) -> jax.Array:
        return jnp.mean((target - test @ solvers.fit(A, b, lam, penalty_factor=v, **how).params.coef) ** 2)

    step = 1.0 / float(jnp.linalg.norm(A, 2) ** 2 / len(b))

    def unrolled(v: Any) -> jax.Array:
        def turn(carry: Any, _: Any) -> Any:
            w, ahead, t = carry
            new = soft_threshold(ahead - step * (A.T @ (A @ ahead - b)) / len(b), lam * v * step)
            after = 0.5 * (1 + jnp.sqrt(1 + 4 * t**2))
            return (new, new + (t - 1) / after * (new - w), after), None

        start = jnp.zeros(p), jnp.zeros(p), jnp.ones(())
        (w, *_), _ = jax.lax.scan(turn, start, length=500)
        return jnp.mean((target - test @ w) ** 2)

    v = jnp.ones(p)
    value, own, other = jax.jit(implicit), jax.jit(jax.grad(implicit)), jax.jit(jax.grad(unrolled))
    ours, theirs, one = (timed(lambda run=run: run(v))[0] for run in (own, other, value))
    lines = [
        f"{n} x {p}, gradient by {p} penalty factors: implicit {ours:.3f} s",
        f"  500 steps unrolled {theirs / ours:.1f} times as long; central differences {2 * p * one / ours:.0f} times",
    ]
    known = importlib.util.find_spec("sparse_ho") is not None
    return [*lines, "sparse-ho is installed: compare by hand" if known else "sparse-ho is not installed"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--shapes", nargs="+", default=["10000x500", "500x5000"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--memory-alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    if options.memory_alone:
        return memory_alone()
    device = jax.devices()[0].device_kind
    lines = [f"jaxreg {jaxreg.__version__}, jax {jax.__version__}, {device}"]
    print(lines[0], flush=True)
    for part in options.only:
        shapes = [tuple(map(int, shape.split("x"))) for shape in options.shapes]
        for shape in [()] if part == "memory" else shapes:
            found = globals()[part](*shape)
            print("\n".join(found), flush=True)
            lines += found
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n")
    return None


if __name__ == "__main__":
    main()

"""How much faster are 100 models trained at once than one after another?

    python benchmarks/train_grid.py [--dtype float64 | float32] [--repeats 7] [--out FILE]

Two questions, each a Markdown table: 100 λ at once against the same 100 runs in turn, and how time and memory grow from
1 to 10,000 members. All contestants but scikit-learn take the same 300 steps of gradient descent on the same loss from
the same start, and the losses that they reach are printed. They run in turn within each repeat, so that a machine that
slows down slows them all; a time is the best of the repeats, the factors are medians over the repeats, and compiling is
the first call less that best.

On a CPU, train_grid shares a grid on small data out among the cores; single runs are too small for more than one. So
the processor time, summed over the cores, stands beside the time by the clock, and on Linux ``taskset -c 0 python
benchmarks/train_grid.py`` shows what one core does.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import sklearn
from sklearn.linear_model import SGDRegressor

import jaxreg

STEPS = 300
MEMBERS = 100
SHAPES = ((442, 10), (5_000, 100))
TARGET = {(442, 10): 8, (5_000, 100): 4}
WARNING = "Above about 1, other programs were running: then only the processor times can be relied on."
SKLEARN_RUNS = 5  # of the 100; the rest would take the same time


class Problem(NamedTuple):
    """Rows (n, p), target (n,), penalties (G,), start (p,), and a step size that is stable for all penalties."""

    X: jax.Array
    y: jax.Array
    lams: jax.Array
    start: jax.Array
    step_size: float


class Contestant(NamedTuple):
    """A way to do it: ``run()`` returns the weights (G, p); ``times`` is how often its work is counted."""

    name: str
    run: Callable[[], Any]
    times: int = 1


def loss(w: jax.Array, X: jax.Array, y: jax.Array, lam: jax.Array) -> jax.Array:
    """1/(2n) ‖y − Xw‖² + λ/2 ‖w‖²."""
    return 0.5 * jnp.mean((y - X @ w) ** 2) + 0.5 * lam * jnp.sum(w**2)


def problem(n: int, p: int, members: int, dtype: str) -> Problem:
    """The diabetes data in standard units, or normal columns and effects where the shape is another."""
    if (n, p) == (442, 10):
        X, y, *_ = jaxreg.datasets.diabetes()
    else:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(n, p))
        y = X @ rng.normal(size=p) + rng.normal(size=n)
    X, y = (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std()
    lams = np.geomspace(1e-4, 1.0, members)
    curvature = np.linalg.eigvalsh(X.T @ X / n)[-1] + lams[-1]
    as_given = partial(jnp.asarray, dtype=dtype)
    return Problem(as_given(X), as_given(y), as_given(lams), jnp.zeros(p, dtype), 1 / float(curvature))


def contestants(q: Problem) -> list[Contestant]:
    """train_grid first, train second: the factors are of these two."""
    X, y, lams, start, step_size = q
    sgd = optax.sgd(step_size)

    def bare(lam: jax.Array, X: jax.Array, y: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, STEPS, lambda _, w: w - step_size * jax.grad(loss)(w, X, y, lam), start)

    one, all_at_once = jax.jit(bare), jax.jit(jax.vmap(bare, (0, None, None)))
    each = list(lams)
    rows, target = np.asarray(X), np.asarray(y)

    def scikit_learn(count: int) -> np.ndarray:
        """The same number of passes over the rows, one row at a time: another algorithm."""
        chosen = np.asarray(lams)[:: len(lams) // count][:count]
        models = [
            SGDRegressor(penalty="l2", alpha=lam, fit_intercept=False, max_iter=STEPS, tol=None, random_state=0)
            for lam in chosen.tolist()
        ]
        return np.stack([model.fit(rows, target).coef_ for model in models])

    def in_turn() -> jax.Array:
        runs = [jaxreg.train(loss, start, X, y, lam, optimizer=sgd, steps=STEPS) for lam in each]
        return jnp.stack([run.params for run in runs])

    def grid(record_every: int | None = None) -> jax.Array:
        return jaxreg.train_grid(
            loss, start, {"lam": lams}, X, y, optimizer=sgd, steps=STEPS, record_every=record_every
        ).params

    listed = [
        Contestant("jaxreg.train_grid, all at once", grid),
        Contestant("jaxreg.train, one after another", in_turn),
        Contestant("jaxreg.train_grid, one record at the end", lambda: grid(STEPS)),
        Contestant("jit(vmap(fori_loop)), nothing checked or recorded: the floor", lambda: all_at_once(lams, X, y)),
        Contestant("jit(fori_loop), one after another", lambda: jnp.stack([one(lam, X, y) for lam in each])),
    ]
    if len(lams) == MEMBERS:
        name = f"scikit-learn SGDRegressor, {STEPS} epochs, one after another: **another algorithm**"
        listed.append(Contestant(name, lambda: scikit_learn(SKLEARN_RUNS), MEMBERS // SKLEARN_RUNS))
    return listed


def timed(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """(seconds by the clock, seconds of processor time over all threads, what it returned)."""
    wall, busy = time.perf_counter(), time.process_time()
    result = jax.block_until_ready(run())
    return time.perf_counter() - wall, time.process_time() - busy, result


def race(listed: list[Contestant], repeats: int) -> tuple[list[float], np.ndarray, np.ndarray, list[Any]]:
    """First calls (s); clock and processor times (repeats, contestants); the weights. Contestants alternate."""
    first, results = zip(*((seconds, result) for seconds, _, result in (timed(c.run) for c in listed)), strict=True)
    clock, busy = np.empty((2, repeats, len(listed)))
    for repeat in range(repeats):
        for k in range(len(listed)):
            clock[repeat, k], busy[repeat, k], _ = timed(listed[k].run)
    times = np.array([c.times for c in listed])
    return list(first), clock * times, busy * times, list(results)


def excess(weights: Any, q: Problem) -> float:
    """Mean over the members of the final loss minus the smallest possible one, in float64 NumPy."""
    X, y, lams = (np.asarray(a, float) for a in q[:3])
    weights = np.asarray(weights, float)
    lams = lams[:: len(lams) // len(weights)][: len(weights)]
    n, p = X.shape
    best = np.linalg.solve(X.T @ X / n + lams[:, None, None] * np.eye(p), (X.T @ y / n)[:, None])[..., 0]

    def value(W: np.ndarray) -> np.ndarray:
        return 0.5 * ((y - W @ X.T) ** 2).mean(1) + 0.5 * lams * (W**2).sum(1)

    return float((value(weights) - value(best)).mean())


def comparison(n: int, p: int, dtype: str, repeats: int) -> list[str]:
    q = problem(n, p, MEMBERS, dtype)
    listed = contestants(q)
    first, clock, busy, weights = race(listed, repeats)
    factors = clock[:, 1:2] / clock  # one after another, over each, within a repeat
    lines = [
        f"### {MEMBERS} λ, {n:,} × {p}, {STEPS} steps",
        "",
        "| what | compile s | best s | processor s | × faster than train in turn | final loss − minimum, mean |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for k, c in enumerate(listed):
        compiling = f"{max(first[k] - clock[:, k].min(), 0.0):.2f}" if c.times == 1 else "–"
        lines.append(
            f"| {c.name} | {compiling} | {clock[:, k].min():.4f} | {busy[:, k].min():.4f} "
            f"| {np.median(factors[:, k]):.1f} | {excess(weights[k], q):.3g} |"
        )
    best = clock[:, 1].min() / clock[:, 0].min()
    lines += [
        "",
        f"At once against in turn: {best:.1f} × (best against best), {np.median(factors[:, 0]):.1f} × (median of "
        f"{repeats} pairs, from {factors[:, 0].min():.1f} to {factors[:, 0].max():.1f}); "
        f"{busy[:, 1].min() / busy[:, 0].min():.1f} × in processor time. Target: {TARGET[n, p]} ×.",
        "",
    ]
    return lines


def growth(n: int, p: int, dtype: str, repeats: int, members: tuple[int, ...], block: int | None = None) -> list[str]:
    lines = []
    for count in members:
        X, y, lams, start, step_size = problem(n, p, count, dtype)
        sgd = optax.sgd(step_size)

        def run(lams=lams, X=X, y=y, start=start, sgd=sgd) -> Any:
            return jaxreg.train_grid(loss, start, {"lam": lams}, X, y, optimizer=sgd, steps=STEPS, block=block).params

        first = timed(run)[0]
        best = min(timed(run)[0] for _ in range(repeats if count <= 100 else 3))
        compiled = jax.jit(lambda lams, X, y, run=run: run(lams, X, y)).lower(lams, X, y).compile()
        memory = compiled.memory_analysis()
        size = "not known" if memory is None else f"{memory.temp_size_in_bytes / 2**20:,.1f}"
        many = f"{count:,}" + (f", block={block:,}" if block else "")
        lines.append(
            f"| {n:,} × {p} | {many} | {max(first - best, 0.0):.2f} | {best:.4f} "
            f"| {1e6 * best / count / STEPS:.2f} | {size} |"
        )
    return lines


def header(device: Any, dtype: str) -> list[str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    count = "1 core" if cores == 1 else f"{cores} cores"
    kind = device.device_kind if device.platform != "cpu" else f"CPU ({platform.machine()}, {count})"
    versions = {"Python": platform.python_version(), "jax": jax.__version__, "jaxreg": jaxreg.__version__}
    versions |= {"optax": optax.__version__, "NumPy": np.__version__, "scikit-learn": sklearn.__version__}
    return [
        f"## {kind}, {dtype}",
        "",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
    ]


def load() -> str:
    """How busy the machine is; times taken above about one process a core are not worth much."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known"


def measure(device: Any, dtype: str, repeats: int) -> list[str]:
    before = load()
    with jax.default_device(device), jax.enable_x64(dtype == "float64"):
        lines = header(device, dtype)
        for n, p in SHAPES:
            lines += comparison(n, p, dtype, repeats)
        lines += [
            "### Growth with the number of members",
            "",
            "| shape | members | compile s | best s | µs a member and step | work memory, MiB |",
            "|---|--:|--:|--:|--:|--:|",
        ]
        lines += growth(442, 10, dtype, repeats, (1, 10, 100, 1_000, 10_000))
        lines += growth(442, 10, dtype, repeats, (10_000,), block=1_000)
        lines += growth(5_000, 100, dtype, repeats, (1, 10, 100, 1_000))
    return [*lines, "", f"Load of the machine: {before} at the start, {load()} at the end. {WARNING}", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, help="a file for the report, besides the screen")
    options = parser.parse_args()

    lines = measure(jax.devices("cpu")[0], options.dtype, options.repeats)
    try:
        gpu = jax.devices("gpu")[0]
    except RuntimeError:
        lines += ["## GPU", "", "| what | best s |", "|---|---|", "| all of the above | not measured |", ""]
    else:
        lines += measure(gpu, options.dtype, options.repeats)
    report = "\n".join(lines)
    print(report)
    if options.out is not None:
        options.out.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()

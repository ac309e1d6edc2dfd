"""Are the pure functions as fast as the host functions that do the same?

    python benchmarks/twins.py [--repeats 5] [--shapes small,mid,tall,wide]

``jaxreg.path`` beside jitted ``jaxreg.solvers.path`` on the same λs, and ``jaxreg.sweep`` beside jitted
``jaxreg.sweeps.cross_validate`` on the same folds, at the default tolerance: both end with a gap of at most 1e-10. Then
the gradient of the held-out error by λ and by y through both pure functions, and ``vmap`` over 50 data sets of 200 × 20
beside a loop of jitted calls.

The first call, which compiles, is timed apart. The programs are timed in turns, and the best of the repeats counts.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from problems import SHAPES, make
from tables import seconds, table

import jaxreg

__all__ = ["in_turns", "measure"]

RESULTS = Path(__file__).parent / "results" / "twins.md"
# A cross-validation of these shapes is the one that the pure function is held to.
CROSS_VALIDATED = ("tiny", "small", "tall")
DIFFERENTIATED = ("tiny", "small")
DATA_SETS, ROWS, COLUMNS = 50, 200, 20


def in_turns(calls: list[Callable[[], Any]], repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of the first call, and of the best of the others."""
    clock = lambda call: (time.perf_counter(), jax.block_until_ready(call()), time.perf_counter())
    took = lambda call: (lambda start, _, end: end - start)(*clock(call))
    first = [took(call) for call in calls]
    turns = np.array([[took(call) for call in calls] for _ in range(repeats)])
    return first, turns.min(axis=0).tolist()


def twins(shape: str, repeats: int) -> dict[str, list[str]]:
    """The rows of the tables, by table."""
    X, y, lams, folds = make(SHAPES[shape])
    X = np.ascontiguousarray(X)
    arrays = jax.tree.map(jnp.asarray, (X, y, lams))
    pure_path = jax.jit(jaxreg.solvers.path)
    calls: list[Callable[[], Any]] = [lambda: jaxreg.path(X, y, lams), lambda: pure_path(*arrays)]
    rows = {"path": row(shape, *in_turns(calls, repeats), float(jnp.max(pure_path(*arrays).gap)))}
    if shape not in CROSS_VALIDATED:
        return rows
    masks = jnp.asarray(folds[None, :] == np.arange(folds.max() + 1)[:, None])
    pure_sweep = jax.jit(jaxreg.sweeps.cross_validate)
    sweep = lambda: pure_sweep(arrays[0], arrays[1], masks, arrays[2])
    calls = [lambda: jaxreg.sweep(X, y, lams, folds=folds), sweep]
    rows["cross-validation"] = row(shape, *in_turns(calls, repeats), float(jnp.max(sweep().fold_gap)))
    if shape not in DIFFERENTIATED:
        return rows
    by_fit = jax.jit(jax.grad(lambda lam, y: jnp.mean(jaxreg.solvers.fit(arrays[0], y, lam).params.coef ** 2), (0, 1)))
    error = lambda lam, y: jnp.min(jaxreg.sweeps.cross_validate(arrays[0], y, masks, lam[None]).mean_mse)
    by_sweep = jax.jit(jax.grad(error, (0, 1)))
    middle = arrays[2][len(lams) // 2]
    calls = [lambda: by_fit(middle, arrays[1]), lambda: by_sweep(middle, arrays[1])]
    (first_fit, first_sweep), (of_fit, of_sweep) = in_turns(calls, repeats)
    rows["gradients by λ and y"] = [shape, *map(seconds, (of_fit, first_fit, of_sweep, first_sweep))]
    return rows


def row(shape: str, first: list[float], best: list[float], gap: float) -> list[str]:
    (host, pure), (host_first, pure_first) = best, first
    return [
        shape,
        seconds(host),
        seconds(pure),
        f"{pure / host:.2f}",
        seconds(host_first),
        seconds(pure_first),
        f"{gap:.0e}",
    ]


def data_sets(repeats: int) -> list[str]:
    """``vmap`` beside a loop."""
    keys = np.random.default_rng(0)
    X = jnp.asarray(keys.standard_normal((DATA_SETS, ROWS, COLUMNS)))
    y = jnp.sum(X[:, :, :4], axis=2) + jnp.asarray(keys.standard_normal((DATA_SETS, ROWS)))
    one, together = jax.jit(jaxreg.solvers.path), jax.jit(jax.vmap(jaxreg.solvers.path))
    loop = lambda: [one(*data) for data in zip(X, y, strict=True)]
    first, best = in_turns([loop, lambda: together(X, y)], repeats)
    return row(f"{DATA_SETS} of {ROWS} × {COLUMNS}", first, best, float(jnp.max(together(X, y).gap)))


def measure(shapes: list[str], repeats: int) -> str:
    """All tables, as Markdown."""
    head = ["shape", "host s", "pure s", "pure / host", "first host s", "first pure s", "gap"]
    heads = {
        "path": head,
        "cross-validation": head,
        "gradients by λ and y": ["shape", "fit s", "first s", "cross-validation s", "first s"],
        "vmap over data sets": ["data sets", "loop s", "vmap s", "vmap / loop", "first loop s", "first vmap s", "gap"],
    }
    rows: dict[str, list[list[str]]] = {name: [] for name in heads}
    for shape in shapes:
        for name, cells in twins(shape, repeats).items():
            rows[name].append(cells)
            print(name, *cells, flush=True)
    rows["vmap over data sets"].append(data_sets(repeats))
    return "\n\n".join(f"## {name}\n\n{table(heads[name], some)}" for name, some in rows.items() if some)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="the best of so many calls (default 5)")
    parser.add_argument(
        "--shapes", default="small,mid,tall,wide", help="of benchmarks/problems.py, with commas between"
    )
    given = parser.parse_args()
    with jax.enable_x64(True):
        text = measure(given.shapes.split(","), given.repeats)
    print(text)
    RESULTS.write_text(
        f"# Twins: pure and host functions\n\nSeconds, the best of {given.repeats}.\n\n{text}\n", encoding="utf-8"
    )

"""The steps of benchmarks/gpu.py: what each compiles first, what it times, and the gaps of its answers by NumPy."""

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxreg
from jaxreg import solvers

__all__ = ["Step", "numpy_gap", "steps"]

Row = dict[str, Any]
REPEATS = 3
# Loops on the device without a word to the host, where the compiler of the GPU takes this.
GRAPH = {
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CONDITIONAL,DYNAMIC_SLICE_FUSION,WHILE",
}


class Step(NamedTuple):
    """``run`` returns rows; ``programs`` are what it compiles, by name; ``limit`` is in seconds."""

    limit: float
    run: Callable[[], list[Row]]
    programs: Callable[[], dict[str, Callable[[], Any]]] = dict


def timed(what: str, call: Callable[[], Any], repeats: int = REPEATS) -> tuple[Row, Any]:
    """The best of some calls, and how much longer the first took; each waits for what it returns."""
    took = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        found = jax.block_until_ready(call())
        took.append(time.perf_counter() - start)
    steady = min(took[1:])
    return {"what": what, "compile": max(took[0] - steady, 0.0), "steady": steady}, found


def numpy_gap(X: np.ndarray, y: np.ndarray, found: Any, l1_ratio: float) -> float:
    """The largest relative duality gap of a path of one target, with an intercept, in float64 by NumPy alone."""
    X, y = np.asarray(X, float), np.asarray(y, float)
    W, b, lams, scale = (np.asarray(v, float) for v in (found.coef, found.intercept, found.lams, found.scale))
    n, tau, target = len(y), float(found.y_scale), y - y.mean()
    R = y[:, None] - X @ W.T - b[None, :]
    Z = (X.T @ R - X.mean(axis=0)[:, None] * R.sum(axis=0)) / n
    R0 = R - R.mean(axis=0)
    l1 = lams * l1_ratio * scale[:, None]
    l2 = lams * (1 - l1_ratio) / tau * scale[:, None] ** 2
    primal = (R**2).sum(axis=0) / (2 * n) + (l1 * np.abs(W.T) + 0.5 * l2 * W.T**2).sum(axis=0)
    c = np.ones(len(lams))
    if l1_ratio == 1:
        with np.errstate(divide="ignore"):
            c = np.minimum(1.0, (l1 / np.abs(Z)).min(axis=0))
    beyond = np.maximum(np.abs(c * Z) - l1, 0.0)
    conjugate = (beyond**2 / (2 * l2)).sum(axis=0) if l1_ratio < 1 else 0.0
    dual = (target @ target - ((target[:, None] - c * R0) ** 2).sum(axis=0)) / (2 * n) - conjugate
    return float(((primal - dual) / (target @ target / n)).max())


def table_of(n: int, p: int, correlation: float = 0.0, dtype: Any = float, t: int | None = None) -> tuple[Any, Any]:
    """X, whose neighbouring columns correlate so much, and y (n,) or (n, t)."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    for j in range(1, p if correlation else 0):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    w = rng.standard_normal((min(p, 20),) if t is None else (min(p, 20), t))
    y = X[:, : len(w)] @ w + rng.standard_normal((n,) if t is None else (n, t))
    return X.astype(dtype), y.astype(dtype)


# ------------------------------------------------------------------------------------------------ what it is made of


def constants(trips: int) -> list[Row]:
    """What a turn of a loop costs, whose length the compiler knows or does not."""
    body = lambda _, x: x * 0.999 + 1.0
    loops = {
        "of a length that is data": jax.jit(lambda x, n: jax.lax.fori_loop(0, n, body, x)),
        "of a known length": jax.jit(lambda x, _: jax.lax.fori_loop(0, trips, body, x)),
    }
    x, n, rows = jnp.ones(1024), jnp.asarray(trips, jnp.int32), []
    for name, loop in loops.items():
        row, _ = timed(f"{trips:,} turns, {name}", lambda loop=loop: loop(x, n))
        rows.append(row | {"note": f"{1e6 * row['steady'] / trips:.2f} µs a turn"})
    try:
        graph = loops["of a length that is data"].lower(x, n).compile(compiler_options=GRAPH)
        row, _ = timed(f"{trips:,} turns, as one graph", lambda: graph(x, n))
        rows.append(row | {"note": f"{1e6 * row['steady'] / trips:.2f} µs a turn"})
    except Exception as error:
        rows.append({"what": "as one graph", "note": f"does not compile here: {str(error).splitlines()[0][:80]}"})
    return rows


def primitives(n: int, p: int, large: int) -> list[Row]:
    """Products, factorisations and uploads, and what they reach."""
    rows = []
    with jax.enable_x64(True):
        for dtype, precision in ((np.float64, "highest"), (np.float32, "highest"), (np.float32, "default")):
            X = jnp.asarray(np.random.default_rng(0).standard_normal((n, p)).astype(dtype))
            gram = jax.jit(lambda X, how=precision: jnp.matmul(X.T, X, precision=how))
            row, G = timed(f"XᵀX, {n:,} × {p:,}, {np.dtype(dtype).name}, {precision}", lambda X=X, f=gram: f(X))
            rows.append(row | {"note": f"{2e-12 * n * p * p / row['steady']:.3g} TF/s"})
        G = G.astype(jnp.float64) + p * jnp.eye(p)
        for name, f in (("eigh", jnp.linalg.eigh), ("Cholesky", jnp.linalg.cholesky)):
            rows.append(timed(f"{name}, {p:,}, float64", partial(jax.jit(f), G))[0])
        A = jnp.asarray(np.random.default_rng(1).standard_normal((large, large)).astype(np.float32))
        for name, f in (
            ("eigh", lambda A: jnp.linalg.eigh(A @ A.T)),
            ("singular values", partial(jnp.linalg.svd, full_matrices=False)),
        ):
            rows.append(timed(f"{name}, {large:,}, float32", partial(jax.jit(f), A), 1)[0])
        table = np.ones((n, p))
        row, _ = timed(f"upload of {table.nbytes / 2**30:.3g} GiB", lambda: jax.device_put(table))
        rows.append(row | {"note": f"{1e-9 * table.nbytes / row['steady']:.3g} GB/s"})
    return rows


# ------------------------------------------------------------------------------------------------ the library


def small_problems(count: int) -> list[Row]:
    """Eight problems, on this device and on the CPU, in both precisions."""
    cases = [(300, 20, 0.0, 1.0), (300, 20, 0.9, 1.0), (300, 20, 0.9, 0.5), (300, 20, 0.5, 0.0)]
    cases += [(60, 200, 0.5, 1.0), (60, 200, 0.5, 0.5), (1000, 50, 0.95, 1.0), (200, 200, 0.7, 1.0)]
    rows = []
    for n, p, correlation, rho in cases[:count]:
        for dtype in (np.float64, np.float32):
            X, y = table_of(n, p, correlation, dtype)
            for where in dict.fromkeys((jax.devices()[0].platform, "cpu")):
                call = lambda X=X, y=y, rho=rho, where=where: jaxreg.path(X, y, 50, rho, device=where)
                what = f"path, {n} × {p}, correlation {correlation}, ρ {rho}, {np.dtype(dtype).name}, {where}"
                row, found = timed(what, call, 1)
                late = int((~np.asarray(found.converged)).sum())
                rows.append(row | {"gap": numpy_gap(X, y, found, rho), "note": f"{late} not converged"})
    return rows


def bootstrap_program(automatic: bool) -> Callable[..., Any]:
    path = lambda X, y, s, lams: solvers.path(X, y, lams, sample_weight=s, strategy="parallel")
    of = lambda X, y, W, lams: jax.vmap(lambda s: path(X, y, s, 100 if automatic else lams).gap)(W)
    return jax.jit(of)


def bootstraps(resamples: int) -> list[Row]:
    """Of diabetes: the host function, which chooses the engine, and the pure one under vmap."""
    data = jaxreg.datasets.diabetes()
    lams, rows = np.geomspace(45.0, 0.0045, 100), []
    grids = {f"{resamples:,} bootstraps × 100 λ, diabetes": lams}
    for what, grid in grids.items():
        row, found = timed(what, lambda grid=grid: jaxreg.bootstrap(data.X, data.y, grid, n_resamples=resamples))
        rows.append(row | {"note": f"largest gap said {float(np.max(found.gap)):.1e}; jaxreg.bootstrap"})
    with jax.enable_x64(True):
        W = np.random.default_rng(0).multinomial(442, np.full(442, 1 / 442), size=resamples).astype(float)
        given = [jnp.asarray(v) for v in (data.X, data.y, W, lams)]
        for automatic in (False, True):
            what = "an automatic grid" if automatic else "100 λ, the pure functions under vmap"
            row, gap = timed(
                f"{resamples:,} bootstraps × {what}, diabetes", lambda a=automatic: bootstrap_program(a)(*given), 1
            )
            rows.append(row | {"note": f"largest gap said {float(gap.max()):.1e}"})
    return rows


def folds(n: int, p: int, what: str) -> list[Row]:
    """A lasso's 10 folds × 100 λ, from NumPy and from an array on the device."""
    X, y = table_of(n, p)
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jaxreg.GridEndWarning)
        row, found = timed(f"{what}, from NumPy", lambda: jaxreg.sweep(X, y, 100, folds=10), 1)
        rows.append(
            row | {"gap": numpy_gap(X, y, found.path, 1.0), "note": f"largest gap said {found.largest_gap:.1e}"}
        )
        with jax.enable_x64(True):
            there = jax.device_put((X, y))
        call = lambda: jaxreg.sweep(*there, 100, folds=10, device_arrays=True).path.coef
        row, _ = timed(f"{what}, from a device array", call, 1)
        found = jaxreg.sweep(*there, 100, folds=10, device_arrays=True).on_host()
        rows.append(
            row | {"gap": numpy_gap(X, y, found.path, 1.0), "note": f"largest gap said {found.largest_gap:.1e}"}
        )
    return rows


def training(members: int, n: int, p: int, count: int) -> list[Row]:
    """train_grid of a ridge loss, whose products are the user's own: as JAX has it, and in full precision."""
    X, y = table_of(n, p, dtype=np.float32)

    def loss(w: jax.Array, X: jax.Array, y: jax.Array, lam: jax.Array) -> jax.Array:
        return 0.5 * jnp.mean((y - X @ w) ** 2) + 0.5 * lam * jnp.sum(w**2)

    grid, rows = {"lam": np.geomspace(1, 1e-3, members).astype(np.float32)}, []
    given = jnp.asarray(X), jnp.asarray(y)
    for precision in ("highest", "default"):
        with jax.default_matmul_precision(precision):
            call = lambda: (
                jaxreg.train_grid(
                    loss, jnp.zeros(p), grid, *given, optimizer=optax.sgd(0.1), steps=count, record_every=count
                ).params
            )
            name = f"train_grid, {members:,} λ × {count:,} steps, {n:,} × {p}, float32"
            row, found = timed(name if precision == "highest" else f"{name}, TF32", call)
        exact = np.linalg.solve(X.T @ X / n + grid["lam"][0] * np.eye(p), X.T @ y / n)
        rows.append(row | {"note": f"off by {np.abs(np.asarray(found)[0] - exact).max():.1e} at the largest λ"})
    return rows


def ridge(n: int, p: int, targets: int, what: str) -> list[Row]:
    X, Y = table_of(n, p, dtype=np.float32, t=targets)
    lams = np.geomspace(1.0, 1e-3, 20).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", jaxreg.GridEndWarning)
        row, found = timed(what, lambda: jaxreg.sweep(X, Y, lams, 0.0, folds=5), 1)
    model = found.best.params
    k = int(np.argmax(found.path.gap.max(axis=0)))
    one = jaxreg.results.Path(
        lams=np.atleast_1d(found.best.lam[k]),
        coef=model.coef[None, :, k],
        intercept=np.atleast_1d(model.intercept[k]),
        scale=found.path.scale,
        y_scale=found.path.y_scale[k],
        **dict.fromkeys(("gap", "converged", "n_iter", "df", "n_nonzero"), np.zeros(1)),
    )
    return [row | {"gap": numpy_gap(X, Y[:, k], one, 0.0), "note": f"gap of target {k}; said {found.largest_gap:.1e}"}]


def wide(n: int, p: int, square: int) -> list[Row]:
    rows = []
    for what, (X, y), rho in (
        (f"lasso, {n} × {p:,}", table_of(n, p), 1.0),
        (f"elastic net, {2 * square:,} × {square:,}", table_of(2 * square, square, 0.5), 0.5),
    ):
        row, found = timed(what, lambda X=X, y=y, rho=rho: jaxreg.path(X, y, 100, rho), 1)
        late = int((~found.converged).sum())
        rows.append(row | {"gap": numpy_gap(X, y, found, rho), "note": f"{late} of 100 not converged"})
    return rows


def on_cpu(n: int, p: int) -> list[Row]:
    """One fold of the lasso on the cores of the same machine, to be scaled by 10."""
    from sklearn.linear_model import lasso_path

    X, y = table_of(n, p)
    X, y = X[: 9 * n // 10], y[: 9 * n // 10]
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    row, found = timed("one fold, jaxreg on the CPU", lambda: jaxreg.path(X, y, 100, device="cpu"), 1)
    rows = [row | {"gap": numpy_gap(X, y, found, 1.0), "note": f"10 folds: {10 * row['steady']:.3g} s at most"}]
    call = lambda: lasso_path(Z, y - y.mean(), alphas=found.lams, precompute=True, tol=1e-4)[1]
    row, _ = timed("one fold, scikit-learn's lasso_path with a Gram matrix, tol 1e-4", call, 1)
    return [*rows, row | {"note": f"10 folds in turn: {10 * row['steady']:.3g} s"}]


def steps(small: bool) -> dict[str, Step]:
    """By name, in the order of a run; ``small``: for a CPU and a minute."""
    size = (lambda _, tiny: tiny) if small else (lambda full, _: full)
    n, p = size((100_000, 2_000), (2_000, 40))
    resamples, shape = size(1_000, 20), size((5_000, 5_000, 20_000), (60, 40, 30))
    some = size(2_000, 10)
    job = "lasso, 10 folds × 100 λ, 100,000 × 2,000" if not small else f"lasso, 10 folds × 100 λ, {n:,} × {p:,}"
    of_targets = lambda t: f"ridge, {t:,} targets × 20 λ × 5 folds, {shape[0]:,} × {shape[1]:,}, float32"
    spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float64)

    def of_bootstraps() -> dict[str, Callable[[], Any]]:
        given = spec(442, 10), spec(442), spec(resamples, 442), spec(100)

        def make(automatic: bool) -> Any:
            with jax.enable_x64(True):  # of this thread
                return bootstrap_program(automatic).lower(*given).compile()

        return {f"automatic={a}": partial(make, a) for a in (False, True)}

    return {
        "constants": Step(20, partial(constants, size(10_000, 1_000))),
        "primitives": Step(60, partial(primitives, n, p, size(5_000, 60))),
        "small": Step(40, partial(small_problems, size(8, 2))),
        "bootstraps": Step(60, partial(bootstraps, resamples), of_bootstraps),
        "folds": Step(120, partial(folds, n, p, job)),
        "training": Step(60, partial(training, size(1_000, 20), size(5_000, 200), size(100, 10), size(1_000, 50))),
        "ridge, some targets": Step(60, partial(ridge, shape[0], shape[1], some, of_targets(some))),
        "ridge": Step(60, partial(ridge, *shape, of_targets(shape[2]))),
        "wide": Step(60, partial(wide, size(500, 40), size(10_000, 120), size(2_000, 30))),
        "on the CPU": Step(30, partial(on_cpu, n, p)),
    }

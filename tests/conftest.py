"""What every test relies on: JAX's settings, pinned seeds, small problems and their answers by plain NumPy.

The whole run raises on rank promotion. Tests in ``formulas/`` and ``solvers/`` run in float64 and under strict dtype
promotion; those of float32 ask for the fixture ``x32``. No test may leave JAX's global settings changed.
"""

import ast
import gc
import inspect
import os
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

SETTINGS = {
    "jax_enable_x64": False,
    "jax_numpy_rank_promotion": "raise",
    "jax_numpy_dtype_promotion": "standard",
    "jax_debug_nans": False,
    "jax_default_matmul_precision": None,
}
STRICT = {"formulas", "solvers"}
# Memory maps: Linux allows a process 65,530, and every program takes a few.
MOST_MAPS = 45_000


def pytest_configure(config):
    """Compiled programs are kept and shared by all test processes: compiling is most of the tests' time."""
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    # A third less time to compile. `make test-oldest` and `make test-slow` optimise as users do.
    if "JAX_DISABLE_MOST_OPTIMIZATIONS" not in os.environ:
        jax.config.update("jax_disable_most_optimizations", True)


def give_programs_back(most):
    """Compiled programs hold memory maps; where the system has no more of them, XLA ends the process."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > most:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True, scope="module")
def few_programs_after_a_module():
    yield
    give_programs_back(MOST_MAPS // 3)


@pytest.fixture(autouse=True)
def few_programs_after_a_test():
    yield
    give_programs_back(MOST_MAPS)


@pytest.fixture(autouse=True)
def configuration(request):
    """Strict float64 for the mathematics, and the user's settings as they were after every test."""
    with ExitStack() as stack:
        if STRICT & set(request.path.relative_to(Path(__file__).parent).parts[:-1]):
            stack.enter_context(jax.enable_x64(True))
            stack.enter_context(jax.numpy_dtype_promotion("strict"))
        yield
    changed = {name: value for name in SETTINGS if (value := getattr(jax.config, name)) != SETTINGS[name]}
    for name in changed:  # the next test starts from the right settings
        jax.config.update(name, SETTINGS[name])
    assert not changed, f"the test left JAX's global settings changed: {changed}"


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def x32():
    with jax.enable_x64(False):
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(20240607)


# ------------------------------------------------------------------------------------------------ problems


class Problem(NamedTuple):
    """Data and penalty of one problem, every optional argument spelt out (σ_j, v_j, s_i and the bounds)."""

    X: np.ndarray
    y: np.ndarray
    lam: float
    l1_ratio: float
    sample_weight: np.ndarray
    penalty_factor: np.ndarray
    scale: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    fit_intercept: bool = True
    y_scale: float = 1.0

    @property
    def data(self) -> tuple:
        return self.X, self.y, self.lam, self.l1_ratio

    @property
    def factors(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("sample_weight", "penalty_factor", "scale", "y_scale")}

    @property
    def options(self) -> dict[str, Any]:
        return self.factors | {name: getattr(self, name) for name in ("lower", "upper", "fit_intercept")}

    @property
    def free(self) -> np.ndarray:
        return ((self.penalty_factor == 0) | (self.lam == 0)) & np.isinf(self.lower) & np.isinf(self.upper)

    @property
    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """l1_j and l2_j, the weights of |w_j| and ½ w_j²."""
        strength = self.lam * self.penalty_factor
        return strength * self.l1_ratio * self.scale, strength * (1 - self.l1_ratio) * self.scale**2 / self.y_scale


def make_problem(n=8, p=4, *, seed=0, lam=0.15, l1_ratio=1.0, fit_intercept=True, y_scale=1.0, **changes):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 0.5
    y = X @ np.where(np.arange(p) % 2, -0.3, 1.0) + 0.3 * rng.normal(size=n) + 2
    ones = {"sample_weight": np.ones(n), "penalty_factor": np.ones(p), "scale": np.ones(p)}
    bounds = {"lower": np.full(p, -np.inf), "upper": np.full(p, np.inf)}
    arrays = {**ones, **bounds, **{name: np.asarray(value, float) for name, value in changes.items()}}
    return Problem(X, y, lam, l1_ratio, **arrays, fit_intercept=fit_intercept, y_scale=y_scale)


WEIGHTS = [1, 2, 0.5, 0, 3, 1, 1, 0.25]
INF = np.inf
PROBLEMS = {
    "lasso": {},
    "ridge": {"l1_ratio": 0.0},
    "elastic net": {"l1_ratio": 0.5},
    "y in other units": {"l1_ratio": 0.5, "y_scale": 0.3, "scale": [1, 2, 0.5, 3]},
    "no intercept": {"fit_intercept": False},
    "weights and scale": {"sample_weight": WEIGHTS, "scale": [1, 2, 0.5, 3]},
    "free column": {"penalty_factor": [1, 0, 2, 0.5], "l1_ratio": 0.3},
    "nonnegative": {"lower": [0] * 4, "sample_weight": WEIGHTS},
    "box": {"lower": [-0.1, -INF, 0, -INF], "upper": [0.4, 0, 0, 0.5], "l1_ratio": 0.5},
    "ridge in a box": {"lower": [-0.1] * 4, "upper": [0.4, 0.2, INF, 0], "l1_ratio": 0.0, "sample_weight": WEIGHTS},
    "free column, bounds": {
        "penalty_factor": [1, 0, 2, 0.5],
        "lower": [0, -INF, -0.02, -INF],
        "upper": [0.3, INF, INF, INF],
    },
    "unpenalised, one bound": {
        "penalty_factor": [1, 0, 0, 1],
        "lower": [-INF, 0, -INF, -INF],
        "upper": [INF, INF, 0, 1],
    },
    "no penalty": {"lam": 0.0, "lower": [0, -INF, -INF, -INF]},
    "more columns than rows": {"n": 5, "p": 7, "l1_ratio": 0.9},
}


@pytest.fixture(params=PROBLEMS)
def problem(request):
    """Every kind of problem in turn."""
    return make_problem(**PROBLEMS[request.param])


@pytest.fixture(name="make_problem")
def make_problem_fixture():
    return lambda kind="lasso", **changes: make_problem(**(PROBLEMS[kind] | changes))


# ------------------------------------------------------------------------------------------------ plain NumPy


def plain_objective(w, b, P):
    """F(w, b), term by term, as design.md states it."""
    loss = penalty = 0.0
    for i in range(len(P.y)):
        loss += P.sample_weight[i] * (P.y[i] - sum(x * c for x, c in zip(P.X[i], w, strict=True)) - b) ** 2
    for j in range(len(w)):
        lasso, ridge = P.scale[j] * abs(w[j]), P.scale[j] ** 2 * w[j] ** 2
        penalty += P.penalty_factor[j] * (P.l1_ratio * lasso + (1 - P.l1_ratio) / (2 * P.y_scale) * ridge)
    return loss / (2 * sum(P.sample_weight)) + P.lam * penalty


def plain_minimiser(P, sweeps=20_000):
    """(w, b) by coordinate descent until nothing moves any more."""
    s, (l1, l2) = P.sample_weight / P.sample_weight.sum(), P.weights
    w, b, curvature = np.zeros(P.X.shape[1]), 0.0, s @ P.X**2 + l2
    for _ in range(sweeps):
        before = np.append(w, b)
        b = s @ (P.y - P.X @ w) if P.fit_intercept else 0.0
        for j in range(len(w)):
            correlation = s @ (P.X[:, j] * (P.y - P.X @ w - b + P.X[:, j] * w[j]))
            free = np.sign(correlation) * max(abs(correlation) - l1[j], 0.0) / curvature[j]
            w[j] = min(max(free, P.lower[j]), P.upper[j])
        if np.max(np.abs(np.append(w, b) - before)) <= 1e-16:
            break
    return w, b


@pytest.fixture(name="plain_objective")
def plain_objective_fixture():
    return plain_objective


@pytest.fixture(name="plain_minimiser")
def plain_minimiser_fixture():
    return plain_minimiser


# ------------------------------------------------------------------------------------------------ mutations

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult)


def mutants(function):
    """(what is changed, the function with it times 1.01), for the result and for each arithmetic subexpression."""
    yield "the result", lambda *args, **kwargs: jax.tree.map(lambda x: 1.01 * x, function(*args, **kwargs))
    source = textwrap.dedent(inspect.getsource(function))
    for index in range(sum(isinstance(node, ast.BinOp) for node in ast.walk(ast.parse(source)))):
        tree = ast.parse(source)
        node = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp)][index]
        label = ast.unparse(node)
        if not isinstance(node.op, ARITHMETIC) or "eps" in label or "shape" in label:
            continue
        changed = ast.BinOp(ast.BinOp(node.left, node.op, node.right), ast.Mult(), ast.Constant(1.01))
        node.left, node.op, node.right = changed.left, changed.op, changed.right
        names: dict[str, Any] = {}
        code = compile(ast.fix_missing_locations(tree), f"<{function.__name__} with 1.01 · ({label})>", "exec")
        exec(code, vars(sys.modules[function.__module__]), names)
        yield label, names[function.__name__]


@pytest.fixture
def unnoticed(monkeypatch):
    """unnoticed(function, check): the 1 % changes of a formula that the check lets pass; right is the empty list.

    The check must look the function up in its module at every call. What it lets pass with the formula unchanged
    counts as vacuous, so it is run unchanged first.
    """

    def survivors(function, check):
        check()
        found = []
        for label, mutant in mutants(function):
            with monkeypatch.context() as patch:
                for name, module in list(sys.modules.items()):
                    if name.startswith("jaxreg.formulas") and getattr(module, function.__name__, None) is function:
                        patch.setattr(module, function.__name__, mutant)
                try:
                    check()
                except AssertionError:
                    continue
            found.append(label)
        return found

    return survivors


@pytest.fixture
def central_differences():
    """The derivative of a scalar function of a (k,) vector, as floating-point quotients."""

    def quotients(f, x, h=1e-5):
        x = np.asarray(x, float)
        return np.array(
            [(float(f(jnp.asarray(x + e))) - float(f(jnp.asarray(x - e)))) / (2 * h) for e in h * np.eye(len(x))]
        )

    return quotients

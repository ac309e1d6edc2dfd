"""The objective against plain loops and scikit-learn, and what all public formulas promise about their input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet

from jaxreg import formulas
from jaxreg.formulas import Params

KINDS = ["lasso", "ridge", "weights and scale", "free column", "more columns than rows"]


def point(P, rng):
    w = rng.normal(size=P.X.shape[1])
    w[-1] = 0.0
    return w, 0.7


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("kind", KINDS)
def test_objective_is_the_sum_of_its_terms(kind, make_problem, plain_objective, rng):
    P = make_problem(kind)
    w, b = point(P, rng)
    value = formulas.objective(Params(b, w), *P.data, **P.factors)
    assert value.shape == ()
    np.testing.assert_allclose(value, plain_objective(w, b, P), rtol=1e-14)


def test_an_option_left_out_is_one(make_problem, plain_objective, rng):
    P = make_problem()
    w, b = point(P, rng)
    np.testing.assert_allclose(formulas.objective(Params(b, w), *P.data), plain_objective(w, b, P), rtol=1e-14)
    lasso = formulas.objective(Params(b, w), P.X, P.y, P.lam)
    np.testing.assert_array_equal(lasso, formulas.objective(Params(b, w), P.X, P.y, P.lam, 1.0))


def test_factors_may_be_numbers(make_problem, rng):
    P = make_problem("elastic net", penalty_factor=[2] * 4, scale=[3] * 4)
    w, b = point(P, rng)
    numbers = formulas.objective(Params(b, w), *P.data, penalty_factor=2.0, scale=3)
    np.testing.assert_allclose(numbers, formulas.objective(Params(b, w), *P.data, **P.factors), rtol=1e-15)


def test_several_targets_are_one_value_each(make_problem, plain_objective, rng):
    P = make_problem("weights and scale")
    w, b, y = rng.normal(size=(4, 2)), np.array([0.5, -1.0]), rng.normal(size=(8, 2))
    lams, ratios = np.array([0.1, 2.0]), np.array([1.0, 0.25])
    values = formulas.objective(Params(b, w), P.X, y, lams, ratios, **P.factors)
    each = [plain_objective(w[:, k], b[k], P._replace(y=y[:, k], lam=lams[k], l1_ratio=ratios[k])) for k in (0, 1)]
    assert values.shape == (2,)
    np.testing.assert_allclose(values, each, rtol=1e-14)
    one_lam = formulas.objective(Params(b, w), P.X, y, 0.1, 0.25, **P.factors)
    each = [plain_objective(w[:, k], b[k], P._replace(y=y[:, k], lam=0.1, l1_ratio=0.25)) for k in (0, 1)]
    np.testing.assert_allclose(one_lam, each, rtol=1e-14)


def test_pieces_are_the_terms_of_the_objective(make_problem, rng):
    P = make_problem("weights and scale", penalty_factor=[1, 0, 2, 0.5])
    w, b = point(P, rng)
    s, v, sigma = P.sample_weight, P.penalty_factor, P.scale
    error = np.average((P.y - P.X @ w - b) ** 2, weights=s) / 2
    np.testing.assert_allclose(formulas.squared_error(Params(b, w), P.X, P.y, sample_weight=s), error, rtol=1e-14)
    lasso, ridge = 2 * np.sum(v * np.abs(sigma * w)), np.sum(v * (sigma * w) ** 2)
    factors = {"penalty_factor": v, "scale": sigma}
    np.testing.assert_allclose(formulas.lasso_penalty(w, 2.0, **factors), lasso, rtol=1e-14)
    np.testing.assert_allclose(formulas.ridge_penalty(w, 2.0, **factors), ridge, rtol=1e-14)
    mixed = formulas.elastic_net_penalty(w, 2.0, 0.3, **factors)
    np.testing.assert_allclose(mixed, 0.3 * lasso + 0.7 * ridge, rtol=1e-14)


def test_predict_is_the_linear_model(rng):
    X, w, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), np.array([1.0, -2.0])
    expected = [[sum(X[i] * w[:, k]) + b[k] for k in (0, 1)] for i in range(5)]
    np.testing.assert_allclose(formulas.predict(Params(b, w), X), expected, rtol=1e-13)
    np.testing.assert_allclose(formulas.predict(Params(b[0], w[:, 0]), X), np.array(expected)[:, 0], rtol=1e-13)


# ------------------------------------------------------------------------------------------------ weights


def test_integer_weights_are_repeated_rows(make_problem, rng):
    counts = np.array([1, 2, 0, 3, 1, 1, 4, 1])
    P = make_problem("elastic net", sample_weight=counts)
    w, b = point(P, rng)
    weighted = formulas.objective(Params(b, w), *P.data, sample_weight=counts)
    rows = np.repeat(np.arange(8), counts)
    np.testing.assert_allclose(
        weighted, formulas.objective(Params(b, w), P.X[rows], P.y[rows], P.lam, P.l1_ratio), rtol=1e-14
    )


@pytest.mark.parametrize("factor", [1e-150, 3.0, 1e150])
def test_only_the_ratios_of_the_weights_matter(factor, make_problem, rng):
    P = make_problem("weights and scale")
    w, b = point(P, rng)
    scaled = formulas.objective(Params(b, w), *P.data, **(P.factors | {"sample_weight": factor * P.sample_weight}))
    np.testing.assert_allclose(scaled, formulas.objective(Params(b, w), *P.data, **P.factors), rtol=1e-14)


# ------------------------------------------------------------------------------------------------ |w|


def test_absolute_is_the_absolute_value_with_derivative_zero_at_zero():
    w = jnp.array([-2.0, -0.0, 0.0, 3.0])
    np.testing.assert_array_equal(formulas.absolute(w), np.abs(w))
    for derivative in (jax.jacrev, jax.jacfwd):
        np.testing.assert_array_equal(jnp.diag(derivative(formulas.absolute)(w)), [-1, 0, 0, 1])
    assert jax.grad(jnp.abs)(0.0) == 1.0  # what jaxreg avoids; if JAX changes, `absolute` may go
    assert np.isnan(formulas.absolute(jnp.nan))


# ------------------------------------------------------------------------------------------------ scikit-learn


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_scikit_learn_minimises_it(l1_ratio, weighted, make_problem, rng):
    P = make_problem("weights and scale" if weighted else "lasso", l1_ratio=l1_ratio, scale=[1] * 4)
    model = ElasticNet(alpha=P.lam, l1_ratio=l1_ratio, tol=1e-15, max_iter=100_000)
    model.fit(P.X, P.y, sample_weight=P.sample_weight)
    F = jax.jit(lambda w, b: formulas.objective(Params(b, w), *P.data, sample_weight=P.sample_weight))
    minimum = float(F(model.coef_, model.intercept_))
    assert np.sum(model.coef_ != 0) > 0
    # It is a minimum, and it is sharp: no step decreases F, and a change of λ or of the scaling would make one do so.
    for size in (1e-1, 1e-3, 1e-5):
        for step in size * rng.normal(size=(20, 5)):
            assert F(model.coef_ + step[1:], model.intercept_ + step[0]) >= minimum - 1e-15
    g = formulas.gradient(Params(model.intercept_, model.coef_), *P.data, sample_weight=P.sample_weight)
    np.testing.assert_allclose(np.where(model.coef_ != 0, g.coef, 0.0), 0.0, atol=1e-9)
    np.testing.assert_allclose(g.intercept, 0.0, atol=1e-12)


# ------------------------------------------------------------------------------------------------ every public function

X, Y, W = [[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [2.0, 2.0]], [1.0, 2.0, 4.0, 0.5], [0.5, 0.0]
PARAMS = {"intercept": 0.25, "coef": W}
WEIGHT = {"sample_weight": [1.0, 2.0, 0.0, 1.0]}
FACTORS = {"penalty_factor": [1.0, 2.0], "scale": [1.0, 0.5]}
TAU = {"y_scale": 0.5}
BOUNDS = {"lower": [-1.0, -2.0], "upper": [1.0, 2.0]}
DATA = {"X": X, "y": Y}
PENALTY = {"lam": 0.1, "l1_ratio": 0.5}
ROWS = [[0.5, 1.0], [0.0, 0.0]]
TASKS = {"intercept": [0.25, -1.0], "coef": ROWS, "X": X, "y": [[1.0, 2.0], [2.0, 0.0], [4.0, 1.0], [0.5, 3.0]]}
ARGUMENTS = {
    "predict": PARAMS | {"X": X},
    "squared_error": PARAMS | DATA | WEIGHT,
    "lasso_penalty": {"coef": W, "lam": 0.1} | FACTORS,
    "ridge_penalty": {"coef": W, "lam": 0.1} | FACTORS | TAU,
    "elastic_net_penalty": {"coef": W} | PENALTY | FACTORS | TAU,
    "objective": PARAMS | DATA | PENALTY | WEIGHT | FACTORS | TAU,
    "gradient": PARAMS | DATA | PENALTY | WEIGHT | FACTORS | TAU,
    "hessian": {"X": X} | PENALTY | WEIGHT | FACTORS | TAU,
    "lipschitz": {"X": X} | PENALTY | WEIGHT | FACTORS | TAU,
    "soft_threshold": {"z": [-2.0, 0.5], "threshold": [1.0, 1.0]},
    "prox_elastic_net": {"z": [-2.0, 0.5], "step_size": 0.5, "l1": [1.0, 0.1], "l2": [0.0, 2.0]} | BOUNDS,
    "weighted_mean": {"X": X} | WEIGHT,
    "moments": DATA | WEIGHT,
    "standard_deviation": {"X": X} | WEIGHT,
    "lam_max": DATA | {"l1_ratio": 0.5} | WEIGHT | FACTORS | BOUNDS,
    "kkt_residual": PARAMS | DATA | PENALTY | WEIGHT | FACTORS | TAU | BOUNDS,
    "duality_gap": PARAMS | DATA | PENALTY | WEIGHT | FACTORS | TAU | BOUNDS,
    "row_norms": {"W": ROWS},
    "prox_rows": {"Z": [[3.0, -4.0], [0.3, 0.4]], "step_size": 0.5, "l1": [2.0, 2.0], "l2": [0.0, 1.0]},
    "multi_task_objective": TASKS | PENALTY | WEIGHT,
    "multi_task_gradient": TASKS | PENALTY | WEIGHT,
    "multi_task_lam_max": {"X": X, "y": TASKS["y"], "l1_ratio": 0.5} | WEIGHT,
    "multi_task_kkt_residual": TASKS | PENALTY | WEIGHT,
    "multi_task_gap": TASKS | PENALTY | WEIGHT,
}


def call(name, arguments):
    arguments = dict(arguments)
    if "intercept" in arguments:
        arguments = {"params": Params(arguments.pop("intercept"), arguments.pop("coef"))} | arguments
    return getattr(formulas, name)(**arguments)


def arrays(name, dtype):
    return {key: jnp.asarray(value, dtype) for key, value in ARGUMENTS[name].items()}


EVERY = pytest.mark.parametrize("name", ARGUMENTS)
EVERY_ARGUMENT = pytest.mark.parametrize(
    ("name", "argument"), [(name, argument) for name, arguments in ARGUMENTS.items() for argument in arguments]
)


def test_the_table_names_every_public_function():
    # `absolute` is given JAX arrays by the others and keeps whatever they are.
    assert set(ARGUMENTS) == set(formulas.__all__) - {"Moments", "Params", "absolute"}


@EVERY_ARGUMENT
def test_float64_with_64_bit_mode_off_is_refused(name, argument, x32):
    with pytest.raises(TypeError, match=rf"^{argument} .*jax\.enable_x64\(True\)"):
        call(name, arrays(name, np.float32) | {argument: np.asarray(ARGUMENTS[name][argument], np.float64)})


@EVERY_ARGUMENT
def test_complex_is_refused(name, argument):
    value = np.asarray(ARGUMENTS[name][argument], np.complex64)
    with pytest.raises(TypeError, match=rf"^{argument} .*complex"):
        call(name, arrays(name, np.float32) | {argument: value})


@pytest.mark.parametrize("value", [1j, [1j, 2.0]])
def test_complex_python_numbers_are_refused(value):
    with pytest.raises(TypeError, match=r"^z .*complex"):
        formulas.soft_threshold(value, 1.0)


@EVERY
def test_float32_stays_float32_and_is_right(name):
    # Python numbers adapt to the arrays, whatever the mode.
    given = arrays(name, np.float32)
    given |= {key: value for key, value in ARGUMENTS[name].items() if isinstance(value, float)}
    exact = jax.jit(lambda: call(name, ARGUMENTS[name]))()
    for mode in (False, True):
        with jax.enable_x64(mode):
            shapes = jax.tree.leaves(jax.eval_shape(lambda: call(name, given)))
            assert all(leaf.dtype == np.float32 for leaf in shapes)
    rounded = jax.jit(lambda: call(name, given))()
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), rounded, exact)


@EVERY
def test_works_under_jit(name):
    arguments = arrays(name, np.float64)
    compiled, plain = jax.jit(lambda given: call(name, given))(arguments), call(name, arguments)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15), compiled, plain)


def test_lists_integers_and_booleans_are_taken_as_numbers(x32):
    given = {"coef": [1, 2], "intercept": True, "X": [[1, 2], [3, 4]], "y": np.array([1, 2], np.int8), "lam": 1}
    floats = {key: jnp.asarray(value, jnp.float32) for key, value in given.items()}
    value = call("objective", given)
    assert value.dtype == np.float32
    assert value == call("objective", floats) == (5**2 + 10**2) / 4 + 3


def test_lists_of_traced_numbers_are_taken():
    def penalty(w):
        return formulas.lasso_penalty([w, -2 * w], 3.0)

    assert jax.jit(penalty)(2.0) == 18
    assert jax.grad(penalty)(2.0) == 9


def test_large_integers_survive_with_64_bit_mode_off(x32):
    # JAX alone turns 2**40 into 0 here.
    for dtype in (np.int64, np.uint64):
        try:
            mean = formulas.weighted_mean(np.array([2**40, 2**40], dtype))
        except (TypeError, OverflowError):  # to refuse is as good
            continue
        np.testing.assert_allclose(mean, 2.0**40)


# ------------------------------------------------------------------------------------------------ mutations

TERMS = ["predict", "squared_error", "lasso_penalty", "ridge_penalty", "elastic_net_penalty", "objective"]


@pytest.mark.parametrize("name", TERMS)
def test_no_term_can_change_by_one_percent(name, unnoticed, make_problem, plain_objective, rng):
    P = make_problem("weights and scale", l1_ratio=0.3, y_scale=0.4)
    w, b = point(P, rng)

    def check():
        value = formulas.objective(Params(b, w), *P.data, **P.factors)
        np.testing.assert_allclose(value, plain_objective(w, b, P), rtol=1e-12)
        of_one = formulas.objective(Params(b, w), *P.data, **(P.factors | {"y_scale": None}))
        np.testing.assert_allclose(of_one, plain_objective(w, b, P._replace(y_scale=1.0)), rtol=1e-12)
        plain = P._replace(sample_weight=np.ones(8))
        unweighted = formulas.squared_error(Params(b, w), P.X, P.y)
        np.testing.assert_allclose(unweighted, plain_objective(w, b, plain._replace(lam=0.0)), rtol=1e-12)
        both = formulas.predict(Params(np.array([b, 0.0]), np.stack([w, w], axis=1)), P.X)
        np.testing.assert_allclose(both, np.stack([P.X @ w + b, P.X @ w], axis=1), rtol=1e-12)

    assert unnoticed(getattr(formulas, name), check) == []

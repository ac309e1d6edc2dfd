"""Every formula of the five source documents: right where it is right, and wrong exactly as stated where it is wrong.

A row of `FORMULAS` is a loss and the hand gradient that belongs to it; it drives the comparison with autodiff, forward
and backward, and with central differences. What the documents get wrong has a test of its own. At the end every
formula, and every term of every formula, is changed by 1 %, and the verdicts must notice.
"""

import functools
import importlib
import inspect
import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.checks import Finding, Report, course, evaluation, verdicts
from jaxreg.checks.expressions import Varied, recognise
from jaxreg.checks.kinks import Kinks
from jaxreg.checks.verdicts import source_verdicts, verdict_table
from jaxreg.formulas import sources as s
from jaxreg.formulas.sources import a_lasso

SHAPES = [(7, 2), (12, 3)]  # rows, features
LAM, STEP = 1.7, 0.3
DOCUMENT = {"a": "000", "_": "000", "b": "001", "c": "002", "d": "003", "e": "004"}

# The rows of sources.md with what is to be found: (row, holds, factor), in the order of `source_verdicts`.
EXPECTED = {
    "000": [
        ("A-mse", True, "1"),
        ("A-ridge", False, "2m"),  # printed update against printed loss
        ("A-ridge", True, "1"),  # against the implied loss
        ("A-ridge", True, "1"),  # the corrected update
        ("A-lasso", False, "m"),
        ("A-lasso", True, "1"),
        ("A-lasso", True, "1"),
    ],
    "001": [("B-ridge", True, "1")],
    "002": [("C-ridge", True, "1")],
    "003": [
        ("D-ridge-1d", True, "1"),
        ("D-ridge", False, "n"),  # printed closed form against printed loss
        ("D-ridge", True, "1"),  # against the implied loss
        ("D-ridge", True, "1"),  # the corrected closed form
        ("D-ridge", True, "1"),  # the scale of the printed loss
        ("D-ridge", True, "1"),  # the scale of the implied loss
    ],
    "004": [
        ("E-ridge", True, "1"),  # update
        ("E-ridge", True, "1"),  # closed form
        ("E-decay", True, "1"),
        ("E-ols", True, "1"),
        ("E-ols", False, "m ≤ n"),
        ("E-ols", True, "λ > 0"),
    ],
}


@pytest.fixture(autouse=True)
def strict_x64():
    with jax.enable_x64(True), jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


def problem(m, n, *, ones, seed=3):
    """θ, X and y; θ has an exact zero at its end, and X a leading column of ones where `ones` is 1."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones((m, ones)), rng.normal(size=(m, n))])
    theta = rng.normal(size=n + ones)
    theta[-1] = 0
    return jnp.array(theta), jnp.array(X), jnp.array(rng.normal(size=m) + 2)


def one_feature(m, n):
    theta, X, y = problem(m, n, ones=0)
    return theta[0], X[:, 0], y


def with_ones(m, n):
    return problem(m, n, ones=1)


def without_ones(m, n):
    return problem(m, n, ones=0)


def mse_loss(theta, X, y, lam):
    return s.a_mse_loss(theta, X, y)


def mse_gradient(theta, X, y, lam):
    return s.a_mse_gradient(theta, X, y)


def c_mse_loss(w, X, y, lam):
    return s.c_ridge_loss(w, X, y, 0.0)


def c_mse_gradient(w, X, y, lam):
    return s.c_mse_gradient(w, X, y)


# name: (problem, loss, its hand gradient)
FORMULAS = {
    "A-mse": (with_ones, mse_loss, mse_gradient),
    "A-ridge corrected": (with_ones, s.a_ridge_loss, s.a_ridge_gradient_corrected),
    "A-ridge implied": (with_ones, s.a_ridge_implied_loss, s.a_ridge_gradient_printed),
    "A-lasso corrected": (with_ones, s.a_lasso_loss, s.a_lasso_gradient_corrected),
    "A-lasso implied": (with_ones, s.a_lasso_implied_loss, s.a_lasso_gradient_printed),
    "B-ridge": (without_ones, s.b_ridge_loss, s.b_ridge_gradient),
    "C-mse": (without_ones, c_mse_loss, c_mse_gradient),
    "C-ridge": (without_ones, s.c_ridge_loss, s.c_ridge_gradient),
    "D-ridge-1d": (one_feature, s.d_ridge_1d_loss, s.d_ridge_1d_gradient),
    "E-ridge": (with_ones, s.e_ridge_implied_loss, s.e_ridge_gradient),
}


def close(actual, expected, tolerance=1e-12):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.max(np.abs(expected)))


def central_differences(loss, theta, *args, h=1e-5):
    steps = h * jnp.eye(theta.size).reshape(theta.size, *theta.shape)
    quotients = jax.vmap(lambda e: (loss(theta + e, *args) - loss(theta - e, *args)) / (2 * h))(steps)
    return quotients.reshape(theta.shape)


# ------------------------------------------------------------------------------------------------ gradients


@pytest.mark.parametrize("name", FORMULAS)
def test_hand_gradient_is_autodiff_and_finite_differences(name):
    make, loss, gradient = FORMULAS[name]

    @jax.jit
    def all_four(*arguments):
        backward, forward = jax.grad(loss)(*arguments), jax.jacfwd(loss)(*arguments)
        return gradient(*arguments), backward, forward, central_differences(loss, *arguments)

    hand, backward, forward, differences = all_four(*make(12, 3), LAM)
    close(hand, backward)
    close(hand, forward)
    close(hand, differences, 1e-8)


@pytest.mark.parametrize(
    ("update", "gradient"),
    [
        (s.a_ridge_update_printed, s.a_ridge_gradient_printed),
        (s.a_ridge_update_corrected, s.a_ridge_gradient_corrected),
        (s.a_lasso_update_printed, s.a_lasso_gradient_printed),
        (s.a_lasso_update_corrected, s.a_lasso_gradient_corrected),
        (s.c_ridge_update, s.c_ridge_gradient),
        (s.e_ridge_update, s.e_ridge_gradient),
        (s.e_decay_update, s.e_ridge_gradient),
        (lambda theta, X, y, lam, step: s.a_mse_update(theta, X, y, step), mse_gradient),
    ],
)
def test_update_is_a_step_against_the_gradient(update, gradient):
    theta, X, y = problem(7, 2, ones=1)
    close(update(theta, X, y, LAM, STEP), theta - STEP * gradient(theta, X, y, LAM))


@pytest.mark.parametrize(("m", "n"), SHAPES)
@pytest.mark.parametrize(
    ("loss", "printed", "factor"),
    [
        (s.a_ridge_loss, s.a_ridge_gradient_printed, lambda m: 2 * m),
        (s.a_lasso_loss, s.a_lasso_gradient_printed, lambda m: m),
    ],
)
def test_printed_penalty_of_document_000_is_too_small_by_2m_and_by_m(loss, printed, factor, m, n):
    theta, X, y = problem(m, n, ones=1)
    close(printed(theta, X, y, 0.0), jax.grad(loss)(theta, X, y, 0.0))  # the data terms agree
    right = jax.grad(loss)(theta, X, y, LAM) - jax.grad(loss)(theta, X, y, 0.0)
    wrong = printed(theta, X, y, LAM) - printed(theta, X, y, 0.0)
    close(right, factor(m) * wrong)
    close(right[1:-1] / wrong[1:-1], np.full(n - 1, factor(m)))  # weight by weight; the last weight is zero


@pytest.mark.parametrize("loss", [s.a_lasso_loss, s.a_lasso_implied_loss])
def test_sign_of_zero_is_zero_by_hand_and_by_autodiff(loss):
    gradient = s.a_lasso_gradient_corrected if loss is s.a_lasso_loss else s.a_lasso_gradient_printed
    _, X, y = problem(12, 3, ones=1)
    theta = jnp.zeros(4)
    data = s.a_mse_gradient(theta, X, y)
    np.testing.assert_array_equal(gradient(theta, X, y, LAM), data)  # no penalty term at all
    close(jax.grad(loss)(theta, X, y, LAM), data)
    close(jax.jacfwd(loss)(theta, X, y, LAM), data)


def test_printed_lasso_update_oscillates_and_leaves_no_exact_zero():
    rng = np.random.default_rng(5)
    X = jnp.array(np.column_stack([np.ones(60), rng.normal(size=(60, 6))]))
    y = jnp.array(2 + 3 * X[:, 1] + 0.1 * rng.normal(size=60))  # features 2 to 6 are useless

    def step(theta, _):
        theta = s.a_lasso_update_printed(theta, X, y, 12.0, 0.05)
        return theta, theta[2:]

    useless = jax.jit(lambda: jax.lax.scan(step, jnp.zeros(7), length=600)[1])()[-100:]
    assert jnp.all(useless != 0)
    assert jnp.all(jnp.any(useless > 0, axis=0) & jnp.any(useless < 0, axis=0))


# ------------------------------------------------------------------------------------------------ closed forms


def augmented_lstsq(X, y, lam, penalised):
    """The minimiser of ‖y − Xθ‖² + λ Σ penalised_j θ_j², as ordinary least squares on [X; √(λ L)] and [y; 0]."""
    rows = np.sqrt(lam) * np.diag(penalised)
    return np.linalg.lstsq(np.vstack([X, rows]), np.concatenate([y, np.zeros(len(rows))]), rcond=None)[0]


@pytest.mark.parametrize(("m", "n"), [(12, 3), (3, 6)])
def test_closed_form_of_document_004_is_the_minimiser(m, n):
    theta, X, y = problem(m, n, ones=1)
    best = s.e_ridge_closed_form(X, y, LAM)
    assert jnp.max(jnp.abs(jax.grad(s.e_ridge_implied_loss)(best, X, y, LAM))) < 1e-13
    close(best, augmented_lstsq(X, y, LAM, [0.0] + [1.0] * n))
    assert s.e_ridge_implied_loss(best, X, y, LAM) < s.e_ridge_implied_loss(theta, X, y, LAM)


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_closed_form_of_document_003_has_n_times_too_small_a_penalty(n, p):
    _, X, y = problem(n, p, ones=0)
    printed, corrected = s.d_ridge_closed_form_printed(X, y, LAM), s.d_ridge_closed_form_corrected(X, y, LAM)
    gradient = jax.grad(s.d_ridge_loss)

    assert jnp.max(jnp.abs(gradient(corrected, X, y, LAM))) < 1e-13
    close(corrected, augmented_lstsq(X, y, n * LAM, np.ones(p)))
    close(corrected, s.d_ridge_closed_form_printed(X, y, n * LAM))

    penalty = gradient(printed, X, y, LAM) - gradient(printed, X, y, 0.0)
    close(penalty, -n * gradient(printed, X, y, 0.0))  # n times what the data term balances
    assert jnp.max(jnp.abs(jax.grad(s.d_ridge_implied_loss)(printed, X, y, LAM))) < 1e-12
    assert jnp.max(jnp.abs(jax.grad(s.b_ridge_loss)(printed, X, y, LAM))) < 1e-12  # document 001's loss
    close(printed, augmented_lstsq(X, y, LAM, np.ones(p)))


def test_without_penalty_it_is_ordinary_least_squares():
    _, X, y = problem(12, 3, ones=1)
    ols = np.linalg.lstsq(X, y, rcond=None)[0]
    close(s.e_ols_closed_form(X, y), ols)
    close(s.e_ridge_closed_form(X, y, 0.0), ols)
    close(s.d_ridge_closed_form_printed(X, y, 0.0), ols)
    close(s.d_ridge_closed_form_corrected(X, y, 0.0), ols)


def test_huge_penalty_leaves_the_mean_alone():
    _, X, y = problem(12, 3, ones=1)
    intercept, *weights = s.e_ridge_closed_form(X, y, 1e12)
    close(intercept, jnp.mean(y), 1e-10)
    assert np.max(np.abs(weights)) < 1e-9
    assert np.all(np.array(weights) != 0)  # ridge shrinks and never reaches 0


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_normal_equations_are_singular_up_to_m_equal_n_and_invertible_with_a_penalty(n):
    for m in range(1, n + 3):
        _, X, _ = problem(m, n, ones=1, seed=m)
        assert np.linalg.matrix_rank(X) == min(m, n + 1)
        rank = np.linalg.matrix_rank(s.e_ridge_matrix(X, 0.0))
        assert (rank < n + 1) == (m <= n)  # m = n included, which the document leaves open
        smallest = np.linalg.eigvalsh(s.e_ridge_matrix(X, 0.5))[0]
        assert smallest > 1e-3


# ------------------------------------------------------------------------------------------------ weight decay


def test_weight_decay_is_the_ridge_update_term_by_term():
    theta, X, y = problem(12, 3, ones=1)
    close(s.e_decay_update(theta, X, y, LAM, STEP), s.e_ridge_update(theta, X, y, LAM, STEP))
    # without residuals the decay alone is left: θ₀ stays and every other weight is multiplied by 1 − αλ/m
    fitted = X @ theta
    decayed = jnp.concatenate([theta[:1], theta[1:] * s.e_decay_factor(12, LAM, STEP)])
    close(s.e_decay_update(theta, X, fitted, LAM, STEP), decayed)
    close(s.e_ridge_update(theta, X, fitted, LAM, STEP), decayed)
    # without a penalty the data term alone is left
    data = theta - STEP / 12 * X.T @ (X @ theta - y)
    close(s.e_decay_update(theta, X, y, 0.0, STEP), data)
    close(s.e_ridge_update(theta, X, y, 0.0, STEP), data)


def test_decay_factor_lies_in_the_unit_interval_exactly_for_alpha_lam_between_0_and_m():
    for product, inside in [
        (-0.1, False),
        (0.0, False),
        (1e-9, True),
        (3.0, True),
        (6.999, True),
        (7.0, False),
        (9.0, False),
    ]:
        assert (0 < s.e_decay_factor(7, product / 0.5, 0.5) < 1) == inside
    assert s.e_decay_factor(8, 2.0, 0.5) == 1 - 1 / 8


def test_worked_example_of_document_001():
    assert s.b_ridge_penalty(jnp.array([5.0, -3.0]), LAM) == pytest.approx(34 * LAM, rel=1e-15)
    assert s.b_ridge_penalty(jnp.array([2.5, -1.5]), LAM) == pytest.approx(8.5 * LAM, rel=1e-15)


# ------------------------------------------------------------------------------------------------ as JAX functions


def arguments_of(name, dtype):
    """Arguments for the formula of that name, found by the names of its parameters."""
    theta, X, y = problem(12, 3, ones=1)
    if name.startswith("d_ridge_1d"):
        theta = theta[0]
    known = {"X": X, "x": X[:, 1], "y": y, "lam": LAM, "alpha": STEP, "eta": STEP}
    known |= {"theta": theta, "w": theta, "beta": theta}
    parameters = inspect.signature(getattr(s, name)).parameters
    return {key: 12 if key == "m" else jnp.array(known[key], dtype) for key in parameters}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", s.__all__)
def test_precision_follows_the_inputs_and_tracing_works(name, dtype):
    assert jax.eval_shape(getattr(s, name), **arguments_of(name, dtype)).dtype == dtype


@pytest.mark.parametrize(
    "name", [name for name in s.__all__ if "lam" in inspect.signature(getattr(s, name)).parameters]
)
def test_vmap_over_lam_is_a_loop_and_lam_may_be_a_float(name):
    arguments = arguments_of(name, jnp.float64)
    del arguments["lam"]
    lams = [0.5, 2.0, 8.0]
    formula = getattr(s, name)
    batch = jax.jit(jax.vmap(lambda lam: formula(lam=lam, **arguments)))(jnp.array(lams))
    close(batch, [np.asarray(formula(lam=lam, **arguments)) for lam in lams])


def test_closed_forms_are_differentiable_in_lam():
    _, X, y = problem(12, 3, ones=1)
    for closed_form in (s.e_ridge_closed_form, s.d_ridge_closed_form_corrected):
        derivative = jax.jacfwd(closed_form, argnums=2)(X, y, LAM)
        difference = (closed_form(X, y, LAM + 1e-5) - closed_form(X, y, LAM - 1e-5)) / 2e-5
        close(derivative, difference, 1e-7)


# ------------------------------------------------------------------------------------------------ verdicts


computed_verdicts = functools.cache(source_verdicts)


def outcome(results):
    return [(v.id, v.holds, v.expression) for v in results if v.error < 1e-12]


def test_verdicts_are_those_of_the_specification():
    results = computed_verdicts()
    assert outcome(results) == [row for rows in EXPECTED.values() for row in rows]
    assert {v.id: v.document for v in results} == {row[0]: key for key, rows in EXPECTED.items() for row in rows}
    m = verdicts.ROWS
    measured = {v.id: v.factor for v in results if not v.holds}
    assert measured.pop("E-ols") is None
    assert measured == {
        row: pytest.approx(f, rel=1e-12) for row, f in {"A-ridge": 2 * m, "A-lasso": m, "D-ridge": m}.items()
    }
    assert all(v.factor == pytest.approx(1, rel=1e-12) for v in results if v.holds and v.factor is not None)
    for v in results:
        assert v.sentence.startswith("**") != v.holds


def test_verdicts_do_not_depend_on_the_seed():
    sentences = [v.sentence for v in source_verdicts(seed=7, documents=["002", "003", "004"])]
    assert sentences == [v.sentence for v in computed_verdicts()][-len(sentences) :]


def test_verdicts_are_computed_in_float64_and_leave_the_configuration_alone():
    with jax.enable_x64(False):
        assert outcome(source_verdicts(documents=["001", "004"])) == EXPECTED["001"] + EXPECTED["004"]
        assert not jax.config.jax_enable_x64
        assert jnp.ones(1).dtype == jnp.float32
    with pytest.raises(KeyError):
        source_verdicts(documents=["005"])


@pytest.mark.parametrize(
    ("factor", "expression"),
    [
        (lambda m, n: 1, "1"),
        (lambda m, n: 2, "2"),
        (lambda m, n: m, "m"),
        (lambda m, n: 2 * m, "2m"),
        (lambda m, n: n, "n"),
        (lambda m, n: 2 * n, "2n"),
        (lambda m, n: m * n, "m·n"),
        (lambda m, n: 0.5 / m, "1/(2m)"),
        (lambda m, n: n / m, "n/m"),
        (lambda m, n: 1.01 * m, "1.01·m"),
        (lambda m, n: m + 1, "(m + 1)"),
        (lambda m, n: m + n, None),
    ],
)
def test_factors_are_recognised(factor, expression):
    rows, features = [12, 8, 7], [4, 3, 2]
    of_rows = Varied("m", rows, [factor(m, 4) for m in rows])
    of_features = Varied("n", features, [factor(12, n) for n in features])
    found = recognise(factor(12, 4), [of_rows, of_features])
    assert found == ([] if expression is None else [expression])


def test_table_has_a_row_for_every_formula_and_lines_up():
    lines = verdict_table(computed_verdicts()).splitlines()
    rows = [line.strip("|").split("|") for line in lines]
    assert [row[0].strip() for row in rows[2:]] == list(dict.fromkeys(r[0] for rs in EXPECTED.values() for r in rs))
    assert all(len(row) == 6 for row in rows)
    assert len({verdicts._width(line) for line in lines}) == 1
    wrong = [row[0].strip() for row in rows if "**" in row[5]]
    assert wrong == ["A-ridge", "A-lasso", "D-ridge", "E-ols"]
    assert "factor 2m**" in lines[3]
    assert "factor m**" in lines[4]
    assert "factor n**" in lines[8]
    assert "every m ≤ n**" in lines[11]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_module_prints_the_table(capsys):
    runpy.run_module("jaxreg.checks.verdicts", run_name="__main__")
    assert capsys.readouterr().out == verdict_table(computed_verdicts()) + "\n"


def test_the_table_of_the_page_is_the_computed_one():
    page = (Path(__file__).parents[2] / "docs" / "teaching_documents.md").read_text(encoding="utf-8")
    assert page.count("<!-- verdicts -->") == page.count("<!-- /verdicts -->") == 1
    table = page.split("<!-- verdicts -->")[1].split("<!-- /verdicts -->")[0]
    assert table.strip() == verdict_table(computed_verdicts())


# ------------------------------------------------------------------------------------------------ mutations

FUNCTIONS = [getattr(s, name) for name in s.__all__] + [a_lasso._absolute]


def first_deviation(document):
    """The first verdict that is not as expected; where one is wrong, what exactly is wrong is not asked."""
    found = verdicts._CHECKS[document](np.random.default_rng(0))
    for verdict, (row, holds, _) in zip(found, EXPECTED[document], strict=True):
        if (verdict.id, verdict.holds) != (row, holds) or (holds and verdict.error >= 1e-12):
            return verdict
    return None


@pytest.fixture
def no_more_than_compared(monkeypatch):
    """The course of a check as far as the comparison, at one point and without compiling."""
    wrong = Report("", (Finding("unexplained", "not equal"),))
    monkeypatch.setattr(verdicts, "POINTS", 1)
    monkeypatch.setattr(evaluation, "_compiled", lambda function: function)
    monkeypatch.setattr(course, "at_kinks", lambda *_: Kinks())
    monkeypatch.setattr(course, "_of_autodiff", lambda *_: [])
    monkeypatch.setattr(course, "_explained", lambda *_: wrong)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_no_formula_and_no_term_of_one_can_change_by_one_percent(function, unnoticed, no_more_than_compared):
    document = DOCUMENT[function.__name__[0]]

    def check():
        assert first_deviation(document) is None

    assert unnoticed(function, check) == []


@pytest.mark.parametrize("name", ["a_mse_loss", "a_lasso_update_printed", "b_ridge_penalty", "d_ridge_implied_loss"])
def test_source_verdicts_turn_bad_with_a_formula(name, monkeypatch):
    module = importlib.import_module(getattr(s, name).__module__)
    formula = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: 1.01 * formula(*args))
    assert first_deviation(DOCUMENT[name[0]]) is not None

"""λ converted between systems: each system's own objective, the real programs, exact round trips, what is asked for."""

import itertools
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import jaxreg
from jaxreg import cli, convert, describe
from jaxreg.formulas.conventions import SYSTEMS, Penalty, system_table

REFERENCE = Path(__file__).parents[1] / "reference"
PAGE = (Path(__file__).parents[2] / "docs" / "lambda_elsewhere.md").read_text(encoding="utf-8")
N, P, LAM = 40, 5, 0.13
# Coefficients of two programs agree to this share of the largest.
SAME = 1e-7


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(N, P)) @ np.diag([1, 2, 0.5, 1, 3]) + 0.3
    y = X @ np.array([1.0, 0.0, -2.0, 0.5, 0.0]) + rng.normal(size=N) + 4
    return X, y, rng.uniform(0.3, 3.0, N)


def scales(y, weight=None):
    weight = np.ones(len(y)) if weight is None else weight
    return float(np.sqrt(np.average((y - np.average(y, weights=weight)) ** 2, weights=weight)))


def ours(X, y, penalty, **options):
    """jaxreg's own fit: intercept and coefficients."""
    found = jaxreg.fit(X, y, penalty.lam, penalty.l1_ratio, standardize=False, tol=1e-14, **options)
    return np.append(found.coef, found.intercept)


def assert_same(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=SAME * np.max(np.abs(expected)))


# ------------------------------------------------------------------------------------- each system's own objective


def mixed(lam, a):
    """lam (a Σ|w| + (1−a)/2 w²): (its L1 weight, its derivative by w without that)."""
    return lam * a, lambda w: lam * (1 - a) * w


# name: λ, share → (factor c of c·Σ r², L1 weight, derivative of the other part). Written down from each system's
# documentation, once more and independently of the table: nothing here is a power of n that is then inverted.
OWN = {
    "jaxreg": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "jaxreg.standardize": lambda lam, a, n, sy: (1 / (2 * n), lam * a, lambda w: lam * (1 - a) / sy * w),
    "sklearn.Ridge": lambda lam, a, n, sy: (1.0, 0.0, lambda w: 2 * lam * w),
    "sklearn.Lasso": lambda lam, a, n, sy: (1 / (2 * n), lam, lambda w: 0 * w),
    "sklearn.ElasticNet": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "sklearn.MultiTaskLasso": lambda lam, a, n, sy: (1 / (2 * n), lam, lambda w: 0 * w),
    # glmnet fits y/s_y with λ/s_y: ½ mean (r/s_y)² + (λ/s_y)(a|b/s_y| + (1−a)/2 (b/s_y)²), times s_y²
    "glmnet": lambda lam, a, n, sy: (1 / (2 * n), lam * a, lambda w: lam * (1 - a) / sy * w),
    "glmnet.family_object": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "glmstar": lambda lam, a, n, sy: (1 / (2 * n), lam * a, lambda w: lam * (1 - a) / sy * w),
    "glmnet_rs": lambda lam, a, n, sy: (1 / (2 * n), lam * a, lambda w: lam * (1 - a) / sy * w),
    "scm2cpp.GramElasticNet": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "skein": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "glum": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "celer": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "skglm": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "adelie": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "himalaya.Ridge": lambda lam, a, n, sy: (1.0, 0.0, lambda w: 2 * lam * w),
    "cuml.Lasso": lambda lam, a, n, sy: (0.5, lam * n, lambda w: 0 * w),
    "cuml.Ridge": lambda lam, a, n, sy: (1.0, 0.0, lambda w: 2 * lam * w),
    "spark": lambda lam, a, n, sy: (1 / (2 * n), lam * a, lambda w: lam * (1 - a) / sy * w),
    "h2o": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "statsmodels": lambda lam, a, n, sy: (0.5 / n, *mixed(lam, a)),
    "ncvreg": lambda lam, a, n, sy: (1 / (2 * n), *mixed(lam, a)),
    "group_lasso": lambda lam, a, n, sy: (0.5 / n, lam, lambda w: 0 * w),
    "jaxopt": lambda lam, a, n, sy: (0.5 / n, *mixed(lam, a)),
    "ng": lambda lam, a, n, sy: (1 / (2 * n), 0.0, lambda w: lam / n * w),
    "islr.ridge": lambda lam, a, n, sy: (1.0, 0.0, lambda w: 2 * lam * w),
    "islr.lasso": lambda lam, a, n, sy: (1.0, lam, lambda w: 0 * w),
    "esl.ridge": lambda lam, a, n, sy: (1.0, 0.0, lambda w: 2 * lam * w),
    "esl.lasso": lambda lam, a, n, sy: (0.5, lam, lambda w: 0 * w),
    "document.000.ridge": lambda lam, a, n, sy: (1 / (2 * n), 0.0, lambda w: 2 * lam * w),
    "document.000.lasso": lambda lam, a, n, sy: (1 / (2 * n), lam, lambda w: 0 * w),
    "document.001": lambda lam, a, n, sy: (1.0, 0.0, lambda w: 2 * lam * w),
    "document.002": lambda lam, a, n, sy: (1 / n, 0.0, lambda w: 2 * lam * w),
    "document.003": lambda lam, a, n, sy: (1 / n, 0.0, lambda w: 2 * lam * w),
    "document.004": lambda lam, a, n, sy: (1 / (2 * n), 0.0, lambda w: lam / n * w),
}


def share_of(system):
    return 0.4 if system.l1 and system.l2 else None


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_converted_fit_is_optimal_in_the_systems_own_objective(name, data):
    X, y, _ = data
    system, sy = SYSTEMS[name], scales(y)
    lam = LAM * (N if system.l1 is None or name in ("islr.lasso", "esl.lasso") else 1)
    *w, b = ours(X, y, convert(lam, name, "jaxreg", l1_ratio=share_of(system), n=N, y_scale=sy))
    w = np.array(w)
    c, l1, other = OWN[name](lam, share_of(system), N, sy)
    residual = y - X @ w - b
    smooth = -2 * c * X.T @ residual + other(w)
    violation = np.where(w == 0, np.maximum(np.abs(smooth) - l1, 0), np.abs(smooth + l1 * np.sign(w)))
    assert np.max(violation) <= 1e-10 * np.max(np.abs(2 * c * X.T @ (y - y.mean())))
    assert system.l1 is None or (w != 0).any()


def test_every_system_of_the_issue_is_there():
    assert set(OWN) == set(SYSTEMS)
    documents = {name.split(".")[1] for name in SYSTEMS if name.startswith("document.")}
    assert documents == {"000", "001", "002", "003", "004"}


# ------------------------------------------------------------------------------------- the real programs

PROGRAMS: dict = {}


def program(*names):
    """Marks a test that holds these systems against the program itself."""

    def mark(function):
        PROGRAMS.update(dict.fromkeys(names, function.__name__))
        return function

    return mark


@program("sklearn.Ridge", "sklearn.Lasso", "sklearn.ElasticNet", "sklearn.MultiTaskLasso")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["sklearn.Ridge", "sklearn.Lasso", "sklearn.ElasticNet", "sklearn.MultiTaskLasso"])
def test_scikit_learn(name, weighted, data):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y, weight = data
    if not weighted or name == "sklearn.MultiTaskLasso":
        weight = None
    n = N if weight is None else weight.sum()
    found = convert(LAM, "jaxreg", name, l1_ratio={"sklearn.Ridge": 0.0, "sklearn.ElasticNet": 0.4}.get(name), n=n)
    options = {"l1_ratio": found.l1_ratio} if name == "sklearn.ElasticNet" else {}
    exact = {} if name == "sklearn.Ridge" else {"tol": 1e-15, "max_iter": 100_000}
    model = getattr(linear_model, name.split(".")[1])(alpha=found.lam, **options, **exact)
    if name == "sklearn.MultiTaskLasso":
        model.fit(X, y[:, None])
    else:
        model.fit(X, y, sample_weight=weight)
    mine = ours(
        X, y, Penalty(LAM, {"sklearn.Ridge": 0.0, "sklearn.ElasticNet": 0.4}.get(name, 1.0)), sample_weight=weight
    )
    assert_same(np.append(np.ravel(model.coef_), model.intercept_), mine)


@program("glmnet")
@pytest.mark.parametrize("kind", ["", "/weights", "/int0"])
@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_stored_fits_of_glmnet(alpha, kind, data):
    cases = json.loads((REFERENCE / "glmnet_diabetes.json").read_text(encoding="utf-8"))["cases"]
    wanted = f"diabetes/a{alpha:g}" + ("/weights" if kind == "/weights" else f"/std1{kind or '/int1'}")
    (case,) = (case for case in cases if case["id"] == wanted)
    table = jaxreg.datasets.diabetes()
    weight, intercept = case["weights"], case["intercept"]
    place = 6
    found = convert(
        case["lambda"][place], "glmnet", "jaxreg", alpha=float(alpha), y=table.y, sample_weight=weight,
        fit_intercept=intercept,
    )  # fmt: skip
    if case["standardize"]:  # s_y is then τ, about the mean also where glmnet's is about 0
        s = np.ones(len(table.y)) if weight is None else np.array(weight)
        mean = np.average(table.y, weights=s)
        tau = np.sqrt(np.average((table.y - mean) ** 2, weights=s))
        found = convert(found.lam, "jaxreg", "jaxreg.standardize", l1_ratio=found.l1_ratio, y_scale=tau)
    fit = jaxreg.fit(
        table.X, table.y, *found, standardize=case["standardize"], sample_weight=weight, fit_intercept=intercept,
        tol=1e-14,
    )  # fmt: skip
    expected = case["coefs"][place]
    np.testing.assert_allclose(fit.coef, expected, rtol=0, atol=SAME * np.max(np.abs(expected)))


@program("adelie")
@pytest.mark.parametrize("place", range(4))
def test_stored_fits_of_adelie(place):
    stored = json.loads((REFERENCE / "adelie.json").read_text(encoding="utf-8"))
    case = stored["cases"][place]
    X, y = np.array(stored["X"]), np.array(stored["y"])
    found = convert(case["lmda"], "adelie", "jaxreg", alpha=case["alpha"])
    assert_same(ours(X, y, found), np.append(case["coef"], case["intercept"]))


@program("celer", "skglm")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ratio", [0.4, 1.0])
@pytest.mark.parametrize("name", ["celer", "skglm"])
def test_celer_and_skglm(name, ratio, data):
    peer = pytest.importorskip(name)
    X, y, _ = data
    found = convert(LAM, "jaxreg", name, l1_ratio=ratio)
    exact = {"tol": 1e-14} if name == "celer" else {"tol": 1e-13}
    model = peer.ElasticNet(alpha=found.lam, l1_ratio=found.l1_ratio, fit_intercept=True, **exact).fit(X, y)
    assert_same(np.append(model.coef_, model.intercept_), ours(X, y, Penalty(LAM, ratio)))


@program("glmstar", "glmnet_rs")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ratio", [0.4, 1.0])
@pytest.mark.parametrize("name", ["glmstar", "glmnet_rs"])
def test_glmnet_in_python(name, ratio, data):
    X, y, _ = data
    found = convert(LAM, "jaxreg", name, l1_ratio=ratio, y=y, fit_intercept=True)
    lams = np.array([2.0, 1.0]) * found.lam  # a path of one λ is no path
    if name == "glmnet_rs":
        peer = pytest.importorskip("glmnetrs")
        path = peer.glmnet(X, y, alpha=found.l1_ratio, lambda_=lams, standardize=False, thresh=1e-26, maxit=10**6)
        coef = np.append(path.beta[:, 1], path.a0[1])
    else:
        peer = pytest.importorskip("glmnet")
        control = pytest.importorskip("glmnet.paths.fastnet").FastNetControl(thresh=1e-26, maxit=10**6, fdev=0.0)
        net = peer.GaussNet(lambda_values=lams, alpha=found.l1_ratio, standardize=False, control=control).fit(X, y)
        coef = np.append(net.coefs_[1], net.intercepts_[1])
    assert_same(coef, ours(X, y, Penalty(LAM, ratio)))


@program("skein", "glum")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ratio", [0.4, 1.0])
@pytest.mark.parametrize("name", ["skein", "glum"])
def test_skein_and_glum(name, ratio, data):
    X, y, _ = data
    found = convert(LAM, "jaxreg", name, l1_ratio=ratio)
    if name == "skein":
        peer = pytest.importorskip("skein_glm")
        model = peer.ElasticNetRegressor(found.lam, found.l1_ratio, tol=1e-14, max_iter=10_000).fit(X, y)
    else:
        peer = pytest.importorskip("glum")
        options = {"l1_ratio": found.l1_ratio, "family": "normal", "gradient_tol": 1e-12, "max_iter": 10_000}
        model = peer.GeneralizedLinearRegressor(alpha=found.lam, **options).fit(X, y)
    assert_same(np.append(model.coef_, model.intercept_), ours(X, y, Penalty(LAM, ratio)))


@program("scm2cpp.GramElasticNet")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ratio", [0.4, 1.0])
def test_scm2cpp(ratio, data):
    peer = pytest.importorskip("scm2cpp_learn")
    X, y, _ = data
    found = convert(LAM, "jaxreg", "scm2cpp.GramElasticNet", l1_ratio=ratio)
    model = peer.GramElasticNet(alpha=found.lam, l1_ratio=found.l1_ratio, tol=1e-14).fit(X, y)
    assert_same(np.append(model.coef_, model.intercept_), ours(X, y, Penalty(LAM, ratio)))


@program("himalaya.Ridge")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_himalaya(data):
    ridge = pytest.importorskip("himalaya.ridge")
    X, y, _ = data
    found = convert(LAM, "jaxreg", "himalaya.Ridge", l1_ratio=0.0, n=N)
    centred = X - X.mean(axis=0)
    model = ridge.Ridge(alpha=found.lam, fit_intercept=False).fit(centred, y - y.mean())
    assert_same(np.ravel(model.coef_), ours(X, y, Penalty(LAM, 0.0))[:-1])


@program("statsmodels")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ratio", [0.4, 1.0])
def test_statsmodels(ratio, data):
    api = pytest.importorskip("statsmodels.api")
    X, y, _ = data
    found = convert(LAM, "jaxreg", "statsmodels", l1_ratio=ratio)
    alpha = found.lam * np.append(np.ones(P), 0.0)  # the constant column is not penalised
    design = np.column_stack([X, np.ones(N)])
    start = np.linalg.lstsq(design, y, rcond=None)[0]  # from 0 it drops coefficients for good in its first sweep
    model = api.OLS(y, design).fit_regularized(
        alpha=alpha, L1_wt=found.l1_ratio, cnvrg_tol=1e-14, maxiter=10_000, start_params=start
    )
    assert_same(model.params, ours(X, y, Penalty(LAM, ratio)))


def test_the_table_says_what_was_run():
    """A program in the last column has a test here; the others say that they were not run, or are formulas."""
    formulas = {
        "jaxreg",
        "jaxreg.standardize",
        *(name for name, system in SYSTEMS.items() if system.held.startswith("its own formula")),
    }
    not_run = {name for name, system in SYSTEMS.items() if system.held.startswith("not run: ")}
    assert set(PROGRAMS) == set(SYSTEMS) - formulas - not_run
    assert all(name.split(".")[0] in ("jaxreg", "ng", "islr", "esl", "document") for name in formulas)


# ------------------------------------------------------------------------------------- exact, and asked for


def pairs():
    for start, end in itertools.product(SYSTEMS.values(), repeat=2):
        if (start.l1 and end.l1) or (start.l2 and end.l2):
            yield start, end


def test_round_trips_are_exact():
    """With Fractions to the last digit; with floats each way is rounded once."""
    count = 0
    for start, end in pairs():
        if start.l1 and start.l2:
            shares = [Fraction(s) for s, ok in ((0, end.l2), (1, end.l1), ("2/7", end.l1 and end.l2)) if ok]
        else:
            only = Fraction(1 if start.l1 else 0)
            shares = [only] if (end.l1 if only else end.l2) else []
        for share in shares:
            options = {"n": Fraction(37), "y_scale": Fraction(19, 8)}
            there = convert(Fraction(3, 11), start.name, end.name, l1_ratio=share, **options)
            back = convert(there.lam, end.name, start.name, l1_ratio=there.l1_ratio, **options)
            assert back == (Fraction(3, 11), share)
            there = convert(0.3, start.name, end.name, l1_ratio=float(share), n=37, y_scale=2.3)
            back = convert(there.lam, end.name, start.name, l1_ratio=there.l1_ratio, n=37, y_scale=2.3)
            np.testing.assert_allclose(back, (0.3, float(share)), rtol=4 * np.finfo(float).eps, atol=0)
            count += 1
    assert count > 600


@pytest.mark.parametrize(
    ("source", "target", "share", "asked"),
    [
        ("sklearn.Ridge", "glmnet", None, {"n", "y_scale"}),
        ("sklearn.Ridge", "himalaya.Ridge", None, set()),
        ("sklearn.Ridge", "jaxreg", None, {"n"}),
        ("sklearn.Lasso", "glmnet", None, set()),
        ("glmnet", "spark", 0.5, set()),
        ("glmnet", "sklearn.ElasticNet", 0.5, {"y_scale"}),
        ("glmnet", "sklearn.ElasticNet", 1.0, set()),
        ("glmnet", "glmnet.family_object", 0.0, {"y_scale"}),
        ("islr.lasso", "esl.lasso", None, set()),
        ("islr.lasso", "celer", None, {"n"}),
        ("document.000.ridge", "document.002", None, set()),
        ("document.003", "document.001", None, {"n"}),
    ],
)
def test_what_changes_the_result_is_asked_for_and_nothing_else(source, target, share, asked):
    options = {"n": 40.0, "y_scale": 2.5}
    needed = {name: options[name] for name in asked}
    complete = convert(0.3, source, target, l1_ratio=share, **needed)
    assert complete == convert(0.3, source, target, l1_ratio=share, **options)
    for name in asked:
        rest = {key: value for key, value in needed.items() if key != name}
        with pytest.raises(ValueError, match=f"{name} is missing.* from {source} to {target}"):
            convert(0.3, source, target, l1_ratio=share, **rest)
        assert convert(0.3, source, target, l1_ratio=share, **rest, **{name: 3.0}) != complete  # it does change it


def test_y_gives_what_is_missing(data):
    _, y, weight = data
    by_hand = convert(1.0, "sklearn.Ridge", "glmnet", n=weight.sum(), y_scale=scales(y, weight))
    assert convert(1.0, "sklearn.Ridge", "glmnet", y=y, sample_weight=weight, fit_intercept=True) == by_hand
    about_zero = convert(1.0, "glmnet", "jaxreg", l1_ratio=0.0, y=y, fit_intercept=False)
    assert about_zero == convert(1.0, "glmnet", "jaxreg", l1_ratio=0.0, y_scale=float(np.sqrt(np.mean(y**2))))
    with pytest.raises(ValueError, match="fit_intercept is missing"):
        convert(1.0, "glmnet", "jaxreg", l1_ratio=0.0, y=y)


def test_alpha_is_what_the_source_calls_so():
    assert convert(None, "sklearn.Ridge", "jaxreg", alpha=2.0, n=4) == Penalty(0.5, 0.0)
    assert convert(0.3, "glmnet", "sklearn.ElasticNet", alpha=0.25, y_scale=1.0) == Penalty(0.3, 0.25)
    with pytest.raises(ValueError, match=r"alpha is the λ of sklearn.Lasso: give lam=1.0 or alpha=2.0, not both"):
        convert(1.0, "sklearn.Lasso", "celer", alpha=2.0)
    with pytest.raises(ValueError, match="alpha is the l1_ratio of glmnet"):
        convert(1.0, "glmnet", "celer", alpha=0.5, l1_ratio=0.5)
    with pytest.raises(ValueError, match="spark has no alpha: its λ is regParam"):
        convert(1.0, "spark", "celer", alpha=0.5)


def test_a_grid_converts_one_by_one():
    grid = convert([1.0, 0.5], "sklearn.Ridge", "jaxreg", n=10)
    np.testing.assert_array_equal(grid.lam, [0.1, 0.05])
    np.testing.assert_array_equal(grid.l1_ratio, [0.0, 0.0])


def test_no_penalty_is_no_penalty():
    assert convert(0.0, "sklearn.Ridge", "sklearn.Lasso") == Penalty(0.0, 1.0)
    assert convert(0.0, "glmnet", "jaxreg", l1_ratio=0.5) == Penalty(0.0, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, "ridge", "jaxreg"), "source 'ridge' is no system.*near: sklearn.Ridge, himalaya.Ridge"),
        ((1.0, "jaxreg", "glmnett"), "target 'glmnett' is no system.*near: glmnet"),
        ((1.0, "jaxreg", "?"), "known: jaxreg, jaxreg.standardize, sklearn.Ridge"),
        ((-1.0, "celer", "skglm"), "lam is -1.0; it has to be at least 0"),
        ((float("nan"), "celer", "skglm"), "lam is nan; give a finite number"),
        (("one", "celer", "skglm"), "lam is 'one'; give a number"),
        ((1.0, "celer", "skglm", {"l1_ratio": 1.5}), "l1_ratio is 1.5; it lies between 0"),
        ((1.0, "sklearn.Lasso", "skglm", {"l1_ratio": 0.5}), "sklearn.Lasso has no L2 part; leave it out"),
        (
            (1.0, "celer", "sklearn.Lasso", {"l1_ratio": 0.5}),
            "sklearn.Lasso has no L2 part.*sklearn.ElasticNet has both",
        ),
        ((1.0, "sklearn.Ridge", "jaxreg", {"n": 0}), "n is 0; give a positive number"),
        ((1.0, "sklearn.Ridge", "jaxreg", {"n": -3}), "n is -3; it has to be at least 0"),
        ((None, "celer", "skglm"), "lam is missing"),
    ],
)
def test_refused(arguments, message):
    *positional, options = arguments if isinstance(arguments[-1], dict) else (*arguments, {})
    with pytest.raises(ValueError, match=message):
        convert(*positional, **options)


# ------------------------------------------------------------------------------------- shown


def test_describe_prints_the_objective():
    text = str(describe("glmnet"))
    for part in ("glmnet minimises", "(1−α)/(2 s_y)", "λ2 = lambda·(1 - alpha)/s_y", "R glmnet 4.1-6"):
        assert part in text
    assert repr(describe("glmnet")) == text  # as a session shows it


def test_the_page_has_the_present_table():
    shown = PAGE.split("<!-- systems -->\n")[1].split("\n<!-- /systems -->")[0]
    assert shown == system_table()


def test_the_command(capsys):
    assert cli.main(["convert", "1", "sklearn.Ridge", "glmnet", "--n", "40", "--y-scale", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "glmnet: lambda = 0.05, alpha = 0.0"
    assert second.startswith("which minimises ½ Σ w (y − b − Xβ)²")
    assert cli.main(["convert", "1", "sklearn.Ridge", "glmnet", "--n", "40"]) == 2
    assert "y_scale is missing" in capsys.readouterr().err
    assert cli.main(["convert", "1"]) == 2
    assert "give LAM SOURCE TARGET" in capsys.readouterr().err
    assert cli.main(["convert", "--systems"]) == 0
    assert capsys.readouterr().out.strip() == system_table()

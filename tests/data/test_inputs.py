"""Bad inputs are refused by name before anything is computed, odd but right ones give the same answer bit by bit."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

import jaxreg
from jaxreg import cross_validation
from jaxreg.data.problem import check_problem
from jaxreg.engines import choose
from jaxreg.sweeps import grids

N, P = 20, 3
RNG = np.random.default_rng(17)
X = RNG.integers(0, 6, (N, P)).astype(float)  # whole numbers that every dtype holds
Y = np.round(X @ [2.0, -1.0, 0.0] + RNG.normal(size=N) * 2 + 4)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)  # numpy's own, whenever a matrix is made
    MATRIX = np.asmatrix(X)
LAM = 0.1
DOORS = {
    "fit": lambda X, y, **options: jaxreg.fit(X, y, **{"lam": LAM} | options),
    "path": lambda X, y, **options: jaxreg.path(X, y, **{"lams": [0.1, 1.0]} | options),
    "sweep": lambda X, y, **options: jaxreg.sweep(X, y, **{"lams": [0.1, 1.0], "folds": 3} | options),
}


def changed(array, index, value, dtype=None):
    array = np.array(array, dtype)
    array[index] = value
    return array


def frame(**columns):
    """X as a data frame with some columns replaced."""
    return pd.DataFrame({name: X[:, j] for j, name in enumerate("abc")} | columns)


@pytest.fixture
def refused(monkeypatch):
    """refused(error, match, ...): every function that takes these arguments raises it, before anything is computed."""

    def compute(*args, **kwargs):
        pytest.fail("computed before the inputs were checked")

    for module, name in ((choose, "solve"), (grids, "errors_of_folds"), (cross_validation, "_choices")):
        monkeypatch.setattr(module, name, compute)

    def check(error, match, X=X, y=Y, doors=tuple(DOORS), **options):
        for door in doors:
            with pytest.raises(error, match=match):
                DOORS[door](X, y, **options)

    return check


# ── arrays; the numbers are those of the table of bad inputs that the project started from ──

NAN, INF = np.nan, np.inf
BAD_X = {
    "1 NaN": (changed(X, (4, 1), NAN), ValueError, r"X at row 4, column 1 is a missing value \(NaN\); drop or fill in"),
    "1 NaN, frame": (frame(b=changed(X[:, 1], 4, NAN)), ValueError, r"X at row 4, column 'b' is a missing value"),
    "1 two NaN": (changed(X, (slice(4, 6), 1), NAN), ValueError, r"X at row 4, column 1 .* 2 entries are not finite"),
    "1 null, polars": (pl.DataFrame({"a": [1.0, None] * 10, "b": Y}), ValueError, r"X at row 1, column 'a' is"),
    "2 inf": (changed(X, (0, 2), INF), ValueError, r"X at row 0, column 2 is infinite"),
    "2 -inf": (changed(X, (19, 0), -INF), ValueError, r"X at row 19, column 0 is infinite"),
    "4 no rows": (X[:0], ValueError, r"X has 0 rows and 3 columns"),
    "4 no columns": (X[:, :0], ValueError, r"X has 20 rows and 0 columns"),
    "4 empty list": ([], ValueError, r"X must be a table \(n, p\)"),
    "7 one dimension": (X[:, 0], ValueError, r"X must be a table.*shape \(20,\).*X\.reshape\(-1, 1\)"),
    "7 three dimensions": (X[None], ValueError, r"X holds 1 data sets, tables \(n, p\), and y is of 20; give"),
    "7 a number": (3.0, ValueError, r"X must be a table"),
    "13 1e300": (X * 1e300, ValueError, r"X at row .*, column . is .*e\+300: values too large.*float64.*Divide X by"),
    "13 one entry": (changed(X, (3, 2), -1e200), ValueError, r"X at row 3, column 2 is -1e\+200: values too large"),
    "18 float32 1e30": (np.float32(X) * np.float32(1e30), ValueError, r"X at row .* too large.*float32.*use float64"),
    "20 text": (changed(X, (2, 0), "abc", object), ValueError, r"X at row 2, column 0 is 'abc', which is not a number"),
    "20 text array": (changed(X.astype(str), (2, 0), "x"), ValueError, r"X at row 2, column 0 is .*'x'.*not a number"),
    "21 None": (changed(X, (2, 1), None, object), ValueError, r"X at row 2, column 1 is a missing value"),
    "21 pd.NA": (frame(b=pd.array([pd.NA, *Y[1:]], "Int64")), ValueError, r"X at row 0, column 'b' is a missing value"),
    "22 ragged rows": ([[1.0, 2.0], [3.0]] * 10, ValueError, r"X is not a rectangular array"),
    "24 complex": (X + 0j, ValueError, r"Complex data not supported: X has dtype complex128"),
    "28 masked": (np.ma.masked_equal(X, 0), TypeError, r"X is a masked array"),
    "29 np.matrix": (MATRIX, TypeError, r"X is a np.matrix; use np.asarray\(X\)"),
    "33 two columns of one name": (pd.DataFrame(X, columns=["a", "b", "a"]), ValueError, r"X has 2 columns named 'a'"),
    "33 names not text": (pd.DataFrame(X, columns=["a", "b", 3]), ValueError, r"X has the column name 3.*must be text"),
    "34 category": (frame(b=pd.Categorical(["u", "v"] * 10)), ValueError, r"X column 'b' has dtype category; encode"),
    "34 datetime": (frame(c=pd.date_range("2024", periods=N)), ValueError, r"X column 'c' has dtype datetime64"),
    "34 date, polars": (pl.DataFrame({"d": pd.date_range("2024", periods=N).values}), ValueError, r"X column 'd'"),
    "34 datetime array": (np.zeros((N, 2), "M8[s]"), ValueError, r"X has dtype datetime64.*encode"),
}  # fmt: skip


@pytest.mark.parametrize("row", BAD_X)
def test_bad_X(refused, row):
    value, error, match = BAD_X[row]
    refused(error, match, X=value)


BAD_Y = {
    "3 NaN": (changed(Y, 5, NAN), ValueError, r"y at row 5 is a missing value \(NaN\)"),
    "3 NaN in a table": (changed(np.stack([Y, Y], 1), (5, 1), NAN), ValueError, r"y at row 5, column 1 is a missing"),
    "3 inf": (changed(Y, 0, -INF), ValueError, r"y at row 0 is infinite"),
    "16 1e300": (Y * 1e300, ValueError, r"y at row .* values too large, their squares overflow float64. Divide y by"),
    "17 1e-300": (Y * 1e-300, ValueError, r"y is at most .*e-2\d\d: its squares vanish in float64. Multiply y by"),
    "20 text": (changed(Y, 3, "low", object), ValueError, r"y at row 3 is 'low', which is not a number"),
    "21 None": (changed(Y, 3, None, object), ValueError, r"y at row 3 is a missing value"),
    "22 fewer rows": (Y[:-1], ValueError, r"X has 20 rows but y has 19"),
    "22 more rows": (np.append(Y, 1), ValueError, r"X has 20 rows but y has 21"),
    "7 a number": (1.0, ValueError, r"y must be \(n,\) or \(n, t\); got shape \(\)"),
    "7 three dimensions": (Y[:, None, None], ValueError, r"y must be \(n,\) or \(n, t\); got shape \(20, 1, 1\)"),
    "4 no targets": (np.zeros((N, 0)), ValueError, r"y must be \(n,\) or \(n, t\); got shape \(20, 0\)"),
    "24 complex": (Y + 0j, ValueError, r"Complex data not supported: y has dtype complex128"),
    "28 masked": (np.ma.masked_equal(Y, 0), TypeError, r"y is a masked array"),
    "29 np.matrix": (MATRIX[:, :1], TypeError, r"y is a np.matrix"),
    "30 sparse": (scipy.sparse.csr_matrix(Y[:, None]), TypeError, r"y is a sparse matrix.*y\.toarray\(\)"),
    "34 datetime": (pd.Series(pd.date_range("2024", periods=N)), ValueError, r"y has dtype datetime64.*encode"),
}


@pytest.mark.parametrize("row", BAD_Y)
def test_bad_y(refused, row):
    value, error, match = BAD_Y[row]
    refused(error, match, y=value)


# ── weights, penalties, cross-validation ──

ONES = np.ones(N)
BAD_OPTIONS = {
    "22 weights too short": ("sample_weight", ONES[:-1], r"sample_weight must have shape \(20,\); got \(19,\)"),
    "36 all zero": ("sample_weight", 0 * ONES, r"sample_weight is 0 everywhere; at least one row must count"),
    "36 the number 0": ("sample_weight", 0.0, r"sample_weight is 0 everywhere"),
    "37 negative": ("sample_weight", changed(ONES, 3, -1), r"sample_weight\[3\] is -1; weights must be at least 0"),
    "38 NaN": ("sample_weight", changed(ONES, 2, NAN), r"sample_weight\[2\] is a missing value"),
    "38 inf": ("sample_weight", changed(ONES, 2, INF), r"sample_weight\[2\] is infinite"),
    "38 two dimensions": ("sample_weight", ONES[:, None], r"sample_weight must have shape \(20,\); got \(20, 1\)"),
    "38 text": ("sample_weight", changed(ONES, 0, "w", object), r"sample_weight\[0\] is 'w', which is not a number"),
    "24 complex": ("sample_weight", ONES + 0j, r"Complex data not supported: sample_weight"),
    "41 l1_ratio 1.5": ("l1_ratio", 1.5, r"l1_ratio is 1.5; it must be a number from 0 \(ridge\) to 1 \(lasso\)"),
    "41 l1_ratio -0.1": ("l1_ratio", -0.1, r"l1_ratio is -0.1"),
    "41 l1_ratio NaN": ("l1_ratio", NAN, r"l1_ratio is nan"),
    "41 l1_ratio text": ("l1_ratio", "a", r"l1_ratio is 'a'"),
    "41 l1_ratio None": ("l1_ratio", None, r"l1_ratio is None"),
    "41 l1_ratio True": ("l1_ratio", True, r"l1_ratio is True"),
    "41 max_iter 0": ("max_iter", 0, r"max_iter is 0; it must be a whole number of at least 1"),
    "41 max_iter 1.5": ("max_iter", 1.5, r"max_iter is 1.5; it must be a whole number"),
    "41 max_iter None": ("max_iter", None, r"max_iter is None"),
    "41 tol -1": ("tol", -1, r"tol is -1; it must be a positive number"),
    "41 tol 0": ("tol", 0.0, r"tol is 0.0; it must be a positive number"),
    "41 tol NaN": ("tol", NAN, r"tol is nan"),
    "41 tol text": ("tol", "small", r"tol is 'small'"),
    "18 dtype float16": ("dtype", "float16", r"dtype is 'float16'; it must be float32, float64 or None"),
    "18 dtype int": ("dtype", int, r"dtype is .*int.*; it must be float32, float64 or None"),
    "device": ("device", "abacus", r"device='abacus' is not available"),
    "51 factors too short": ("penalty_factor", [1.0, 2.0], r"penalty_factor must have shape \(3,\); got \(2,\)"),
    "51 negative factor": ("penalty_factor", [1, -0.5, 1], r"penalty_factor\[1\] is -0.5; weights must be at least 0"),
    "51 all factors 0": ("penalty_factor", [0, 0, 0], r"penalty_factor is 0 everywhere; use lam=0"),
    "51 factor NaN": ("penalty_factor", [1, 1, NAN], r"penalty_factor\[2\] is a missing value"),
    "51 factor -inf": ("penalty_factor", [1, 1, -INF], r"penalty_factor\[2\] is -inf; weights must be at least 0"),
    "51 lower > 0": ("lower", [0, 0.5, 0], r"lower\[1\] is 0.5; bounds must enclose 0 \(lower ≤ 0 ≤ upper\)"),
    "51 lower a number > 0": ("lower", 1.0, r"lower\[0\] is 1; bounds must enclose 0"),
    "51 upper < 0": ("upper", [1, 1, -2], r"upper\[2\] is -2; bounds must enclose 0"),
    "51 lower NaN": ("lower", [0, NAN, 0], r"lower\[1\] is NaN; use ±inf for no bound"),
    "51 upper too long": ("upper", [1.0] * 4, r"upper must be a number or have shape \(3,\); got \(4,\)"),
}


@pytest.mark.parametrize("row", BAD_OPTIONS)
def test_bad_option(refused, row):
    name, value, match = BAD_OPTIONS[row]
    refused(ValueError, match, **{name: value})


BAD_PENALTIES = {
    "39 negative": ("lam", -1, r"lam is -1.0; a penalty must be finite and at least 0"),
    "39 NaN": ("lam", NAN, r"lam is nan; a penalty must be finite"),
    "39 inf": ("lam", INF, r"lam is inf; a penalty must be finite"),
    "39 None": ("lam", None, r"lam is"),
    "39 text": ("lam", "strong", r"lam is .*'strong'.*, which is not a number"),
    "39 a list": ("lam", [0.1, 1.0], r"lam must be a number; got shape \(2,\). For several λs use path\(\)"),
    "44 empty": ("lams", [], r"lams must be a whole number or a list of at least one λ"),
    "44 no λs": ("lams", 0, r"lams=0: an automatic grid needs at least one λ"),
    "44 -5 λs": ("lams", -5, r"lams=-5: an automatic grid needs at least one λ"),
    "44 2.5 λs": ("lams", 2.5, r"lams must be a whole number or a list"),
    "44 True": ("lams", True, r"lams must be a whole number or a list"),
    "45 NaN": ("lams", [1.0, NAN], r"lams\[1\] is nan; a penalty must be finite"),
    "45 negative": ("lams", [1.0, 0.5, -0.1], r"lams\[2\] is -0.1; a penalty must be finite and at least 0"),
    "45 inf": ("lams", [INF], r"lams\[0\] is inf"),
    "45 two dimensions": ("lams", [[1.0, 2.0]], r"lams must be a whole number or a list.*shape \(1, 2\)"),
    "41 eps 0": ("eps", 0.0, r"eps is 0.0; it must be a positive number below 1"),
    "41 eps 1": ("eps", 1.0, r"eps is 1.0; it must be a positive number below 1"),
}


@pytest.mark.parametrize("row", BAD_PENALTIES)
def test_bad_penalty(refused, row):
    name, value, match = BAD_PENALTIES[row]
    refused(ValueError, match, doors=("fit",) if name == "lam" else ("path", "sweep"), **{name: value})


def test_one_lam_a_target_is_counted(refused):
    refused(ValueError, r"lam must be a number or one for each of the 2 targets; got shape \(3,\)",
            y=np.stack([Y, Y], 1), doors=["fit"], lam=[1.0, 2.0, 3.0])  # fmt: skip


BAD_FOLDS = {
    "5 one row": (1, 10, r"folds=10: there must be at least 2 folds and at most as many as rows \(1\)"),
    "47 more folds than rows": (N, 21, r"folds=21: .*at most as many as rows \(20\)"),
    "47 no folds": (N, 0, r"folds=0"),
    "47 one fold": (N, 1, r"folds=1: there must be at least 2 folds"),
    "48 labels too short": (N, np.zeros(19), r"folds must be a whole number, \(20,\) labels"),
    "48 one label missing": (N, changed(np.arange(N) % 2.0, 7, NAN), r"folds\[7\] is missing \(NaN\)"),
    "49 fold of weight 0": (
        N,
        np.where(np.arange(N) < 10, np.arange(N) % 2 * 2, 1),
        r"fold 1 holds out no row of positive weight",
    ),
}


@pytest.mark.parametrize("row", BAD_FOLDS)
def test_bad_folds(refused, row):
    n, folds, match = BAD_FOLDS[row]
    refused(ValueError, match, X[:n], Y[:n], ["sweep"], folds=folds, sample_weight=np.where(np.arange(n) < 10, 1.0, 0))


ZERO_D = {"NumPy": np.array, "JAX": lambda value: jnp.asarray(value)}


@pytest.mark.parametrize("make", ZERO_D.values(), ids=ZERO_D)
def test_an_array_without_axes_is_a_number(make):
    fitted = jaxreg.fit(X, Y, make(0.5), make(0.5), tol=make(0.25), max_iter=make(100), lower=make(-8.0))
    expected = jaxreg.fit(X, Y, 0.5, 0.5, tol=0.25, max_iter=100, lower=-8.0)
    assert fitted.coef.tolist() == expected.coef.tolist()
    swept = jaxreg.sweep(X, Y, make(3), make(0.5), make(4), seed=make(2), eps=make(0.25))
    expected = jaxreg.sweep(X, Y, 3, 0.5, 4, seed=2, eps=0.25)
    assert swept.fold_mse.tolist() == expected.fold_mse.tolist()
    for name, value in (("l1_ratio", 1.5), ("l1_ratio", True), ("tol", -1.0), ("max_iter", 0)):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            jaxreg.fit(X, Y, 0.5, **{name: make(value)})


def test_no_l1_ratio(refused):
    refused(ValueError, "l1_ratio is empty", doors=["sweep"], l1_ratio=[])
    refused(ValueError, "l1_ratio is 2", doors=["sweep"], l1_ratio=[0.5, 2])


# ── tracers ──


@pytest.mark.parametrize("door", DOORS)
def test_a_tracer_is_sent_to_the_pure_twin(door):
    twin = r"pure twin: jaxreg\.solvers\.fit, jaxreg\.solvers\.path or jaxreg\.sweeps\.cross_validate"
    for transform in (jax.jit, jax.vmap):
        with pytest.raises(TypeError, match=f"X is being traced.*{twin}"):
            transform(lambda X: DOORS[door](X, Y))(jnp.asarray(X)[None])
        with pytest.raises(TypeError, match=f"y is being traced.*{twin}"):
            transform(lambda y: DOORS[door](X, y))(jnp.asarray(Y)[None])


@pytest.mark.parametrize("name", ["lam", "l1_ratio", "sample_weight", "penalty_factor", "lower"])
def test_a_tracer_as_an_option_is_sent_to_the_pure_twin(name):
    with pytest.raises(TypeError, match="pure twin"):
        jax.grad(lambda value: DOORS["fit"](X, Y, **{name: value}).coef.sum())(0.5)


# ── odd but right ──


@pytest.fixture(scope="module")
def usual():
    return jaxreg.fit(X, Y, LAM)


def same(found, usual):
    """To rounding: products are summed in another order where the columns lie one after the other in memory."""
    for a, b in zip(jax.tree.leaves(found.params), jax.tree.leaves(usual.params), strict=True):
        assert a.dtype == b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=1e-13)
    np.testing.assert_allclose(found.scale, usual.scale, rtol=1e-14)
    assert found.converged


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


SAME_X = {
    "25 Fortran order": np.asfortranarray(X),
    "25 read-only": read_only(X),
    "25 negative strides": X[::-1, ::-1].copy()[::-1, ::-1],
    "25 every second column": np.repeat(X, 2, axis=1)[:, ::2],
    "26 big-endian": X.astype(">f8"),
    "27 int8": X.astype(np.int8),
    "27 int64": X.astype(np.int64),
    "27 uint64": X.astype(np.uint64),
    "27 big-endian int": X.astype(">i4"),
    "27 float16": X.astype(np.float16),
    "27 longdouble": X.astype(np.longdouble),
    "20 object numbers": X.astype(object),
    "20 numeric text": X.astype(str),
    "20 mixed numbers and text": changed(X.astype(object), (0, 0), str(X[0, 0]), object),
    "lists": X.tolist(),
    "pandas": pd.DataFrame(X, columns=list("abc")),
    "pandas, integers": pd.DataFrame(X.astype(int), columns=list("abc")),
    "pandas, nullable": pd.DataFrame(X.astype(int), columns=list("abc")).astype("Int64"),
    "pandas, mixed": frame(b=X[:, 1].astype(int), c=pd.array(X[:, 2], "Float64")),
    "polars": pl.DataFrame(X, schema=list("abc")),
    "polars, mixed": pl.DataFrame({"a": X[:, 0].astype(int), "b": X[:, 1], "c": X[:, 2].astype(np.int8)}),
}


@pytest.mark.parametrize("kind", SAME_X)
def test_X_of_any_kind_gives_the_same_answer(kind, usual):
    found = jaxreg.fit(SAME_X[kind], Y, LAM)
    same(found, usual)
    assert found.feature_names == (("a", "b", "c") if kind.startswith("p") else None)


SAME_Y = {
    "25 read-only": read_only(Y),
    "25 negative strides": Y[::-1].copy()[::-1],
    "26 big-endian": Y.astype(">f8"),
    "27 int32": Y.astype(np.int32),
    "27 float16": Y.astype(np.float16),
    "20 object": Y.astype(object),
    "20 text": Y.astype(str),
    "list": Y.tolist(),
    "pandas": pd.Series(Y),
    "pandas with another index": pd.Series(Y, index=np.arange(N)[::-1]),
    "polars": pl.Series(Y),
}


@pytest.mark.parametrize("kind", SAME_Y)
def test_y_of_any_kind_gives_the_same_bits(kind, usual):
    same(jaxreg.fit(X, SAME_Y[kind], LAM), usual)


def test_23_a_column_as_y_gives_a_column_of_coefficients(usual):
    for column in (Y[:, None], pd.DataFrame({"y": Y}), pl.DataFrame({"y": Y})):
        found = jaxreg.fit(X, column, LAM)
        assert found.coef.shape == (P, 1)
        assert found.intercept.shape == found.gap.shape == found.converged.shape == found.n_iter.shape == (1,)
        np.testing.assert_allclose(found.coef[:, 0], usual.coef, rtol=0, atol=1e-13)
        assert found.predict(X).shape == (N, 1)


def test_27_booleans():
    flags = X > 2
    same(jaxreg.fit(flags, Y, LAM), jaxreg.fit(flags.astype(float), Y, LAM))


def test_27_large_integers_do_not_overflow(usual):
    """The squares of these are beyond int64. Standardised, the coefficients are those of X, in other units."""
    found = jaxreg.fit((X * 2**40).astype(np.int64), Y, LAM)
    np.testing.assert_allclose(found.coef * 2**40, usual.coef, rtol=1e-12, atol=1e-14)


def test_inputs_are_not_modified():
    given = {"X": X.copy(), "y": Y.copy(), "sample_weight": np.ones(N)}
    before = {name: value.tobytes() for name, value in given.items()}
    jaxreg.fit(**given, lam=LAM)
    assert {name: value.tobytes() for name, value in given.items()} == before
    given = {"penalty_factor": np.ones(P), "lower": np.full(P, -9.0), "upper": np.full(P, 9.0), "sample_weight": ONES}
    before = {name: value.tobytes() for name, value in given.items()}
    checked = check_problem(X, Y, **given)
    assert checked.lower.tolist() == [-9.0] * P
    assert {name: value.tobytes() for name, value in given.items()} == before


def test_19_float64_stays_float64_although_jax_is_in_32_bit_mode(usual):
    """1 + 1e-12 is 1 in float32."""
    assert usual.coef.dtype == usual.intercept.dtype == usual.scale.dtype == np.float64
    moved = jaxreg.fit(X, Y + 1e-12, LAM)
    np.testing.assert_allclose(moved.intercept - usual.intercept, 1e-12, rtol=0.01)
    assert jnp.ones(1).dtype == np.float32


def test_5_one_row():
    found = jaxreg.fit(X[:1], Y[:1], LAM)
    assert not np.any(found.coef)
    assert found.intercept == Y[0]
    assert found.converged


def test_6_one_column():
    found = jaxreg.fit(X[:, :1], Y, lam=0.1, standardize=False)
    x, y = X[:, 0] - X[:, 0].mean(), Y - Y.mean()
    correlation = x @ y / N
    expected = np.sign(correlation) * max(abs(correlation) - 0.1, 0) / (x @ x / N)
    np.testing.assert_allclose(found.coef, [expected], rtol=1e-12)


def test_8_a_constant_column_has_coefficient_0():
    for value in (0.0, 7.0, 1e-200, 0.1):
        found = jaxreg.fit(changed(X, (slice(None), 1), value), Y, LAM)
        assert found.coef[1] == 0
        assert found.scale[1] == 1
        assert found.converged
        assert np.all(found.coef[[0]] != 0)


def test_9_only_constant_columns():
    found = jaxreg.fit(np.broadcast_to([1.0, 0, -3], (N, P)), Y, LAM)
    assert not np.any(found.coef)
    np.testing.assert_allclose(found.intercept, Y.mean(), rtol=1e-15)
    assert found.converged


@pytest.mark.parametrize("value", [0.0, 5.0, -0.1])
def test_10_constant_y(value):
    """And an automatic grid of finite positive λs all the same."""
    found = jaxreg.path(X, np.full(N, value), lams=3)
    np.testing.assert_allclose(found.lams, [1, 1e-2, 1e-4], rtol=1e-12)
    assert not np.any(found.coef)
    np.testing.assert_allclose(found.intercept, value, rtol=1e-15)
    assert found.converged.all()
    assert found.gap.max() <= 1e-30


def test_11_duplicate_columns():
    """Ridge shares equally; how the lasso shares is nobody's business, but the sum and the fit are those of one."""
    a, b = np.random.default_rng(5).normal(size=(2, N))
    y = 2 * a - b + Y
    twice, once = np.stack([a, a, b], 1), np.stack([a, 0 * a, b], 1)
    lasso, alone = jaxreg.fit(twice, y, LAM), jaxreg.fit(once, y, LAM)
    np.testing.assert_allclose(lasso.coef[0] + lasso.coef[1], alone.coef[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(lasso.predict(twice), alone.predict(once), rtol=0, atol=1e-12)
    ridge = jaxreg.fit(twice, y, LAM, l1_ratio=0)
    np.testing.assert_allclose(ridge.coef[0], ridge.coef[1], rtol=0, atol=1e-12)


def test_12_more_columns_than_rows_without_penalty():
    """λ = 0 takes the interpolating fit of least Σ σ_j² w_j², to which ridge goes as λ → 0."""
    X, y = np.random.default_rng(6).normal(size=(8, 20)) * np.geomspace(0.1, 10, 20), Y[:8]
    found = jaxreg.fit(X, y, lam=0)
    scale, centred = X.std(axis=0), X - X.mean(axis=0)
    expected = np.linalg.pinv(centred / scale) @ (y - y.mean()) / scale
    np.testing.assert_allclose(found.coef, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    np.testing.assert_allclose(found.predict(X), y, rtol=0, atol=1e-12 * np.abs(y).max())
    assert found.converged


@pytest.mark.parametrize("factor", [1e150, 1e-150, 2.0**300])
def test_14_units_of_X_do_not_matter_when_standardised(factor, usual):
    found = jaxreg.fit(X * factor, Y, LAM)
    np.testing.assert_allclose(found.coef * factor, usual.coef, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.intercept, usual.intercept, rtol=1e-12)
    assert found.converged


@pytest.mark.parametrize("factor", [1e-200, 1e-300])
def test_15_nor_do_very_small_units(factor, usual):
    found = jaxreg.fit(X * factor, Y, LAM)
    np.testing.assert_allclose(found.coef * factor, usual.coef, rtol=1e-12)
    assert found.converged


@pytest.mark.parametrize("factor", [1e-150, 1e-300])
def test_15_without_standardisation_the_penalty_dominates(factor):
    found = jaxreg.fit(X * factor, Y, LAM, standardize=False)
    assert not np.any(found.coef)
    assert found.converged


def test_14_large_X_without_standardisation_and_with_its_penalty(usual):
    plain = jaxreg.fit(X, Y, LAM, standardize=False)
    found = jaxreg.fit(X * 1e150, Y, LAM * 1e150, standardize=False)
    np.testing.assert_allclose(found.coef * 1e150, plain.coef, rtol=1e-12)
    assert found.converged


def test_14_a_penalty_below_rounding_is_never_silently_wrong():
    """λ is 1e-151 of λ_max: least squares, or a warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = jaxreg.fit(X * 1e150, Y, LAM, standardize=False)
    expected = np.linalg.lstsq(X - X.mean(axis=0), Y - Y.mean(), rcond=None)[0]
    np.testing.assert_allclose(found.coef * 1e150, expected, rtol=1e-10)
    assert found.converged or [str(w.category.__name__) for w in caught] == ["ConvergenceWarning"]


@pytest.mark.parametrize("factor", [1e150, 1e-140])
def test_16_units_of_y_do_not_matter(factor, usual):
    found = jaxreg.fit(X, Y * factor, LAM * factor)
    np.testing.assert_allclose(found.coef / factor, usual.coef, rtol=1e-12, atol=1e-15)
    assert found.converged


def test_38_a_number_or_huge_weights_are_weights_of_one():
    plain = jaxreg.fit(X, Y, LAM, sample_weight=ONES)
    for weights in (3.0, 2.0**900 * ONES, 2.0**-900 * ONES, [1] * N, ONES.astype(int)):
        found = jaxreg.fit(X, Y, LAM, sample_weight=weights)
        np.testing.assert_allclose(found.coef, plain.coef, rtol=0, atol=1e-13)
        assert found.converged


def test_40_lam_0_of_the_lasso_is_least_squares():
    found = jaxreg.fit(X, Y, lam=0)
    expected = np.linalg.lstsq(np.column_stack([np.ones(N), X]), Y, rcond=None)[0]
    np.testing.assert_allclose(np.append(found.intercept, found.coef), expected, rtol=1e-12)
    assert found.converged


@pytest.mark.parametrize("lam", ["1", True])
def test_39_lam_must_be_a_number(lam):
    with pytest.raises((TypeError, ValueError), match="lam is"):
        jaxreg.fit(X, Y, lam)


def test_38_weights_whose_sum_overflows(refused):
    refused(ValueError, "sample_weight adds up to more than float64 holds", sample_weight=1e308 * ONES)


def test_28_masked_weights():
    with pytest.raises(TypeError, match="sample_weight is a masked array"):
        jaxreg.fit(X, Y, LAM, sample_weight=np.ma.masked_array(ONES, np.arange(N) < 5))


# ── new rows ──


def test_31_and_32_predict_wants_the_columns_of_the_fit():
    table = frame()
    found = jaxreg.fit(table, Y, LAM)
    expected = X @ found.coef + found.intercept
    np.testing.assert_array_equal(found.predict(table), expected)
    np.testing.assert_array_equal(found.predict(X), expected)
    np.testing.assert_array_equal(found.predict(pl.DataFrame(table.to_dict("list"))), expected)
    with pytest.raises(ValueError, match="right columns in another order"):
        found.predict(table[["b", "a", "c"]])
    with pytest.raises(ValueError, match=r"X lacks the columns \['b'\] and has the unknown columns \['z'\]"):
        found.predict(table.rename(columns={"b": "z"}))
    with pytest.raises(ValueError, match=r"X lacks the columns \['c'\]"):
        found.predict(table[["a", "b"]])
    with pytest.raises(ValueError, match="X has 2 columns, but the model was fitted on 3"):
        found.predict(X[:, :2])
    with pytest.raises(ValueError, match=r"X at row 1, column 2 is a missing value"):
        found.predict(changed(X, (1, 2), NAN))
    with pytest.raises(ValueError, match=r"X must be a table"):
        found.predict(X[0])
    with pytest.raises(ValueError, match=r"X has 0 rows"):
        found.predict(X[:0])


def test_34_a_text_column_of_a_frame_is_named(refused):
    refused(ValueError, "column 'b' is 'low'", X=frame(b=["low", "high"] * 10))


def test_a_bound_of_1e300_is_none():
    """A nonnegative least squares fit whose other side is 1e300 is the one without that side, gap included."""
    X, y = np.eye(4)[:, :2] + 1.0, np.array([1.0, -2.0, 3.0, 0.5])
    free, huge = (jaxreg.fit(X, y, 0.0, lower=0.0, upper=upper) for upper in (None, 1e300))
    np.testing.assert_array_equal(huge.coef, free.coef)
    assert huge.gap == free.gap
    with jax.enable_x64(True):
        pure = [jaxreg.solvers.fit(X, y, 0.0, lower=lower, upper=1e300) for lower in (-np.inf, -1e300)]
    np.testing.assert_array_equal(pure[0].gap, pure[1].gap)

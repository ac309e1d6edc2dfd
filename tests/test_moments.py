"""Moments as users have them: made in batches, added, saved, and in place of rows in the doors."""

import re
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

import jaxreg
from jaxreg.sweeps.folds import fold_labels

N, P, K = 120, 5, 4


def table(t=1, offset=3.0):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)) + offset
    Y = X @ rng.normal(size=(P, t)) + rng.normal(size=(N, t)) - 5.0
    return X, Y[:, 0] if t == 1 else Y, rng.uniform(0.5, 2, N)


def in_folds(X, y, s):
    labels = fold_labels(N, K, 0)
    return [jaxreg.moments(X[labels == k], y[labels == k], s[labels == k]) for k in range(K)]


def assert_close(found, expected, names, rtol=1e-10):
    """To ten digits of the largest."""
    for name in names:
        a, b = (np.asarray(getattr(result, name), float) for result in (found, expected))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max(), err_msg=name)


PATH = ("lams", "coef", "intercept", "df", "n_nonzero", "scale", "y_scale")
OPTIONS = {
    "lasso": {},
    "one-sided": {"lower": 0.0, "penalty_factor": np.arange(1.0, P + 1)},
    "net": {"l1_ratio": 0.5},
    "ridge": {"l1_ratio": 0.0},
    "ridge, a column free": {"l1_ratio": 0.0, "penalty_factor": [0.0, 1, 1, 1, 1]},
    "left out": {"penalty_factor": [1.0, np.inf, 1, 1, 1]},
    "not standardised, no intercept": {"standardize": False, "fit_intercept": False},
    "with least squares": {"lams": [1.0, 0.0, 0.1]},
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("t", [1, 2])
def test_a_path_is_that_of_the_rows(name, t):
    X, Y, s = table(t)
    options = {"lams": 8, **OPTIONS[name]}
    found = jaxreg.path(moments=sum(in_folds(X, Y, s)), **options)
    assert found.converged.all()
    assert_close(found, jaxreg.path(X, Y, sample_weight=s, **options), PATH)


def test_a_fit_is_scikit_learns():
    X, y, s = table()
    m = jaxreg.moments(X, y, s)
    found = jaxreg.fit(moments=m, lam=0.2, standardize=False)
    theirs = Lasso(alpha=0.2, tol=1e-14, max_iter=100_000).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(found.coef, theirs.coef_, rtol=1e-8, atol=1e-9)  # their stopping rule leaves 1e-9
    ridge = jaxreg.fit(moments=m, lam=0.2, l1_ratio=0.0, standardize=False)
    theirs = Ridge(alpha=0.2 * s.sum(), tol=1e-14).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(ridge.coef, theirs.coef_, rtol=1e-10)
    np.testing.assert_allclose(ridge.intercept, theirs.intercept_, rtol=1e-10)


@pytest.mark.parametrize("name", ["lasso", "net", "ridge", "left out"])
@pytest.mark.parametrize("measure", ["mse", "r2"])
def test_a_sweep_is_that_of_the_rows(name, measure):
    X, y, s = table()
    options = {"lams": 12, "measure": measure, **OPTIONS[name]}
    found = jaxreg.sweep(moments_by_fold=in_folds(X, y, s), **options)
    expected = jaxreg.sweep(X, y, folds=K, seed=0, sample_weight=s, **options)
    assert found.converged
    assert_close(found, expected, ("lams", "fold_mse", "fold_r2", "mean_mse", "se_mse", "mean_r2", "se_r2"))
    assert_close(found.path, expected.path, PATH)
    assert found.best.index.tolist() == expected.best.index.tolist()
    assert found.one_se.index.tolist() == expected.one_se.index.tolist()
    assert found.extended == expected.extended


def test_a_sweep_of_targets_and_ratios():
    X, Y, s = table(2)
    options = {"lams": 6, "l1_ratio": [0.5, 1.0]}
    found = jaxreg.sweep(moments_by_fold=in_folds(X, Y, s), **options)
    expected = jaxreg.sweep(X, Y, folds=K, sample_weight=s, **options)
    assert_close(found, expected, ("fold_mse", "mean_mse", "se_mse"))


def test_batches_of_any_size_in_any_order():
    X, y, s = table(offset=1e6)
    whole = jaxreg.moments(X, y, s)
    exact = np.cov(X.astype(np.longdouble), rowvar=False, aweights=s, ddof=0) * s.sum()
    for size in (1, 7, N):
        starts = np.random.default_rng(size).permutation(np.arange(0, N, size))
        m = jaxreg.Moments.from_batches((X[i : i + size], y[i : i + size], s[i : i + size]) for i in starts)
        assert (m.n_rows, m.flat) == (N, True)
        np.testing.assert_allclose(m.weight, whole.weight, rtol=1e-14)
        # Means of 1e6 hide what is below ε 1e6 = 2e-10: the unit says so.
        np.testing.assert_allclose(m.xx, exact.astype(float), rtol=1e-8, atol=1e-8)
        assert size == N or m.unit > whole.unit


def test_taken_away_and_what_it_costs():
    X, y, _ = table()
    whole, part = jaxreg.moments(X, y), jaxreg.moments(X[:90], y[:90])
    rest = whole - part
    expected = jaxreg.moments(X[90:], y[90:])
    assert_close(rest, expected, ("weight", "x_mean", "y_mean", "xx", "xy", "yy"), rtol=1e-12)
    assert rest.n_rows == 30
    assert rest.unit > whole.unit
    with pytest.raises(ValueError, match=r"90 rows of weight 90 cannot be taken from 90 of weight 90"):
        part - part
    with pytest.raises(ValueError, match="would have a negative sum of squares"):
        whole - jaxreg.moments(100 * X[:90], y[:90])


def test_rounding_that_is_left_of_much_larger_sums_is_no_fault_of_the_rows():
    X, y, _ = table()
    one = jaxreg.moments(X, y) - jaxreg.moments(X[1:], y[1:])  # a single row has no variance
    assert (one.n_rows, np.array_equal(one.xx, one.xx.T)) == (1, True)
    scale = np.abs(jaxreg.moments(X, y).xx).max()
    np.testing.assert_allclose(one.xx / scale, 0.0, atol=1e-13)
    both = jaxreg.moments(np.r_[X, 1e9 * X], np.r_[y, 1e9 * y])
    rest = both - jaxreg.moments(1e9 * X, 1e9 * y)
    assert rest.unit == 1.0  # nothing of it is known
    along, across = np.tile([[1.0, 1.0], [-1.0, -1.0]], (5, 1)), np.array([[1.0, -1.0], [-1.0, 1.0]])
    with pytest.raises(ValueError, match="no rows have such moments"):  # and this is more than rounding
        jaxreg.moments(along, np.zeros(10)) - jaxreg.moments(across, np.zeros(2))


def test_sums_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"weight is 0; it must be positive"):
        jaxreg.Moments.from_sums(0, [0.0], 0.0, [[0.0]], [0.0], 0.0)
    with pytest.raises(ValueError, match=r"x has shape \(\); with 1 columns and 1 targets it must be \(1,\)"):
        jaxreg.Moments.from_sums(3, 1.0, 0.0, [[1.0]], [0.0], 1.0)
    with pytest.raises(ValueError, match=r"xy has shape \(1, 1\); with 2 columns and 1 targets it must be \(2, 1\)"):
        jaxreg.Moments.from_sums(3, [1.0, 2.0], 0.0, np.eye(2), [0.0], 1.0)
    with pytest.raises(TypeError, match="batches is a int; an iterable"):
        jaxreg.Moments.from_batches(3)
    with pytest.raises(TypeError, match="moments_by_fold is a Moments; a list of Moments is needed"):
        jaxreg.sweep(moments_by_fold=jaxreg.moments(*table()[:2]))


def test_sums_of_a_data_base():
    X, y, s = table()
    Z, r = X - 2.5, y - y[0]
    sums = s.sum(), s @ Z, s @ r, Z.T @ (s[:, None] * Z), Z.T @ (s * r), s @ r**2
    m = jaxreg.Moments.from_sums(*sums, n_rows=N, x_centre=2.5, y_centre=y[0])
    assert_close(m, jaxreg.moments(X, y, s), ("weight", "x_mean", "y_mean", "xx", "xy", "yy"), rtol=1e-12)
    far = jaxreg.Moments.from_sums(s.sum(), s @ X, s @ y, X.T @ (s[:, None] * X), X.T @ (s * y), s @ y**2, n_rows=N)
    assert far.unit > 3 * m.unit


def test_saved_whole_and_checked_when_it_is_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    X, y, s = table()
    frame, series = pandas.DataFrame(X, columns=list("abcde")), pandas.Series(y, name="price")
    m, file = jaxreg.moments(frame, series, s), tmp_path / "m.npz"
    m.save(file)
    again = jaxreg.Moments.load(file)
    for name in ("weight", "x_mean", "y_mean", "xx", "xy", "yy", "n_rows", "unit", "flat"):
        np.testing.assert_array_equal(getattr(again, name), getattr(m, name))
    assert (again.feature_names, again.target_names) == (tuple("abcde"), ("price",))
    assert jaxreg.path(moments=again, lams=3).feature_names == tuple("abcde")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged"):
        jaxreg.Moments.load(file)
    jaxreg.path(moments=m, lams=3).save(file)
    with pytest.raises(ValueError, match="holds a Path, not moments"):
        jaxreg.Moments.load(file)


def test_a_file_whose_numbers_no_rows_have_is_refused(tmp_path):
    X, y, _ = table()
    file = tmp_path / "m.npz"
    jaxreg.moments(X, y).save(file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    yy = bytearray(parts["yy.npy"])
    yy[-1] ^= 0x80  # the sign
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in (parts | {"yy.npy": bytes(yy)}).items():
            archive.writestr(name, part)
    with pytest.raises(ValueError, match=r"is damaged: moments\.yy is negative"):
        jaxreg.Moments.load(file)


def test_what_does_not_go_together_is_named():
    pandas = pytest.importorskip("pandas")
    X, y, _ = table()
    one, other = (pandas.DataFrame(X, columns=list(names)) for names in ("abcde", "abdce"))
    message = "feature_names differ: number 2 is 'c' and 'd'"
    with pytest.raises(ValueError, match=message):
        jaxreg.moments(one, y) + jaxreg.moments(other, y)
    with pytest.raises(ValueError, match=rf"moments_by_fold\[1\]: {message}"):
        jaxreg.sweep(moments_by_fold=[jaxreg.moments(one, y), jaxreg.moments(other, y)])
    with pytest.raises(ValueError, match="batch 1: moments of 4 columns do not go with those of 5"):
        jaxreg.Moments.from_batches([(X, y), (X[:, :4], y)])
    with pytest.raises(ValueError, match=r"batch 1: X at row 3, column 2 is a missing value"):
        jaxreg.Moments.from_batches([(X, y), (np.where(np.arange(N * P).reshape(N, P) == 17, np.nan, X), y)])


M = jaxreg.moments(*table()[:2])
REFUSED = {
    "weights": (lambda: jaxreg.path(moments=M, sample_weight=np.ones(N)), "takes no sample_weight: that needs rows"),
    "rows": (lambda: jaxreg.fit(np.ones((2, P)), moments=M, lam=1.0), r"fit\(moments=...\) takes no X"),
    "mae": (lambda: jaxreg.sweep(moments_by_fold=[M, M], measure="mae"), "takes no measure: that needs rows"),
    "nothing": (lambda: jaxreg.path(lams=3), r"path\(\) misses X; give X and y, or moments"),
    "no moments": (lambda: jaxreg.path(moments=[1.0]), r"moments is a list; jaxreg\.moments\(X, y\)"),
    "one fold": (lambda: jaxreg.sweep(moments_by_fold=[M]), "moments_by_fold has 1 fold; at least 2"),
    "in the place of X": (
        lambda: jaxreg.path(M, np.ones(3)),
        "X are moments, and rows are needed; fit, path and sweep",
    ),
    "resamples": (lambda: jaxreg.bootstrap(M, np.ones(3), 1.0), "X are moments, and rows are needed"),
    "leaving out rows": (lambda: jaxreg.ridge_leave_one_out(M, np.ones(3)), "X are moments, and rows are needed"),
    "predictions": (lambda: jaxreg.fit(moments=M, lam=1.0).predict(M), "are moments, and rows are needed"),
    "two-sided bounds": (lambda: jaxreg.sweep(moments_by_fold=[M, M], lower=-1.0), "moments alone serve lasso"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_needs_rows(name):
    call, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_says_where_rounding_leaves_held_out_errors_few_digits():
    """y is a column but for 1e-9 of it: the quadratic form subtracts numbers 1e18 times as large as the error."""
    X, _, s = table()
    y = X[:, 0] + 1e-9 * X[:, 1]
    with pytest.warns(jaxreg.IllConditionedWarning, match=r"\d+ held-out errors may be off by more than 1e-10"):
        jaxreg.sweep(moments_by_fold=in_folds(X, y, s), lams=[1e-9, 1e-10], l1_ratio=0.0)


def test_what_is_printed():
    text = repr(M)
    assert re.match(r"Moments: 120 rows, 5 columns\ncolumn +mean +standard deviation\ncolumn 0 +2\.93", text)
    assert text.endswith("rounding: 2e-15 of a column's length")

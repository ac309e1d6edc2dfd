"""A fit, a path or a sweep for each group of rows: what each group's own table gives, whatever the blocks."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import jaxreg
from jaxreg.engines import runs as engine

DATA = jaxreg.datasets.diabetes()
X, y, NAMES = DATA.X, DATA.y, DATA.feature_names
BY = np.random.default_rng(3).integers(0, 5, len(y))


def own(g, labels=BY):
    return labels == np.unique(labels)[g]


@pytest.mark.parametrize(
    ("lams", "options"),
    [
        ([5.0, 1.0], {}),
        ([1.0, 5.0, 0.0], {}),  # in any order, and least squares among them
        ([2.0, 0.1], {"l1_ratio": 0.5}),
        ([2.0, 0.0], {"l1_ratio": 0.0}),
        ([0.5], {"l1_ratio": 0.0, "penalty_factor": np.r_[0.0, np.ones(9)]}),
        ([2.0], {"lower": 0.0}),
        ([2.0], {"lower": -3.0, "upper": 30.0}),
        ([2.0], {"penalty_factor": np.r_[np.inf, 0.0, np.ones(8)]}),
        ([2.0], {"fit_intercept": False}),
        ([0.05], {"standardize": False}),
        ([2.0], {"strategy": "parallel"}),
        ([5.0], {"dtype": np.float32}),
    ],
)
def test_every_group_has_the_path_of_its_own_table(lams, options):
    found = jaxreg.path(X, y, lams, by=BY, **options)
    assert found.coef.shape == (5, len(lams), 10)
    assert found.converged.all()
    tight = 1e-3 if "dtype" in options else 1e-7  # coefficients of about 500, at gaps of 1e-10 (float32: 1e-5)
    for g in range(5):
        alone = jaxreg.path(X[own(g)], y[own(g)], lams, **options)
        np.testing.assert_allclose(found.coef[g], alone.coef, atol=tight * np.abs(alone.coef).max(), rtol=0)
        np.testing.assert_allclose(found.intercept[g], alone.intercept, rtol=1e-4 if "dtype" in options else 1e-9)
        np.testing.assert_allclose(found.scale[g], alone.scale, rtol=1e-12)
        np.testing.assert_allclose(found.y_scale[g], alone.y_scale, rtol=1e-12)


def test_a_group_is_what_scikit_learn_fits_to_its_rows():
    from sklearn.linear_model import Lasso

    found = jaxreg.fit(X, y, 1.0, by=BY)
    for g in range(5):
        Z = (X[own(g)] - X[own(g)].mean(axis=0)) / X[own(g)].std(axis=0)
        theirs = Lasso(alpha=1.0, tol=1e-14, max_iter=1_000_000).fit(Z, y[own(g)])
        np.testing.assert_allclose(found.coef[g] * found.scale[g], theirs.coef_, atol=1e-6)


def test_the_gap_that_is_returned_is_that_of_the_parameters():
    import jax

    from jaxreg.formulas.duality import duality_gap

    found = jaxreg.fit(X, y, 1.0, by=BY, tol=1e-8)
    with jax.enable_x64(True):
        for g in range(5):
            params = jaxreg.Params(found.intercept[g], found.coef[g])
            scales = {"scale": found.scale[g], "y_scale": found.y_scale[g]}
            gap = float(duality_gap(params, X[own(g)], y[own(g)], 1.0, **scales))
            assert abs(gap - found.gap[g]) < 1e-13


def test_whole_weights_are_repeated_rows():
    weight = np.random.default_rng(0).integers(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), weight)
    a = jaxreg.fit(X, y, 2.0, by=BY, sample_weight=weight)
    b = jaxreg.fit(X[repeated], y[repeated], 2.0, by=BY[repeated])
    np.testing.assert_allclose(a.coef, b.coef, rtol=1e-9, atol=1e-9)


def test_several_targets_are_fits_of_each():
    both = jaxreg.path(X, np.c_[y, y**2], [5.0, 1.0], by=BY)
    one = jaxreg.path(X, y**2, [5.0, 1.0], by=BY)
    assert both.coef.shape == (5, 2, 10, 2)
    np.testing.assert_allclose(both.coef[..., 1], one.coef, rtol=1e-9, atol=1e-7)
    assert both.predict(X, BY).shape == (len(y), 2, 2)


@pytest.mark.parametrize("limits", [(2**20, 2**12), (700, 2**12), (2**20, 3)])
def test_the_size_of_blocks_changes_nothing(monkeypatch, limits):
    labels = np.random.default_rng(0).zipf(1.6, len(y)) % 40  # groups of 1 to 200 rows
    expected = jaxreg.fit(X, y, 2.0, by=labels)
    monkeypatch.setattr(engine, "NUMBERS", limits[0])
    monkeypatch.setattr(engine, "MOST_RUNS", limits[1])
    monkeypatch.setattr(engine, "MOST_ROWS", 16)
    found = jaxreg.fit(X, y, 2.0, by=labels)
    several = found.n_rows > 2  # of two rows all columns are multiples of each other, and any of them will do
    np.testing.assert_allclose(found.coef[several], expected.coef[several], rtol=1e-9, atol=1e-9)
    assert found.n_rows.tolist() == expected.n_rows.tolist() == np.bincount(labels)[np.unique(labels)].tolist()


def test_what_is_unusual_about_a_group_is_flagged_and_harms_no_other():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(70, 4)), rng.normal(size=70)
    labels = np.repeat(["fine", "one", "same y", "same x", "few"], [30, 1, 20, 16, 3])
    b[labels == "same y"] = 7.0
    A[labels == "same x", 2] = 1e6 / 3  # a mean that no sum holds exactly
    found = jaxreg.fit(A, b, 0.1, by=labels)
    flags = dict(zip(found.keys[0].tolist(), found.flags, strict=True))
    assert flags == {
        "fine": "",
        "one": "one row",
        "same y": "y is constant",
        "same x": "a constant column",
        "few": "no more rows than columns",
    }
    assert np.isfinite(found.coef).all()
    assert found.converged.all()
    at = found.keys[0].tolist().index
    assert found.intercept[at("same y")] == 7.0
    assert found.intercept[at("one")] == b[labels == "one"][0]
    assert not found.coef[[at("one"), at("same y")]].any()
    assert found.coef[at("same x"), 2] == 0.0
    assert "1 × one row; 1 × a constant column" in repr(found) or "one row" in repr(found)


def test_least_squares_with_few_rows_is_certified_or_said_not_to_be():
    labels = np.repeat([0, 1], [6, len(y) - 6])  # 6 rows for 10 columns
    found = jaxreg.fit(X, y, 0.0, by=labels)
    assert found.converged.all()
    assert found.flags[0] == "no more rows than columns"
    np.testing.assert_allclose(X[:6] @ found.coef[0] + found.intercept[0], y[:6], atol=1e-6 * np.abs(y[:6]).max())


def test_columns_that_depend_on_each_other_are_solved_on_the_rows():
    doubled = np.c_[X, X[:, 0] * 3]
    found = jaxreg.fit(doubled, y, 0.1, l1_ratio=0.0, by=BY)
    again = jaxreg.fit(np.c_[X, X[:, 0]], y, 0.0, by=BY)
    assert found.converged.all()
    assert again.converged.all()


FRAME = {name: X[:, j] for j, name in enumerate(NAMES)}
WORDS = np.array(["north", "south", "east", "west", "centre"])[BY]
YEARS = 2000 + np.arange(len(y)) % 3


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame, pa.table])
def test_keys_are_columns_of_a_frame_and_no_features(frame):
    table = frame(FRAME | {"region": WORDS, "year": YEARS})
    found = jaxreg.fit(table, y, 2.0, by=["region", "year"])
    assert found.feature_names == tuple(NAMES)
    assert found.key_names == ("region", "year")
    expected = pd.DataFrame({"region": WORDS, "year": YEARS}).groupby(["region", "year"]).size()
    assert list(zip(*(key.tolist() for key in found.keys), strict=True)) == expected.index.tolist()
    assert found.n_rows.tolist() == expected.tolist()
    np.testing.assert_array_equal(found.predict(table), found.predict(X, [WORDS, YEARS]))
    one = (WORDS == "north") & (YEARS == 2001)
    alone = jaxreg.fit(X[one], y[one], 2.0)
    np.testing.assert_allclose(found.predict(table)[one], X[one] @ alone.coef + alone.intercept, rtol=1e-9)


@pytest.mark.parametrize(
    "labels", [WORDS, WORDS.tolist(), pd.Series(WORDS), pd.Series(WORDS).astype("category"), pl.Series(WORDS), BY > 2]
)
def test_labels_of_any_kind(labels):
    found = jaxreg.fit(X, y, 2.0, by=labels)
    levels, counts = np.unique(np.asarray(labels), return_counts=True)
    assert found.keys[0].tolist() == levels.tolist()
    assert found.n_rows.tolist() == counts.tolist()


def test_times_are_labels_and_are_kept(tmp_path):
    months = np.array(["2024-01", "2024-02"], "datetime64[M]")[BY % 2]
    found = jaxreg.fit(X, y, 2.0, by=pd.Series(months.astype("datetime64[ns]"), name="month"))
    found.save(tmp_path / "fits.npz")
    again = jaxreg.load(tmp_path / "fits.npz")
    assert again.key_names == ("month",)
    assert (again.keys[0] == np.unique(months)).all()


@pytest.mark.parametrize("call", [jaxreg.fit, jaxreg.path, jaxreg.sweep])
def test_results_are_saved_and_loaded(tmp_path, call):
    found = call(X, y, 2.0 if call is jaxreg.fit else [5.0, 2.0], by=[WORDS, YEARS])
    found.save(tmp_path / "found.npz")
    again = jaxreg.load(tmp_path / "found.npz")
    frame, other = found.to_frame("pandas"), again.to_frame("pandas")
    pd.testing.assert_frame_equal(frame, other)
    assert len(frame) == (15 if call is not jaxreg.path else 30)
    assert repr(again) == repr(found)
    assert len(repr(found).splitlines()) <= 12


@pytest.mark.parametrize("options", [{}, {"l1_ratio": 0.5}, {"l1_ratio": 0.0}, {"lower": 0.0}])
def test_a_sweep_within_each_group_is_that_of_its_own_table(options):
    found = jaxreg.sweep(X, y, 30, folds=5, by=BY, **options)
    assert found.converged
    for g in range(5):
        lams = found.lams[g][np.isfinite(found.lams[g])]  # some grids are longer than others
        alone, L = jaxreg.sweep(X[own(g)], y[own(g)], lams, folds=5, **options), len(lams)
        np.testing.assert_allclose(found.mean_mse[g, :L], alone.mean_mse[0], rtol=1e-9)
        np.testing.assert_allclose(found.se_mse[g, :L], alone.se_mse[0], rtol=1e-8)
        assert found.best.lams[g] == alone.best.lam
        assert found.one_se.lams[g] == alone.one_se.lam
        np.testing.assert_allclose(found.best.coef[g], alone.best.params.coef, atol=1e-6)
        np.testing.assert_array_equal(found.n_nonzero[g, :L], alone.path.n_nonzero)


def test_a_sweep_takes_labels_of_folds_and_weights_and_any_order_of_the_lams():
    folds, weight = np.arange(len(y)) % 4, np.random.default_rng(1).random(len(y))
    found = jaxreg.sweep(X, y, [1.0, 8.0, 3.0], folds=folds, sample_weight=weight, by=BY)
    assert found.lams[0].tolist() == [8.0, 3.0, 1.0]
    given = own(2)
    alone = jaxreg.sweep(X[given], y[given], [8.0, 3.0, 1.0], folds=folds[given], sample_weight=weight[given])
    np.testing.assert_allclose(found.mean_mse[2], alone.mean_mse[0], rtol=1e-9)


def test_a_sweep_of_noise_free_groups_measures_on_the_rows():
    beta = np.r_[3.0, -2.0, np.zeros(8)]
    found = jaxreg.sweep(X, X @ beta, [1e-3, 1e-7], folds=5, by=BY)  # errors that a quadratic form cannot hold
    alone = jaxreg.sweep(X[own(1)], (X @ beta)[own(1)], [1e-3, 1e-7], folds=5)
    np.testing.assert_allclose(found.mean_mse[1], alone.mean_mse[0], rtol=1e-6)


def test_new_rows_of_groups_that_were_not_seen_are_refused():
    found = jaxreg.fit(X, y, 2.0, by=WORDS)
    with pytest.raises(ValueError, match="no group has group abroad"):
        found.predict(X[:2], ["north", "abroad"])
    with pytest.raises(ValueError, match="4 columns"):
        found.predict(X[:2, :4], ["north", "north"])


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("shop", "by='shop' names a column, and X has no names"),
        (BY[:5], "labels 'group' have shape (5,); X has 442 rows"),
        ([None, *WORDS[1:]], "the label 'group' of row 0 is missing"),
        (np.where(BY == 0, np.nan, BY), "is missing; take such rows out"),
        ([1, *WORDS[1:]], "make them all text"),
    ],
)
def test_labels_that_are_none_are_refused(by, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        jaxreg.fit(X, y, 2.0, by=by if isinstance(by, str) else np.asarray(by, object) if said[-4:] == "text" else by)


def test_a_column_that_there_is_not_and_folds_that_cannot_be():
    table = pd.DataFrame(FRAME | {"region": WORDS})
    with pytest.raises(ValueError, match="by='shop' is no column of X; its columns are age, sex"):
        jaxreg.fit(table, y, 2.0, by="shop")
    with pytest.raises(ValueError, match="the group group 9 has 1 rows, fewer than the 10 folds"):
        jaxreg.sweep(X, y, by=np.r_[BY[:-1], 9])
    with pytest.raises(ValueError, match="by measure='mse' alone, and measure is 'mae'"):
        jaxreg.sweep(X, y, measure="mae", by=BY)
    with pytest.raises(ValueError, match="fit or path"):
        jaxreg.sweep(X, y, by=jaxreg.rolling(50))
    with pytest.raises(ValueError, match="no row of positive weight in fold 1"):
        jaxreg.sweep(X, y, folds=BY % 2, by=BY)
    with pytest.raises(MemoryError, match="ask for fewer λs"):
        jaxreg.path(X, y, 10_000_000, by=np.arange(len(y)))


def test_a_second_call_compiles_nothing():
    labels = np.arange(len(y)) % 7
    for call in (jaxreg.fit, jaxreg.sweep):
        call(X, y, 2.0 if call is jaxreg.fit else 10, by=labels)
    from jaxreg.sweeps import groups

    before = engine._program._cache_size(), groups._program._cache_size()
    jaxreg.fit(X[::-1], -y, 3.0, by=labels)
    jaxreg.sweep(X[::-1], -y, 10, by=labels)
    assert (engine._program._cache_size(), groups._program._cache_size()) == before


def test_figures(tmp_path):
    ax = jaxreg.fit(X, y, 2.0, by=BY).plot()
    assert "5 groups" in ax.get_title()
    ax = jaxreg.fit(X, y, 2.0, by=jaxreg.rolling(100)).plot()
    assert ax.get_xlabel() == "stop"
    with pytest.raises(ValueError, match="at one λ"):
        jaxreg.path(X, y, 3, by=BY).plot()


@pytest.mark.parametrize("call", [jaxreg.fit, jaxreg.sweep])
def test_stacked_data_sets_are_groups(call):
    A, b = X[:440].reshape(4, 110, 10), y[:440].reshape(4, 110)
    lams = 2.0 if call is jaxreg.fit else [5.0, 2.0]
    of = (lambda found: found) if call is jaxreg.fit else (lambda found: found.best)
    stacked, ragged = of(call(A, b, lams)), of(call([*A[:3], A[3, :50]], [*b[:3], b[3, :50]], lams))
    assert stacked.key_names == ("data set",)
    assert ragged.n_rows.tolist() == [110, 110, 110, 50]
    np.testing.assert_array_equal(stacked.coef, of(call(X[:440], y[:440], lams, by=np.arange(440) // 110)).coef)
    np.testing.assert_allclose(ragged.coef[:3], stacked.coef[:3], rtol=1e-9)
    alone = call(A[3, :50], b[3, :50], lams)
    alone = alone.coef if call is jaxreg.fit else alone.best.params.coef
    np.testing.assert_allclose(ragged.coef[3], alone, rtol=1e-8, atol=1e-8)


def test_stacked_data_sets_that_do_not_fit_are_refused():
    A, b = X[:440].reshape(4, 110, 10), y[:440].reshape(4, 110)
    with pytest.raises(ValueError, match=r"X holds 4 data sets.* and y is of 3"):
        jaxreg.fit(A, b[:3], 1.0)
    with pytest.raises(ValueError, match=re.escape("y of data set 0 has shape (109,); X has 110 rows there")):
        jaxreg.fit(A, b[:, 1:], 1.0)
    with pytest.raises(ValueError, match="data set 1 has 9 columns, and data set 0 has 10"):
        jaxreg.fit([A[0], A[1][:, :9]], b[:2], 1.0)
    with pytest.raises(ValueError, match="by= is for one table"):
        jaxreg.fit(A, b, 1.0, by=BY)


def test_a_sweep_flags_what_is_unusual_and_goes_on():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(120, 4)), rng.normal(size=120)
    labels = np.repeat(["fine", "same x", "same y", "few"], [50, 30, 30, 10])
    b[labels == "same y"] = 3.0
    A[labels == "same x", 1] = 0.1
    found = jaxreg.sweep(A, b, 20, folds=5, by=labels)
    flags = dict(zip(found.best.keys[0].tolist(), found.best.flags, strict=True))
    assert flags["same y"] == "y is constant"
    assert flags["same x"] == "a constant column"
    assert found.converged
    assert np.isfinite(found.mean_mse).all()
    assert not found.best.coef[found.best.keys[0] == "same y"].any()


def test_a_fold_without_weight_is_refused():
    weight = np.where((BY == 2) & (np.arange(len(y)) % 3 == 1), 0.0, 1.0)
    with pytest.raises(ValueError, match="the group group 2 has no row of positive weight in fold 1"):
        jaxreg.sweep(X, y, 10, folds=np.arange(len(y)) % 3, by=BY, sample_weight=weight)


def test_non_negative_and_bounded_least_squares_of_many_data_sets():
    from scipy.optimize import lsq_linear, nnls

    rng = np.random.default_rng(0)
    A = rng.normal(size=(20, 30, 5))
    b = A @ [1.0, -1.0, 0.5, 0.0, 2.0] + rng.normal(size=(20, 30))
    found = jaxreg.fit(A, b, 0.0, lower=0.0, fit_intercept=False)
    boxed = jaxreg.fit(A, b, 0.0, lower=-0.5, upper=0.7, fit_intercept=False)
    assert found.converged.all()
    assert boxed.converged.all()
    for k in range(20):
        np.testing.assert_allclose(found.coef[k], nnls(A[k], b[k])[0], atol=1e-10)
        expected = lsq_linear(A[k], b[k], (-0.5, 0.7), method="bvls", tol=1e-14).x
        np.testing.assert_allclose(boxed.coef[k], expected, atol=1e-9)


@pytest.mark.filterwarnings("ignore::jaxreg.ConvergenceWarning")  # near-copies far from 0 may be said not to have
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_least_squares_that_have_converged_have_in_long_double(fit_intercept):
    """Columns of all sizes, nearly dependent, far from 0, and noise down to 1e-6: the excess over the least squares."""
    rng, some, held = np.random.default_rng(0), slice(0 if fit_intercept else 1, None), 0
    for trial in range(20):
        A = rng.normal(size=(60, 4)) * 10.0 ** rng.integers(-6, 7, size=4)
        A[:, 1] += [0.0, 1e3, 1e6][trial % 3] * np.abs(A[:, 1]).max()
        A[:, 2] = A[:, 3] + 10.0 ** -(trial % 8) * A[:, 2] / np.abs(A[:, 2]).max() * np.abs(A[:, 3]).max()
        b = A @ rng.normal(size=4)
        b += b.std() * 10.0 ** -(trial % 7) * rng.normal(size=60)
        labels = np.repeat([0, 1], 30)
        found = jaxreg.fit(A, b, 0.0, trial % 2, by=labels, fit_intercept=fit_intercept)
        for g in np.flatnonzero(found.converged):
            own = labels == g
            rows, target = np.c_[np.ones(30), A[own]][:, some].astype(np.longdouble), b[own].astype(np.longdouble)
            left = target - rows @ np.r_[found.intercept[g], found.coef[g]][some].astype(np.longdouble)
            Q = rows / np.sqrt((rows**2).sum(axis=0))
            for _ in range(2):  # Gram and Schmidt, twice
                for j in range(Q.shape[1]):
                    Q[:, j] -= Q[:, :j] @ (Q[:, :j].T @ Q[:, j])
                    Q[:, j] /= np.sqrt(Q[:, j] @ Q[:, j])
            excess = ((Q.T @ left) ** 2).sum() / 2
            assert excess <= 1e-10 * ((target - target.mean() * fit_intercept) ** 2).sum()
            held += 1
    assert held >= 30  # of 40

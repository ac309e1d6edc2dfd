"""Windows along an order: each is the fit of its rows, and nothing drifts however far they move on."""

import numpy as np
import pandas as pd
import pytest

import jaxreg
from jaxreg.engines import runs as engine


def walk(n, p=3, seed=0):
    """Columns that wander away from where they began, as prices do."""
    rng = np.random.default_rng(seed)
    X = 100 + np.cumsum(rng.normal(size=(n, p)), axis=0)
    return X, X @ np.arange(1.0, p + 1) + rng.normal(size=n)


def least_squares(X, y):
    """In long double, by the normal equations of centred columns."""
    A, b = np.asarray(X, np.longdouble), np.asarray(y, np.longdouble)
    A, b = A - A.mean(axis=0), b - b.mean()
    G, c = A.T @ A, A.T @ b
    w = np.linalg.solve(np.asarray(G, float), np.asarray(c, float)).astype(np.longdouble)
    for _ in range(3):
        w += np.linalg.solve(np.asarray(G, float), np.asarray(c - G @ w, float))
    return np.asarray(w, float)


def test_rolling_moments_do_not_drift_in_a_hundred_thousand_steps():
    X, y = walk(100_250)
    found = jaxreg.fit(X, y, 0.0, by=jaxreg.rolling(250))
    assert len(found) == 100_001
    assert found.converged.all()
    for g in (0, 1, 249, 250, 251, 54_321, 99_999, 100_000):
        expected = least_squares(X[g : g + 250], y[g : g + 250])
        np.testing.assert_allclose(found.coef[g], expected, rtol=1e-10)
        np.testing.assert_allclose(found.scale[g], X[g : g + 250].std(axis=0), rtol=1e-10)


@pytest.mark.parametrize(("window", "step"), [(30, 1), (30, 7), (30, 30), (30, 45)])
def test_rolling_windows_are_fits_of_their_rows(window, step):
    X, y = walk(300)
    found = jaxreg.fit(X, y, 0.02, by=jaxreg.rolling(window, step))
    starts = list(range(0, 300 - window + 1, step))
    assert found.keys[0].tolist() == starts
    for g, start in enumerate(starts):
        alone = jaxreg.fit(X[start : start + window], y[start : start + window], 0.02)
        np.testing.assert_allclose(found.coef[g], alone.coef, rtol=1e-8, atol=1e-10)


def test_expanding_windows_are_fits_of_their_rows():
    X, y = walk(5_000)
    found = jaxreg.path(X, y, [0.5, 0.01], by=jaxreg.expanding(20, 83))
    assert found.n_rows.tolist() == list(range(20, 5_001, 83))
    for g in range(0, len(found), 7):
        n = found.n_rows[g]
        alone = jaxreg.path(X[:n], y[:n], [0.5, 0.01])
        np.testing.assert_allclose(found.coef[g], alone.coef, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", [jaxreg.rolling, jaxreg.expanding])
def test_the_size_of_blocks_changes_nothing(monkeypatch, kind):
    X, y = walk(600)
    expected = jaxreg.fit(X, y, 0.1, by=kind(50))
    monkeypatch.setattr(engine, "MOST_RUNS", 37)
    monkeypatch.setattr(engine, "MOST_ROWS", 8)
    found = jaxreg.fit(X, y, 0.1, by=kind(50))
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-9, atol=1e-12)


def test_what_is_kept_of_long_windows_is_bounded(monkeypatch):
    """Where the sums on the left of a pivot would take much memory each window is summed by itself."""
    X, y = walk(400)
    expected = jaxreg.fit(X, y, 0.1, by=jaxreg.rolling(120))
    monkeypatch.setattr(engine, "MOST_SUMS", 2**14)
    found = jaxreg.fit(X, y, 0.1, by=jaxreg.rolling(120))
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-9, atol=1e-12)


def test_an_offset_of_a_million_costs_no_accuracy():
    X, y = walk(400)
    near, far = (jaxreg.fit(X + offset, y, 0.1, by=jaxreg.rolling(60)) for offset in (0.0, 1e6))
    assert far.converged.all()
    np.testing.assert_allclose(near.coef, far.coef, rtol=1e-7, atol=1e-9)


def test_windows_lie_within_groups_and_are_named_by_their_last_time():
    X, y = walk(200)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["stock"] = np.where(np.arange(200) % 2, "ox", "ant")
    frame["day"] = pd.date_range("2024-01-01", periods=100).repeat(2)
    found = jaxreg.fit(frame, y, 0.1, by=jaxreg.rolling(40, step=20, by="stock", order="day"))
    assert found.feature_names == ("a", "b", "c")
    assert found.key_names == ("stock", "day")
    assert found.keys[0].tolist() == ["ant"] * 4 + ["ox"] * 4
    assert found.keys[1][:2].astype("datetime64[D]").tolist() == [
        *pd.to_datetime(["2024-02-09", "2024-02-29"]).date.tolist()
    ]
    rows = np.flatnonzero(np.arange(200) % 2)[20:60]
    np.testing.assert_allclose(found.coef[5], jaxreg.fit(X[rows], y[rows], 0.1).coef, rtol=1e-8)
    assert found.predict(X[:8]).shape == (8,)
    with pytest.raises(ValueError, match="8 windows, give one row for each"):
        found.predict(X[:7])


def test_windows_that_cannot_be_are_refused():
    X, y = walk(50)
    with pytest.raises(ValueError, match="the table has 50 rows, fewer than the 51 of a window"):
        jaxreg.fit(X, y, 0.1, by=jaxreg.rolling(51))
    with pytest.raises(ValueError, match="the group group 1 has 10 rows, fewer than the 20 of a window"):
        jaxreg.fit(X, y, 0.1, by=jaxreg.rolling(20, by=np.repeat([0, 1], [40, 10])))
    with pytest.raises(ValueError, match="row 3 has order 0, and the row before it 2; sort X and y by it first"):
        jaxreg.fit(X, y, 0.1, by=jaxreg.rolling(20, order=[0, 1, 2, 0, *range(4, 50)]))
    with pytest.raises(ValueError, match="size is 0; it must be a whole number of at least 1"):
        jaxreg.rolling(0)
    with pytest.raises(ValueError, match=r"step is 1\.5"):
        jaxreg.expanding(5, 1.5)

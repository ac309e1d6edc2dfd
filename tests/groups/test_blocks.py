"""Moments do not depend on the blocks in which rows are read: 1e-12, of tables, of groups and of windows."""

import numpy as np
import pytest

import jaxreg
from jaxreg.data import row_blocks
from jaxreg.data.row_blocks import block_moments
from jaxreg.engines import runs as engine


def made(n=3000, p=6, seed=0):
    """Columns of several sizes, one of them far from 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 10.0 ** np.arange(-2, p - 2) + np.array([0, 0, 1e3, 0, 0, 5])
    return X, X @ (10.0 ** -np.arange(-2, p - 2)) + rng.normal(size=n), rng.random(n)


def in_long_double(X, y, s):
    """W, means, xx and xy about them."""
    X, y, s = (np.asarray(v, np.longdouble) for v in (X, y, s))
    W = s.sum()
    x_mean, y_mean = s @ X / W, s @ y / W
    Z, r = X - x_mean, y - y_mean
    return W, x_mean, y_mean, Z.T @ (s[:, None] * Z), Z.T @ (s * r), s @ r**2


@pytest.mark.parametrize("numbers", [6 * 7, 6 * 100, 6 * 1024, 2**20])
@pytest.mark.parametrize("gathered", [False, True])
def test_moments_of_a_table_are_those_of_long_double_for_any_block(numbers, gathered, monkeypatch):
    for name in ("BLOCK", "CACHED", "GATHERED"):
        monkeypatch.setattr(row_blocks, name, numbers)
    X, y, s = made()
    rows = np.random.default_rng(1).permutation(3000)[:2500] if gathered else None
    m = block_moments(X, y[:, None], s, rows)
    own = slice(None) if rows is None else rows
    W, x_mean, y_mean, xx, xy, yy = in_long_double(X[own], y[own], s[own])
    size = np.sqrt(np.diagonal(xx))
    assert abs(m.weight - W) <= 1e-12 * W
    np.testing.assert_allclose(m.x_mean[:6], x_mean.astype(float), rtol=1e-12, atol=1e-12 * float((size / W).min()))
    assert abs(m.y_mean[0] - y_mean) <= 1e-12 * abs(y_mean)
    assert (np.abs(m.xx[:6, :6] - xx) <= 1e-12 * np.outer(size, size)).all()
    assert (np.abs(m.xy[:6, 0] - xy) <= 1e-12 * size * np.sqrt(yy)).all()
    assert abs(m.yy[0] - yy) <= 1e-12 * yy


GROUPS, ROLLING, EXPANDING = np.arange(3000) // 250, jaxreg.rolling(400, step=130), jaxreg.expanding(300, step=300)


@pytest.mark.parametrize(
    ("by", "limits"),
    [
        (GROUPS, {"MOST_ROWS": 16}),
        (GROUPS, {"MOST_RUNS": 3}),
        (GROUPS, {"MOST_SUMS": 0}),
        (ROLLING, {"MOST_ROWS": 16}),
        (EXPANDING, {"MOST_ROWS": 4096}),
    ],
)
def test_moments_of_groups_and_windows_too(by, limits, monkeypatch):
    X, y, s = made()
    for name, value in limits.items():
        monkeypatch.setattr(engine, name, value)
    found = jaxreg.fit(X, y, 0.1, by=by, sample_weight=s)
    start, stop = (by * 250, by * 250 + 250) if isinstance(by, np.ndarray) else (found.keys[0], found.keys[1])
    for g in range(len(found)):
        own = slice(250 * g, 250 * g + 250) if isinstance(by, np.ndarray) else slice(start[g], stop[g])
        W, _, _, xx, _, yy = in_long_double(X[own], y[own], s[own])
        np.testing.assert_allclose(found.scale[g], np.sqrt(np.diagonal(xx) / W).astype(float), rtol=1e-12)
        np.testing.assert_allclose(found.y_scale[g], float(np.sqrt(yy / W)), rtol=1e-12)
    assert found.gap.max() <= 1e-10

"""Moments against NumPy's weighted covariances, and the two ways of putting rows together against all rows at once."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.formulas import Params, moments
from jaxreg.formulas.moments import about_zero, mean_squared_error


@pytest.fixture
def rows(rng):
    X = rng.standard_normal((30, 4)) * [1, 100, 1e-3, 1] + [0, 1e6, 5, 3]
    X[:, 3] = 0.1  # a constant column, which 0.1 · 30 / 30 is not
    return X, rng.standard_normal((30, 2)) + 7, rng.uniform(0, 2, 30)


def close(a, b, tolerance=1e-13):
    for name, x, y in zip(a._fields, a, b, strict=True):
        scale = np.max(np.abs(y))
        np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_numpy(rows, weighted):
    X, Y, s = rows
    m = moments(X, Y, s if weighted else None)
    weight = s if weighted else np.ones(30)
    covariance = np.cov(np.column_stack([X, Y]), rowvar=False, aweights=weight, ddof=0) * weight.sum()
    np.testing.assert_allclose(m.weight, weight.sum(), rtol=1e-14)
    np.testing.assert_allclose(m.x_mean, np.average(X, axis=0, weights=weight), rtol=1e-14)
    size = np.sqrt(np.diag(covariance))
    # NumPy's own mean of the column around 1e6 leaves 1e-8 of its deviations.
    np.testing.assert_allclose(m.xx, covariance[:4, :4], rtol=0, atol=1e-10 * np.outer(size[:4], size[:4]).max())
    np.testing.assert_allclose(m.xy, covariance[:4, 4:], rtol=0, atol=1e-10 * np.outer(size[:4], size[4:]).max())
    np.testing.assert_allclose(m.yy, np.diag(covariance)[4:], rtol=1e-12)
    assert not np.any(m.xx[3])
    assert not np.any(m.xy[3])


def test_a_mean_far_away_costs_no_digits():
    X = np.array([[0.0], [1.0], [2.0], [4.0]])
    far = moments(X + 2.0**40, np.arange(4.0))  # exact in binary
    assert float(far.xx[0, 0]) == float(moments(X, np.arange(4.0)).xx[0, 0]) == 8.75


@pytest.mark.parametrize("offset", [0.0, 0.2, 30.0])
def test_a_large_table_is_centred_where_its_means_are_large(monkeypatch, rng, offset):
    """Both ways keep all digits, held against sums in extended precision about exact means."""
    monkeypatch.setattr(sys.modules["jaxreg.formulas.moments"], "MANY", 1000)
    X = rng.standard_normal((250, 5)) * [1, 100, 1e-3, 1, 0] + offset * np.array([1, 100, 1e-3, 1, 1])
    Y = X @ rng.standard_normal((5, 2)) + 7
    m = moments(X, Y)
    exact = np.column_stack([X, Y]).astype(np.longdouble)
    exact -= exact.mean(axis=0)
    sums = (exact.T @ exact).astype(float)
    size = np.sqrt(np.diag(sums))
    np.testing.assert_allclose(m.xx, sums[:5, :5], rtol=0, atol=1e-14 * np.outer(size, size)[:5, :5].max())
    np.testing.assert_array_less(np.abs(m.xx - sums[:5, :5])[:4, :4], 1e-14 * np.outer(size, size)[:4, :4])
    np.testing.assert_array_less(np.abs(m.xy - sums[:5, 5:])[:4], 3e-14 * np.outer(size[:4], size[5:]))
    np.testing.assert_allclose(m.yy, np.diag(sums)[5:], rtol=1e-13)
    assert not np.any(m.xx[4])
    slope = jax.grad(lambda X: moments(X, Y).xx[0, 0])(X)[:, 0]
    np.testing.assert_allclose(slope, 2 * exact[:, 0].astype(float), rtol=1e-9, atol=1e-12)


def test_adding_and_taking_away(rows):
    X, Y, s = rows
    whole, a, b = (moments(X[k], Y[k], s[k]) for k in (slice(None), slice(11), slice(11, None)))
    close(a + b, whole)
    close(b + a, whole)
    close(whole - b, a, 1e-12)
    assert not np.any((a + b).xx[3])


def test_nothing_is_neutral(rows):
    X, Y, s = rows
    a, nothing = moments(X, Y, s), moments(X[:3] * 7, Y[:3], np.zeros(3))
    close(a + nothing, a)
    close(nothing + a, a)


def test_padding_rows_of_weight_0_change_nothing(rows):
    X, Y, s = rows
    padded = moments(np.pad(X, ((5, 2), (0, 0))), np.pad(Y, ((5, 2), (0, 0))), np.pad(s, (5, 2)))
    close(padded, moments(X, Y, s))
    assert not np.any(padded.xx[3])


def test_integer_weights_are_repeated_rows(rows):
    X, Y, _ = rows
    counts = np.arange(30) % 3
    close(moments(X, Y, counts.astype(float)), moments(np.repeat(X, counts, 0), np.repeat(Y, counts, 0)))


def test_about_zero(rows):
    X, Y, s = rows
    m = about_zero(moments(X, Y, s))
    np.testing.assert_allclose(m.xx, (X.T * s) @ X, rtol=1e-13)
    np.testing.assert_allclose(m.xy, (X.T * s) @ Y, rtol=1e-13)
    np.testing.assert_allclose(m.yy, s @ Y**2, rtol=1e-13)
    assert not np.any(m.x_mean)


def test_the_error_is_a_quadratic_form(rows, rng):
    X, Y, s = rows
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-3)
    params = Params(rng.standard_normal(2), rng.standard_normal((4, 2)))
    direct = np.average((Y - X @ params.coef - params.intercept) ** 2, axis=0, weights=s)
    np.testing.assert_allclose(mean_squared_error(params, moments(X, Y, s)), direct, rtol=1e-12)


def test_float32_and_gradients(rows):
    X, Y, s = rows
    single = moments(X[:, :1].astype(np.float32), Y[:, 0].astype(np.float32), s.astype(np.float32))
    assert {a.dtype for a in single} == {jnp.dtype("float32")}
    slope = jax.grad(lambda s: moments(X[:, 0:1], Y, s).xx[0, 0])(jnp.asarray(s))
    step = 1e-6 * np.eye(30)[4]
    up, down = (float(moments(X[:, 0:1], Y, s + sign * step).xx[0, 0]) for sign in (1, -1))
    np.testing.assert_allclose(slope[4], (up - down) / 2e-6, rtol=1e-7)


@pytest.mark.parametrize("p", [256, 301])
def test_halves_of_a_large_gram_matrix(rng, p):
    X = rng.standard_normal((20, p))
    Z = X - X.mean(axis=0)
    np.testing.assert_allclose(moments(X, X[:, 0]).xx, Z.T @ Z, rtol=0, atol=1e-13)


def test_tangents_of_some_arguments_are_transposed(rng):
    """As reverse over forward needs it: where y stands still, `Σ C dxx(dX) = Σ dX dxxᵀ(C)`."""
    X, y, dX, C = (rng.normal(size=shape) for shape in ((9, 3), 9, (9, 3), (3, 3)))
    with jax.enable_x64(True):
        tangent = lambda t: jax.jvp(moments, (X, y), (t, jnp.zeros(9)))[1].xx
        (back,) = jax.linear_transpose(tangent, X)(C)
        np.testing.assert_allclose(jnp.sum(C * tangent(dX)), jnp.sum(back * dX), rtol=1e-12)

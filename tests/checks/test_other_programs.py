"""Claims in NumPy and PyTorch, and a hyper-gradient through the library's own solver."""

import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg import solvers

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((20, 3)), RNG.standard_normal(20)


def loss(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) / 2 + lam * jnp.sum(w**2) / 2


def with_loops(w, X, y, lam):
    """NumPy that no tracer passes: written into place, entry by entry."""
    found = np.zeros(len(w))
    for j in range(len(w)):
        found[j] = np.dot(np.asarray(X)[:, j], X @ w - y) / len(y)
    return found + 2 * lam * w


def test_a_slip_in_numpy_is_named():
    report = jaxreg.check_gradient(loss, with_loops, np.ones(3), X, Y, 0.1)
    assert report.findings[0].sentence == "the term lam·Σ w²/2 is 2 times too large"


class Tensor:
    """As much of a tensor as a gradient needs; arrays cannot be multiplied with it, nor it with arrays."""

    __array_priority__ = 1000

    def __init__(self, values):
        self.values = np.asarray(values, float)

    def t(self):
        return Tensor(self.values.T)

    def __float__(self):
        return float(self.values)

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values

    def _with(self, other, operation):
        if not isinstance(other, (Tensor, float, int)):
            raise TypeError("expected Tensor")
        return Tensor(operation(self.values, getattr(other, "values", other)))

    __matmul__ = lambda self, other: self._with(other, np.matmul)
    __sub__ = lambda self, other: self._with(other, np.subtract)
    __add__ = lambda self, other: self._with(other, np.add)
    __truediv__ = lambda self, other: self._with(other, np.divide)
    __mul__ = __rmul__ = lambda self, other: self._with(other, np.multiply)


def of_tensors(w, X, y, lam):
    return X.t() @ (X @ w - y) / 20 + 2.0 * (w * float(lam))


def test_tensors_are_given_to_who_takes_tensors(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(as_tensor=Tensor, Tensor=Tensor))
    report = jaxreg.check_gradient(loss, of_tensors, np.ones(3), X, Y, 0.1)
    assert report.findings[0].sentence == "the term lam·Σ w²/2 is 2 times too large"
    assert jaxreg.check_gradient(loss, jax.grad(loss), np.ones(3), X, Y, 0.1)
    with pytest.raises(TypeError, match="no tensors either"):
        jaxreg.check_gradient(loss, refuses, np.ones(3), X, Y, 0.1)


def refuses(*_):
    raise TypeError("no arrays, no tensors either")


def test_a_claim_in_pytorch():
    torch = pytest.importorskip("torch")

    def by_autograd(w, X, y, lam):
        w = w.clone().requires_grad_(True)
        (torch.mean((X @ w - y) ** 2) / 2 + lam * torch.sum(w**2)).backward()
        return w.grad

    report = jaxreg.check_gradient(loss, by_autograd, np.ones(3), X, Y, 0.1)
    assert report.findings[0].sentence == "the term lam·Σ w²/2 is 2 times too large"


def test_a_hyper_gradient_through_the_librarys_solver():
    """The chain rule forgotten: the gradient is by λ, but the parameter is its logarithm."""

    def held_out(log_lam, X, y):
        params = solvers.fit(X[:15], y[:15], jnp.exp(log_lam), 0.0).params
        return jnp.mean((y[15:] - jaxreg.predict(params, X[15:])) ** 2)

    right = lambda log_lam, X, y: jax.grad(held_out)(log_lam, X, y)
    twice = lambda log_lam, X, y: 2 * right(log_lam, X, y)
    assert jaxreg.check_gradient(held_out, right, np.array(-2.0), X, Y, points=6)
    report = jaxreg.check_gradient(held_out, twice, np.array(-2.0), X, Y, points=6)
    assert report.findings[0].sentence == "the whole gradient is 2 times too large"

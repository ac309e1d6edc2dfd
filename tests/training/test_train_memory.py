"""The data are shared by all members: no array of the compiled program has a copy of X a member."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import fista, train_grid
from jaxreg.formulas import soft_threshold
from jaxreg.training import programs, shares

G, N, P = 23, 61, 37
METHODS = {
    "sgd": optax.sgd(0.1),
    "adam": optax.adam(0.1),
    "fista": fista(0.1, lambda w, step: soft_threshold(w, step)),
    "lbfgs without line search": optax.lbfgs(0.1, memory_size=3, linesearch=None),
    "lbfgs": optax.lbfgs(memory_size=3),
}


def shapes(program):
    """Every array shape that the compiled program mentions."""
    found = re.findall(r"\b(?:f|s|u|pred)(?:8|16|32|64)?\[([\d,]*)\]", program.as_text())
    return {tuple(int(size) for size in dimensions.split(",") if size) for dimensions in found}


def compiled(loss, optimizer, members=G, **options):
    def run(X, y, lam):
        return train_grid(loss, jnp.zeros(P), {"lam": lam}, X, y, optimizer=optimizer, steps=4, **options)

    return jax.jit(run).lower(jnp.ones((N, P)), jnp.ones(N), jnp.ones(members)).compile()


@pytest.mark.parametrize("optimizer", METHODS.values(), ids=METHODS.keys())
def test_no_array_has_a_copy_of_the_data_a_member(ridge, optimizer):
    found = shapes(compiled(ridge.loss, optimizer))
    assert (N, P) in found
    assert max(map(math.prod, found)) < G * N * P / 2


def test_nor_of_a_mini_batch(ridge):
    found = shapes(compiled(ridge.loss, METHODS["sgd"], batch_size=53, key=jax.random.key(0)))
    assert (53, P) in found
    assert max(map(math.prod, found)) < G * 53 * P / 2


def test_a_copy_would_be_seen(ridge):
    # A loss that scales the data by its hyperparameter does need one a member.
    found = shapes(compiled(lambda w, X, y, lam: ridge.loss(w, jnp.tanh(lam * X), y, 0.1), METHODS["sgd"]))
    assert any(math.prod(shape) >= G * N * P for shape in found)


def test_memory_grows_by_vectors(ridge):
    # From 20 members to 200: less than ten vectors of n + p numbers each, where the data are n p.
    temporary = [
        compiled(ridge.loss, METHODS["sgd"], members).memory_analysis().temp_size_in_bytes for members in (20, 200)
    ]
    each = (temporary[1] - temporary[0]) / 180
    assert 0 < each < 10 * 8 * (N + P) < 8 * N * P


def test_memory_grows_with_the_block_and_not_with_the_grid(ridge, monkeypatch):
    temporary = []
    real = programs.program

    def spy(*args, **kwargs):
        temporary.append(real.lower(*args, **kwargs).compile().memory_analysis().temp_size_in_bytes)
        return real(*args, **kwargs)

    monkeypatch.setattr(programs, "program", spy)
    monkeypatch.setattr(shares, "cores", lambda: 1)  # one program a block
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, P)), rng.normal(size=N)

    def peak(members, block):
        temporary.clear()
        grid = {"lam": np.linspace(0.1, 1.0, members)}
        train_grid(ridge.loss, jnp.zeros(P), grid, X, y, optimizer=METHODS["sgd"], steps=4, block=block)
        assert len(temporary) == -(-members // (block or members))
        return max(temporary)

    assert peak(64, 16) == peak(32, 16)
    assert peak(64, None) > 3 * peak(64, 16)

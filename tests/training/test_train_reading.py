"""How the results of training are read, and a grid that is chosen by cross-validation."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxreg
from jaxreg.training import CrossValidation

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4)).astype(np.float32)
Y = (X @ np.array([1, 2, 0, 0], np.float32) + RNG.standard_normal(60)).astype(np.float32)
LAMS = np.array([0.01, 0.1, 1.0, 5.0], np.float32)


def ridge(w, X, y, lam):
    return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * lam * jnp.sum(w**2)


def error(w, X, y):
    return jnp.mean((X @ w - y) ** 2)


def optimizer(learning_rate):
    return optax.sgd(learning_rate)


def trained(**options):
    grid = jaxreg.product(lam=LAMS, learning_rate=np.array([0.05, 0.2], np.float32))
    return jaxreg.train_grid(ridge, jnp.zeros(4), grid, X, Y, optimizer=optimizer, **({"steps": 300} | options))


@pytest.mark.filterwarnings("ignore:diverged")
def test_a_grid_is_a_few_lines():
    training = trained(validation=(X[:20], Y[:20]), validation_loss=error, steps=50)
    lines = repr(training).splitlines()
    assert len(lines) <= 12
    assert lines[0] == "Training: 8 members of 4 parameters, the best first"
    assert lines[1].split() == ["member", "lam", "learning_rate", "loss", "validation", "residual", "steps"]
    assert int(lines[2].split()[0]) == training.best_member()
    assert re.fullmatch(r"0 of 8 converged, \d diverged; 50 steps at most", lines[-1])
    assert training.summary() == repr(training)
    assert "<table>" in training._repr_html_()


def test_a_run_is_a_few_lines():
    training = jaxreg.train(ridge, jnp.zeros(4), X, Y, 0.1, optimizer=optax.sgd(0.2), steps=500, tol=1e-4)
    lines = repr(training).splitlines()
    assert lines[1].split() == ["step", "loss", "residual"]
    assert lines[-1] == f"converged after {int(training.n_steps)} steps"
    frame = training.to_frame("dict")
    np.testing.assert_array_equal(frame["loss"], training.history.loss)
    with pytest.raises(ValueError, match="only a grid"):
        training.best_member()
    with pytest.raises(ValueError, match="only a grid"):
        training.member(0)


def test_inside_a_program_nothing_is_read():
    seen = []

    def program(w):
        seen.append(repr(jaxreg.train(ridge, w, X, Y, 0.1, optimizer=optax.sgd(0.2), steps=3)))
        return w

    jax.jit(program)(jnp.zeros(4))
    assert seen == ["Training inside a program"]


def test_the_best_member_and_what_it_is():
    training = trained()
    k = training.best_member()
    assert k == int(np.argmin(training.loss))
    one = training.member(k)
    np.testing.assert_array_equal(one.params, training.params[k])
    assert float(one.grid["lam"]) == float(training.grid["lam"][k])
    assert training.best_member(np.arange(8.0)[::-1]) == 7
    assert training.best_member("residual") == int(np.argmin(training.residual))
    assert training.member(-1).params.shape == (4,)
    frame = training.to_frame("dict")
    np.testing.assert_array_equal(frame["lam"], np.repeat(LAMS, 2))
    for measure in ("validation", "mse"):
        with pytest.raises(ValueError, match=r"it may be one of \['loss', 'residual'\]"):
            training.best_member(measure)
    with pytest.raises(ValueError, match="8 members"):
        training.best_member([1.0])
    with pytest.raises(IndexError, match="8 members"):
        training.member(8)


@pytest.mark.filterwarnings("ignore:diverged")
def test_diverged_members_are_not_the_best():
    grid = {"lam": LAMS[:2], "learning_rate": np.array([50.0, 0.1], np.float32)}
    training = jaxreg.train_grid(ridge, jnp.zeros(4), grid, X, Y, optimizer=optimizer, steps=50)
    assert training.diverged.tolist() == [True, False]
    assert training.best_member(np.array([-1.0, 5.0])) == 1
    lost = jax.tree.map(lambda leaf: leaf[:1], training)
    with pytest.raises(ValueError, match="all members have diverged"):
        lost.best_member()


def test_goes_on_from_a_grid():
    """The grid that a Training carries is not part of where it goes on from."""
    first = trained(steps=10)
    grid = {name: first.grid[name] for name in ("lam", "learning_rate")}
    second = jaxreg.train_grid(ridge, first, grid, X, Y, optimizer=optimizer, steps=290)
    np.testing.assert_allclose(second.params, trained().params, rtol=1e-5, atol=1e-6)


def test_figures():
    pytest.importorskip("matplotlib")
    training = trained()
    curves = training.plot()
    assert len(curves.lines) == 9
    np.testing.assert_allclose(curves.lines[-1].get_ydata(), training.history.loss[training.best_member()])
    one = training.plot("lam")
    np.testing.assert_allclose(one.lines[0].get_xdata(), np.repeat(LAMS, 2))
    assert one.get_xscale() == "log"
    two = training.plot("lam", "learning_rate", measure="residual")
    assert (two.get_xlabel(), two.get_ylabel()) == ("lam", "learning_rate")
    np.testing.assert_allclose(two.collections[0].get_array(), training.residual)
    with pytest.raises(ValueError, match="'alpha' is no hyperparameter"):
        training.plot("alpha")


def test_folds_choose_as_a_sweep_does():
    """Ridge by gradient descent to its end, on the plan of ``sweep``: the errors of its folds in closed form."""
    found = jaxreg.train_grid(
        ridge, jnp.zeros(4), {"lam": LAMS}, X, Y, optimizer=optax.sgd(0.15), steps=2000, folds=5, measure=error, seed=3
    )
    assert isinstance(found, CrossValidation)
    options = {"fit_intercept": False, "standardize": False, "folds": 5, "seed": 3}
    sweep = jaxreg.sweep(X.astype(float), Y.astype(float), LAMS.astype(float), 0.0, **options)
    np.testing.assert_allclose(found.fold_error, sweep.fold_mse[0], rtol=2e-4)
    np.testing.assert_allclose(found.mean, sweep.mean_mse[0], rtol=2e-4)
    np.testing.assert_allclose(found.se, sweep.se_mse[0], rtol=2e-3)
    assert float(found.hyperparameters["lam"]) == pytest.approx(sweep.best.lam)
    np.testing.assert_allclose(found.params, sweep.best.params.coef, rtol=1e-3, atol=1e-4)
    lines = repr(found).splitlines()
    assert lines[0] == "CrossValidation: 4 members, 5 folds; the best first"
    assert int(lines[2].split()[0]) == found.best
    pytest.importorskip("matplotlib")
    ax = found.plot()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), found.mean)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("lam", "mean held-out error")


def test_folds_by_labels_and_pairs():
    labels = np.arange(60) % 3
    pairs = [(np.flatnonzero(labels != k), np.flatnonzero(labels == k)) for k in range(3)]
    options = {"optimizer": optax.sgd(0.1), "steps": 20, "measure": error}
    by = [
        jaxreg.train_grid(ridge, jnp.zeros(4), {"lam": LAMS}, X, Y, folds=f, **options).fold_error
        for f in (labels, pairs)
    ]
    np.testing.assert_allclose(by[0], by[1], rtol=1e-5)


def test_refusals():
    call = lambda *args, **options: jaxreg.train_grid(
        ridge, jnp.zeros(4), {"lam": LAMS}, *args, **({"optimizer": optax.sgd(0.1), "steps": 2} | options)
    )
    with pytest.raises(ValueError, match="same leading axis"):
        call(X, Y[:50], folds=3)
    with pytest.raises(ValueError, match="give folds too"):
        call(X, Y, measure=error)
    with pytest.raises(ValueError, match="at most as many as rows"):
        call(X, Y, folds=100, measure=error)
    with pytest.raises(TypeError, match=r"key is 0; .* jax.random.key\(0\)"):
        call(X, Y, key=0, batch_size=5)
    with pytest.raises(ValueError, match="neither with batches"):
        call(folds=3, batches=[(X, Y)])

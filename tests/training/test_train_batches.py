"""Mini-batches: drawn on the device by ``batch_size``, or streamed from arrays and files by ``batches``."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxreg import train, train_grid
from jaxreg.training import minibatches

SGD, ADAM = optax.sgd(0.1), optax.adam(0.1)


def mean_loss(w, X, y, lam=0.3):
    return 0.5 * jnp.mean((X @ w - y) ** 2) + 0.5 * lam * jnp.sum(w**2)


def explicit_loop(optimizer, w, batches, lam=0.3):
    """θ after every step, by optax alone."""
    state, path = optimizer.init(jnp.asarray(w)), []
    for X, y in batches:
        updates, state = optimizer.update(jax.grad(mean_loss)(w, X, y, lam), state, w)
        w = optax.apply_updates(w, updates)
        path.append(w)
    return path


# ------------------------------------------------------------------------------------------------ batch_size and key


def test_the_key_decides_the_rows(ridge, same):
    def run(key):
        options = {"optimizer": SGD, "steps": 20, "batch_size": 8, "key": key}
        return train(mean_loss, ridge.start, ridge.X, ridge.y, **options)

    first = run(jax.random.key(3))
    same(first, run(jax.random.key(3)), 0)
    assert np.abs(first.params - run(jax.random.key(4)).params).max() > 1e-3
    # The history is that of the whole data.
    np.testing.assert_allclose(first.loss, mean_loss(first.params, ridge.X, ridge.y), rtol=1e-13)


def test_the_record_stride_does_not_change_the_rows(ridge):
    ends = [
        train(
            mean_loss,
            ridge.start,
            ridge.X,
            ridge.y,
            optimizer=SGD,
            steps=20,
            batch_size=8,
            key=jax.random.key(3),
            record_every=stride,
        ).params
        for stride in (1, 7)
    ]
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-13)


def test_the_gradient_of_a_batch_is_unbiased(ridge):
    # One step of length 1 from 0 returns minus the gradient of the batch: its mean over keys is the whole gradient.
    def step(key):
        one = optax.sgd(1.0)
        return -train(mean_loss, ridge.start, ridge.X, ridge.y, optimizer=one, steps=1, batch_size=8, key=key).params

    gradients = np.asarray(jax.vmap(step)(jax.random.split(jax.random.key(0), 4000)))
    whole = -ridge.X.T @ ridge.y / 40
    standard_error = gradients.std(axis=0) / np.sqrt(4000)
    assert np.all(np.abs(gradients.mean(axis=0) - whole) < 4 * standard_error)
    # Rows are drawn independently: the variance is that of one row over 8.
    rows = -ridge.X * ridge.y[:, None]
    np.testing.assert_allclose(gradients.var(axis=0), rows.var(axis=0) / 8, rtol=0.1)


def test_every_row_is_drawn_as_often_as_any_other():
    # The loss −w·x with x a unit vector a row: w counts the rows.
    def loss(w, rows):
        return -jnp.sum(jnp.sum(rows, axis=0) * w)

    result = train(
        loss, np.zeros(10), np.eye(10), optimizer=optax.sgd(1.0), steps=5000, batch_size=4, key=jax.random.key(0)
    )
    counts = np.asarray(result.params)
    assert counts.sum() == 20_000
    # χ² with 9 degrees of freedom is above 27.9 once in a thousand.
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


def test_all_members_see_the_same_rows(ridge):
    options = {"optimizer": SGD, "steps": 20, "batch_size": 8, "key": jax.random.key(3)}
    lams = np.array([0.1, 1.0])
    grid = train_grid(mean_loss, ridge.start, {"lam": lams}, ridge.X, ridge.y, **options)
    loop = [
        train(lambda w, X, y, lam=lam: mean_loss(w, X, y, lam), ridge.start, ridge.X, ridge.y, **options)
        for lam in lams
    ]
    np.testing.assert_allclose(grid.params, [one.params for one in loop], rtol=1e-12)


# ------------------------------------------------------------------------------------------------ minibatches


def test_an_epoch_visits_every_row_once():
    rows, labels = np.arange(12.0), np.arange(12) + 100
    batches = minibatches(jax.random.key(0), rows, labels, batch_size=4)
    epochs = [[next(batches) for _ in range(3)] for _ in range(3)]
    orders = []
    for epoch in epochs:
        drawn = np.concatenate([batch[0] for batch in epoch])
        np.testing.assert_array_equal(np.sort(drawn), rows)
        orders.append(tuple(drawn))
        for one, label in epoch:
            np.testing.assert_array_equal(label, one + 100)  # the arrays keep step
    assert len(set(orders)) == 3  # a fresh order every epoch


def test_a_rest_is_left_out_and_the_key_decides():
    def draw(seed, count):
        batches = minibatches(jax.random.key(seed), np.arange(10), batch_size=4)
        return [tuple(batch.tolist()) for (batch,) in itertools.islice(batches, count)]

    epoch = draw(0, 2)
    assert len({row for batch in epoch for row in batch}) == 8
    assert draw(0, 6) == draw(0, 6)
    assert draw(0, 6) != draw(1, 6)
    assert {row for batch in draw(0, 20) for row in batch} == set(range(10))  # a later epoch has the rows left out


def test_rows_of_a_file(tmp_path, ridge, same):
    path = tmp_path / "X.dat"
    on_disk = np.memmap(path, dtype=np.float64, mode="w+", shape=ridge.X.shape)
    on_disk[:] = ridge.X
    on_disk.flush()
    on_disk = np.memmap(path, dtype=np.float64, mode="r", shape=ridge.X.shape)

    def run(X):
        batches = minibatches(jax.random.key(0), X, ridge.y, batch_size=8)
        assert type(next(batches)[0]) is np.ndarray
        return train(mean_loss, ridge.start, optimizer=ADAM, steps=12, batches=batches, record_every=5)

    same(run(on_disk), run(ridge.X), 0)


@pytest.mark.parametrize(
    ("arrays", "batch_size", "message"),
    [
        ([np.ones(3), np.ones(4)], 2, r"\[3, 4\]"),
        ([], 2, "one length"),
        ([np.ones(3)], 4, "batch_size is 4"),
        ([np.ones(3)], 0, "batch_size is 0"),
    ],
)
def test_minibatches_refuses(arrays, batch_size, message):
    with pytest.raises(ValueError, match=message):
        minibatches(jax.random.key(0), *arrays, batch_size=batch_size)


# ------------------------------------------------------------------------------------------------ streams


@pytest.mark.parametrize("record_every", [1, 5])
def test_a_stream_is_an_explicit_loop(ridge, record_every):
    batches = list(itertools.islice(minibatches(jax.random.key(0), ridge.X, ridge.y, batch_size=8), 12))
    path = explicit_loop(ADAM, jnp.asarray(ridge.start), batches)
    result = train(mean_loss, ridge.start, optimizer=ADAM, steps=12, batches=iter(batches), record_every=record_every)
    np.testing.assert_allclose(result.params, path[-1], rtol=1e-12, atol=1e-12)
    records = [*range(record_every, 12, record_every), 12]
    np.testing.assert_array_equal(result.history.step, records)
    # loss and residual of a record: on the last batch, the only data at hand.
    losses = [mean_loss(path[k - 1], *batches[k - 1]) for k in records]
    np.testing.assert_allclose(result.history.loss, losses, rtol=1e-12)
    assert result.n_steps == 12


@pytest.mark.parametrize("block", [None, 2])
def test_a_grid_on_a_stream(ridge, block):
    # An endless generator: with blocks too, all see the same batches.
    def stream():
        return minibatches(jax.random.key(0), ridge.X, ridge.y, batch_size=8)

    lams = np.array([0.1, 0.3, 1.0])
    result = train_grid(
        mean_loss, ridge.start, {"lam": lams}, optimizer=ADAM, steps=12, batches=stream(), record_every=5, block=block
    )
    assert result.history.loss.shape == (3, 3)
    for lam, params in zip(lams, result.params, strict=True):
        path = explicit_loop(ADAM, jnp.asarray(ridge.start), itertools.islice(stream(), 12), lam)
        np.testing.assert_allclose(params, path[-1], rtol=1e-12, atol=1e-12)


def test_a_stream_takes_no_more_than_it_uses(ridge):
    stream = minibatches(jax.random.key(0), ridge.X, ridge.y, batch_size=8)
    numbered = zip(itertools.count(), stream, strict=False)
    train(mean_loss, ridge.start, optimizer=SGD, steps=7, record_every=3, batches=(batch for _, batch in numbered))
    assert next(numbered)[0] == 7


@pytest.mark.slow
def test_streamed_steps_approach_the_solution(ridge):
    # Steps that decay, on unbiased gradients.
    rate = optax.polynomial_schedule(0.3, 1e-3, 1.0, 1500)
    stream = minibatches(jax.random.key(0), ridge.X, ridge.y, batch_size=8)
    result = train(mean_loss, ridge.start, optimizer=optax.sgd(rate), steps=1500, batches=stream, record_every=500)
    np.testing.assert_allclose(result.params, ridge.closed_form(0.3), atol=1e-2)


def test_float32_batches(ridge, x32):
    X, y = ridge.X.astype("float32"), ridge.y.astype("float32")
    stream = minibatches(jax.random.key(0), X, y, batch_size=8)
    result = train(mean_loss, jnp.zeros(5), optimizer=SGD, steps=8, batches=stream)
    assert result.params.dtype == jnp.float32

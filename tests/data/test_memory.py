"""Blocks are as large as the device has room for, and smaller where it has not as much as it said."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg.data.memory import SHARE, block_bytes, in_less_memory
from jaxreg.engines import ridge_blocks, rows

FULL = "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 123456 bytes.\nmore lines"
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(30, 4)), RNG.normal(size=(30, 6))
LAMS = np.geomspace(1, 0.01, 16)


class Device:
    platform = "gpu"

    def __init__(self, said):
        self.memory_stats = lambda: said


def test_a_share_of_what_is_free_or_what_a_cpu_takes():
    assert block_bytes(Device({"bytes_limit": 1000, "bytes_in_use": 400}), 7) == SHARE * 600
    assert block_bytes(Device({"bytes_limit": 1000}), 7) == SHARE * 1000
    assert block_bytes(Device({"bytes_limit": 10, "bytes_in_use": 10}), 7) == 1
    assert block_bytes(Device(None), 7) == block_bytes(Device({}), 7) == block_bytes(object(), 7) == 7
    assert block_bytes(None, 7) == block_bytes(jax.devices("cpu")[0], 7) == 7


def full_beyond(most, sizes):
    def solve(length):
        sizes.append(length)
        if length > most:
            raise jax.errors.JaxRuntimeError(FULL)
        return length

    return solve


def test_a_block_is_halved_until_there_is_room():
    sizes = []
    assert in_less_memory(full_beyond(3, sizes), 21, "one") == 3
    assert sizes == [21, 11, 6, 3]
    with pytest.raises(MemoryError) as error:
        in_less_memory(full_beyond(0, []), 5, "one λ")
    assert str(error.value).startswith("the device has no memory for one λ (Out of memory while trying to allocate 123")
    assert "\n" not in str(error.value)

    def other(length):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        in_less_memory(other, 4, "one")


def limited(monkeypatch, home, name, too_many):
    """A program that has no memory for some arguments; the calls that were made."""
    program, calls = getattr(home, name), []

    def call(*args, **options):
        calls.append(args)
        if too_many(*args):
            raise jax.errors.JaxRuntimeError(FULL)
        return program(*args, **options)

    monkeypatch.setattr(home, name, call)
    return calls


def test_lams_are_solved_in_smaller_blocks(monkeypatch):
    solve = lambda: jaxreg.path(X, Y[:, 0], LAMS[:4], strategy="parallel").coef
    expected = solve()
    calls = limited(monkeypatch, rows, "_solve", lambda X, y, lams, *_: len(lams) > 1)
    np.testing.assert_allclose(solve(), expected, rtol=1e-9, atol=1e-12)
    assert [len(of[2]) for of in calls] == [4, 2, 1, 1, 1, 1]
    limited(monkeypatch, rows, "_solve", lambda *_: True)
    with pytest.raises(MemoryError, match="no memory for the work at one λ"):
        solve()


def test_targets_are_solved_in_smaller_blocks(monkeypatch):
    solve = lambda: jaxreg.sweep(X, Y, LAMS, 0.0, folds=3)
    expected = solve()
    calls = limited(monkeypatch, ridge_blocks, "_from_moments", lambda m, *_: m.xy.shape[1] > 2)
    found = solve()
    np.testing.assert_allclose(found.mean_mse, expected.mean_mse, rtol=1e-9)
    np.testing.assert_allclose(found.path.coef, expected.path.coef, rtol=1e-9)
    assert {of[0].xy.shape[1] for of in calls} == {6, 3, 2}


def test_a_table_on_its_device_is_refused_in_one_line(monkeypatch):
    def full(*_, **__):
        raise jax.errors.JaxRuntimeError(FULL)

    monkeypatch.setattr("jaxreg.device_tables.paths.path", full)
    with pytest.raises(MemoryError, match=r"no memory for all of this at once .*give fewer rows"):
        jaxreg.path(jnp.asarray(X, jnp.float32), Y[:, 0], 4, device_arrays=True)


@pytest.mark.parametrize("door", ["fit", "path", "sweep"])
def test_what_the_device_has_no_memory_for_is_solved_by_the_host(monkeypatch, door):
    """A table on an accelerator whose results need not stay there, and one that a sweep would hand over."""
    doors = {
        "fit": lambda X: jaxreg.fit(X, Y[:, 0], 0.1).params.coef,
        "path": lambda X: jaxreg.path(X, Y[:, 0], 4).coef,
        "sweep": lambda X: jaxreg.sweep(X, Y[:, 0], LAMS[:4], folds=3).path.coef,
    }
    calls = []

    def full(*_, **__):
        calls.append(1)
        raise jax.errors.JaxRuntimeError(FULL)

    with jax.enable_x64(True):
        table = jnp.asarray(X)
    expected = doors[door](X)
    for name in ("device_tables.paths.fit", "device_tables.paths.path", "device_sweeps.cross_validate"):
        monkeypatch.setattr(f"jaxreg.{name}", full)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    for given in (table, X) if door == "sweep" else (table,):
        np.testing.assert_allclose(doors[door](given), expected, atol=1e-9)
    assert len(calls) == (2 if door == "sweep" else 1)

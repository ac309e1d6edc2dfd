"""Tasks on all cores: the answers of one core, and BLAS as it was before."""

import threading

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

import jaxreg
from jaxreg.data import cores, row_blocks


def threads_of_blas():
    return {library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr(cores, "CORES", 2)
    monkeypatch.setattr(row_blocks, "CORES", 2)


def test_blas_takes_one_core_meanwhile_and_all_of_them_afterwards():
    before = threads_of_blas()
    assert cores.share(lambda _: threads_of_blas(), [0, 1, 2]) == [{1}] * 3
    assert threads_of_blas() == before
    with pytest.raises(ZeroDivisionError):
        cores.share(lambda k: 1 // k, [1, 0])
    assert threads_of_blas() == before
    assert cores.share(lambda k: cores.can_share(), [0, 1]) == [False, False]
    assert cores.share(lambda k: threads_of_blas(), [0]) == [before]  # one task has all of them


def test_of_tasks_that_overlap_the_first_sets_it_back():
    before, entered, leave = threads_of_blas(), threading.Event(), threading.Event()

    def other():
        with cores.blas_of_one_thread():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with cores.blas_of_one_thread():
        thread.start()
        assert entered.wait(10)
        assert threads_of_blas() == {1}
    assert threads_of_blas() == before
    leave.set()
    thread.join()
    assert threads_of_blas() == before


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("centre", [0.0, 5.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_do_not_depend_on_who_shares(monkeypatch, order, centre, weighted):
    rng = np.random.default_rng(0)
    X = np.asarray(rng.normal(size=(1_001, 7)) + centre, order=order)
    Y, s = rng.normal(size=(1_001, 2)), rng.uniform(0, 2, 1_001) if weighted else None
    monkeypatch.setattr(row_blocks, "CACHED", 2**9)
    given = []
    share = lambda task, parts: given.append(len(parts)) or cores.share(task, parts)
    monkeypatch.setattr(row_blocks, "share", share)
    for rows in (None, np.arange(0, 1_001, 3)):
        monkeypatch.setattr(row_blocks, "SHARED", 2**18)
        alone = row_blocks.block_moments(X, Y, s, rows)
        monkeypatch.setattr(row_blocks, "SHARED", 1)
        given.clear()
        shared = row_blocks.block_moments(X, Y, s, rows)
        assert given[0] == 2
        for mine, its in zip(shared, alone, strict=True):
            np.testing.assert_allclose(mine, its, rtol=1e-11, atol=1e-11)
        here = slice(None) if rows is None else rows
        weight = np.ones(1_001)[here] if s is None else s[here]
        Z = X[here] - np.average(X[here], axis=0, weights=weight)
        np.testing.assert_allclose(shared.xx[:7, :7], Z.T @ (weight[:, None] * Z), rtol=1e-11, atol=1e-10)


def test_without_threadpoolctl(monkeypatch):
    """All is done by one thread and BLAS's own: the same answers."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(400, 6)), rng.normal(size=400)
    monkeypatch.setattr(row_blocks, "SHARED", 1)
    usual = jaxreg.sweep(X, y, 8, folds=3)
    monkeypatch.setattr(cores, "_controller", lambda: None)
    assert not cores.can_share()
    np.testing.assert_allclose(jaxreg.sweep(X, y, 8, folds=3).fold_mse, usual.fold_mse, rtol=1e-11)

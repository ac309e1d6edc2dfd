"""The table of memory: its bound, and a measurement small enough for here."""

import math
import sys

import memory
import pytest


def test_the_bound_is_a_copy_of_X_matrices_of_the_folds_at_work_and_blocks(monkeypatch):
    monkeypatch.setattr(memory, "CORES", 3)
    mib = lambda numbers: numbers * 8 / 2**20
    assert memory.bound("ridge, path", 1000, 100) == pytest.approx(mib(1000 * 100 + 3 * 100**2) + 64)
    assert memory.bound("lasso, 5 folds", 1000, 100) == pytest.approx(mib(1000 * 100 + 9 * 100**2) + 64)
    assert memory.bound("lasso, path", 500, 9000) == pytest.approx(mib(500 * 9000 + 3 * 896**2 + 2 * 896 * 500) + 64)


@pytest.mark.parametrize("job", memory.JOBS)
def test_two_calls_of_every_job_are_measured(job):
    """On so few rows the numbers say nothing, but that they are there."""
    assert [math.isfinite(number) for number in memory.beside(job, 200, 5)] == [True, True]


def test_a_table_has_a_line_for_every_job_and_shape(monkeypatch):
    monkeypatch.setattr(memory, "in_a_process_of_its_own", lambda *_, **more: [1.0, 4.0 if more else 2.0])
    lines = memory.table().splitlines()
    assert len(lines) == 2 + len(memory.SHAPES) * len(memory.JOBS)
    assert lines[2] == "| lasso, path | 100,000 × 200 | 153 | 1 | 2 | 4 | 218 |"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone says what is resident")
@pytest.mark.parametrize("job", memory.GROUPED)
def test_memory_of_groups_does_not_grow_with_their_number(job):
    few, many = (memory.in_a_process_of_its_own(job, groups, MALLOC_ARENA_MAX="1") for groups in (4_000, 16_000))
    assert max(few + many) <= memory.bound_of_groups()
    # X grows by 92 MiB: a copy of it would show, as would anything that is kept of every group.
    assert many[1] - few[1] <= 48

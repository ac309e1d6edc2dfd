"""Coverage: studentised intervals of ridge hold what they are of, and the table of all simulations is made."""

import coverage
import numpy as np
import pytest


@pytest.mark.slow
def test_studentised_intervals_of_ridge_hold_its_expectation_at_their_level():
    """At λ > 0 they are of E ŵ, the expectation of ridge's coefficient on such a table, and not of w.

    600 intervals, three of each table: a standard error of 0.009 if they were independent.
    """
    expected, error = coverage.ridge_expectation(40_000, 6)
    assert error.max() < 1e-3  # an interval is some 0.4 long
    held = coverage.studentised_ridge(200, 7, expected)
    assert 0.92 < held.mean() < 0.98
    assert (held.mean(axis=0) > 0.90).all()
    of_w = coverage.studentised_ridge(200, 7, coverage.TRUTH)
    assert of_w[:, 1].mean() < 0.3  # −2, of which ridge takes a fourth
    np.testing.assert_array_equal(held.shape, of_w.shape)


def test_every_simulation_is_a_row(monkeypatch):
    monkeypatch.setattr(coverage, "debiased", lambda **options: {"effects": [True, False], "zeros": [True] * 4})
    monkeypatch.setattr(coverage, "jackknife", lambda *given: [True, True, False, True])
    monkeypatch.setattr(coverage, "studentised_ridge", lambda *given: np.ones((3, 3), bool))
    monkeypatch.setattr(coverage, "ridge_expectation", lambda *given: (np.zeros(3), np.zeros(3)))
    rows = coverage.measure(0.001)
    assert len(rows) == 10 + 18 + 2
    assert rows[0] == ["debiased lasso, 5 effects of 1: effects", "95 %", "50.0 %", "2", "35.4"]
    assert rows[10][:4] == ["jackknife+, 39 × 4, normal noise", "90 %", "75.0 %", "4"]

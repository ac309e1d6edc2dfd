"""One budget of memory for all blocks of members: what does not fit is said before the work, with what would fit."""

import re

import numpy as np
import pytest

import jaxreg
from jaxreg.data import budget

DATA = jaxreg.datasets.diabetes()


@pytest.mark.parametrize("numbers", [1, 10, 1000, 10**6, 2**24, 10**9])
@pytest.mark.parametrize("most", [1, 7, 4096])
def test_a_block_fits_is_not_empty_and_could_not_be_larger(numbers, most):
    held = budget.fitting(numbers, most)
    assert 1 <= held <= most
    assert held == 1 or 8 * numbers * held <= budget.BLOCK_BYTES
    assert held == most or 8 * numbers * (held + 1) > budget.BLOCK_BYTES


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "what fits: keep='statistics', or at most 536 λs, or n_resamples of at most 53,687."),
        ({"jackknife": True}, "what fits: at most 534 λs, or n_resamples of at most 53,"),
        ({"l1_ratio": 0.0, "standard_errors": True}, "what fits: at most 268 λs, or n_resamples of at most 26,843."),
    ],
)
def test_a_bootstrap_too_large_says_what_fits_and_that_does(given, said, monkeypatch):
    monkeypatch.setattr("jaxreg.bootstraps.choose.path", None)  # before any work
    lams = np.geomspace(10, 0.1, 1000)
    with pytest.raises(MemoryError, match=re.escape(said)) as refused:
        jaxreg.bootstrap(DATA.X, DATA.y, lams, n_resamples=100_000, **given)
    assert "\n" not in str(refused.value)
    number = int(re.search(r"most ([\d,]+) λs", str(refused.value))[1].replace(",", ""))
    for L, fits in ((number, True), (number + 1, False)):  # as far as it says, and no further
        error = TypeError if fits else MemoryError  # the path that is not there
        with pytest.raises(error):
            jaxreg.bootstrap(DATA.X, DATA.y, lams[:L], n_resamples=100_000, **given)

"""Stability selection: the shares are counted, and the bounds hold where they should."""

import numpy as np
import pytest

import jaxreg
from jaxreg.sweeps import stability

DATA = jaxreg.datasets.diabetes()


def test_halves_are_complementary():
    weight = np.array([1.0, 2.0, 0.0, 1.0, 1.0, 3.0])
    halves = stability.complementary_halves(weight, 20, seed=4)
    assert halves.shape == (40, 6)
    for first, second in zip(halves[::2], halves[1::2], strict=True):
        assert not (first * second).any()
        assert (first > 0).sum() == (second > 0).sum() == 2  # of five rows one stays out
        assert set((first + second)[first + second > 0]) <= set(weight)
    np.testing.assert_array_equal(stability.complementary_halves(weight, 3, seed=4), halves[:6])


def test_the_first_q_that_enter():
    coef = np.zeros((1, 5, 4))
    coef[0, 1:, 2] = 1.0  # enters first
    coef[0, 2, 0] = -1.0  # second, and leaves again
    coef[0, 3:, 1] = coef[0, 3:, 3] = 1.0  # two at once: four in all
    for q, expected in ((1, [2]), (2, [0, 2]), (3, [0, 2]), (4, [0, 1, 2, 3])):
        chosen = stability.chosen_first(coef, q)[0]
        assert np.flatnonzero(chosen[-1]).tolist() == expected
        assert (np.diff(chosen.astype(int), axis=0) >= 0).all()  # what was chosen stays
    coef[0, 0] = 1.0  # all of them at the first λ: none fits
    assert not stability.chosen_first(coef, 3).any()


def test_the_shares_are_those_of_paths_of_the_halves():
    found = jaxreg.stability_selection(DATA.X, DATA.y, lams=30, q=4, n_pairs=5, seed=2)
    halves = stability.complementary_halves(np.ones(442), 5, 2)
    chosen = []
    for half in halves:
        rows = half > 0
        path = jaxreg.path(DATA.X[rows], DATA.y[rows], found.lams)
        so_far = np.maximum.accumulate(path.coef != 0, axis=0)
        chosen.append(so_far[so_far.sum(axis=1) <= 4][-1])
    np.testing.assert_allclose(found.frequency[-1], np.mean(chosen, axis=0))
    assert found.converged
    assert found.largest_gap <= 1e-10


# Of Shah and Samworth's Table 2 one line cannot be copied; their formula (8) is evaluated by hand here.
@pytest.mark.parametrize(
    ("q", "p", "threshold", "pairs", "bound"),
    [
        (10, 1000, 0.75, None, 100 / (0.5 * 1000)),
        (10, 1000, 0.9, None, 100 / (0.8 * 1000)),
        (10, 1000, 0.75, 50, 0.1 / (2 * (0.5 - 0.01))),
        (10, 1000, 0.9, 50, 0.1 * 4 * 0.11 / 1.02),
        (10, 1000, 1.0, 50, 0.1 * 4 * 0.01 / 1.02),
        (10, 1000, 0.5, None, np.inf),
        (10, 1000, 0.5, 50, np.inf),
        (10, 1000, 0.502, 50, np.inf),  # 2τ − 1 is below 1/(2B)
    ],
)
def test_bounds(q, p, threshold, pairs, bound):
    np.testing.assert_allclose(stability.false_selections(q, p, threshold, pairs), bound, rtol=1e-12)


def test_the_threshold_that_keeps_to_a_bound():
    share = stability.threshold_for(10, 1000, 0.15, 50)
    assert stability.false_selections(10, 1000, share, 50) <= 0.15
    assert stability.false_selections(10, 1000, share - 0.001, 50) > 0.15
    assert stability.threshold_for(500, 1000, 1e-6, 50) is None
    found = jaxreg.stability_selection(DATA.X, DATA.y, lams=20, q=3, expected_false=1.0, n_pairs=5)
    assert found.expected_false <= 1.0


def test_the_bound_holds_on_exchangeable_noise():
    """Five real features among 60: over 30 data sets, false selections are no more than the bound on their mean."""
    rng = np.random.default_rng(0)
    false, true, bound = [], [], None
    for _ in range(30):
        X = rng.normal(size=(120, 60))
        y = X[:, :5] @ np.full(5, 1.0) + 2 * rng.normal(size=120)
        found = jaxreg.stability_selection(X, y, lams=40, q=8, threshold=0.7, n_pairs=20)
        false.append(found.stable[5:].sum())
        true.append(found.stable[:5].sum())
        bound = found.expected_false
    assert np.mean(false) <= bound + 2 * np.std(false) / np.sqrt(30)
    assert np.mean(true) > 2.5  # it is not empty for the sake of the bound


@pytest.mark.parametrize("shape", [(100, 20), (30, 200)])
def test_a_randomised_lasso_is_a_path_with_factors_of_its_own(shape):
    rng = np.random.default_rng(2)
    X = rng.normal(size=shape)
    X[:, 1] = X[:, 0] + 0.1 * X[:, 1]  # two that stand for each other
    y = X[:, 0] + 0.5 * rng.normal(size=shape[0])
    v = 1.0 + np.arange(shape[1]) % 2
    options = {"q": 5, "n_pairs": 3, "seed": 2, "penalty_factor": v}
    found = jaxreg.stability_selection(X, y, lams=15, weakness=0.3, **options)
    halves = stability.complementary_halves(np.ones(shape[0]), 3, 2)
    factors = stability.weakened(v, 0.3, 6, 2)
    held = [
        jaxreg.path(X, y, found.lams, sample_weight=half, penalty_factor=factor).coef != 0
        for half, factor in zip(halves, factors, strict=True)
    ]
    np.testing.assert_allclose(found.held, np.mean(held, axis=0))
    assert found.weakness == 0.3
    assert found.converged
    plain = jaxreg.stability_selection(X, y, lams=15, **options)
    assert np.abs(plain.held - found.held).max() > 0.3


def test_it_is_read_saved_and_drawn(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(DATA.X, columns=DATA.feature_names)
    found = jaxreg.stability_selection(frame, DATA.y, lams=20, q=3, n_pairs=10)
    assert {"bmi", "s5"} <= set(found.stable_names)
    lines = repr(found).splitlines()
    assert lines[0] == "Stability: 20 halves, 10 columns, at most 3 chosen by each"
    assert len(lines) <= 12
    assert "stable at 0.75 or more" in lines[-2]
    assert list(found.to_frame("dict")["column"]) == list(DATA.feature_names)
    found.save(tmp_path / "stability.npz")
    again = jaxreg.load(tmp_path / "stability.npz")
    np.testing.assert_array_equal(again.frequency, found.frequency)
    assert again.stable_names == found.stable_names
    pytest.importorskip("matplotlib")
    assert again.plot().get_ylim()[1] > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l1_ratio": 0.0}, "ridge chooses no features"),
        ({"q": 0}, "q is 0"),
        ({"q": 11}, "there are 10 features"),
        ({"threshold": 0.5}, "above 0.5"),
        ({"threshold": 0.8, "expected_false": 1.0}, "both given"),
        ({"expected_false": 1e-9}, "no threshold keeps"),
        ({"n_pairs": 0}, "n_pairs is 0"),
        ({"weakness": 0.0}, "weakness is 0"),
        ({"weakness": 1.5}, "at most 1"),
        ({"X": DATA.X[:3], "y": DATA.y[:3]}, "fewer than 4 rows"),
        ({"y": np.column_stack([DATA.y, DATA.y])}, "several targets"),
    ],
)
def test_what_is_refused(options, message):
    arguments = {"X": DATA.X, "y": DATA.y, "lams": 3, "n_pairs": 2} | options
    with pytest.raises(ValueError, match=message):
        jaxreg.stability_selection(arguments.pop("X"), arguments.pop("y"), **arguments)

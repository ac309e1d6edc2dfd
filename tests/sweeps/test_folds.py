"""Which rows are held out together: the rule of the random folds, and every other way to say it."""

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit

from jaxreg.sweeps.folds import fold_labels, plan_of

X, Y = np.arange(46.0).reshape(23, 2), np.arange(23.0)


def masks(folds, seed=0, sample_weight=None):
    return plan_of(folds, X, Y, seed, sample_weight).measured


@pytest.mark.parametrize("folds", [2, 3, 5, 10, 23])
def test_every_block_is_a_permutation(folds):
    labels = fold_labels(23, folds, seed=4)
    assert labels.shape == (23,)
    for start in range(0, 23 - folds + 1, folds):
        assert sorted(labels[start : start + folds]) == list(range(folds))
    rest = labels[23 - 23 % folds :]
    assert len(set(rest)) == len(rest)
    sizes = np.bincount(labels, minlength=folds)
    assert sizes.max() - sizes.min() <= 1


def test_first_labels_do_not_depend_on_how_many_follow():
    """So that the rule can be applied to a stream of rows of unknown length."""
    long = fold_labels(10_000, 7, seed=3)
    for n in (7, 8, 100, 9_999):
        np.testing.assert_array_equal(fold_labels(n, 7, seed=3), long[:n])


def test_seeds_differ_and_repeat():
    np.testing.assert_array_equal(fold_labels(50, 5, seed=1), fold_labels(50, 5, seed=1))
    assert np.any(fold_labels(50, 5, seed=1) != fold_labels(50, 5, seed=2))
    assert fold_labels(7, 3, seed=0).tolist() == [2, 0, 1, 2, 1, 0, 2], "pinned: changing it changes everybody's folds"


def test_permutations_of_a_block_are_all_as_likely():
    """Every label at every place of a block: 1/K each, within 5 standard errors of 4,000 blocks."""
    labels = fold_labels(12_000, 3, seed=0).reshape(-1, 3)
    for place in range(3):
        share = np.bincount(labels[:, place]) / len(labels)
        np.testing.assert_allclose(share, 1 / 3, atol=5 * np.sqrt(2 / 9 / 4000))


def test_a_number_is_its_labels():
    labels = fold_labels(23, 4, seed=9)
    np.testing.assert_array_equal(masks(4, seed=9), masks(labels))
    np.testing.assert_array_equal(masks(np.int64(4), seed=9), masks(4, seed=9))


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(23) % 3,
        10 * (np.arange(23) % 3) - 7,
        np.array(["a", "b", "c"])[np.arange(23) % 3],
        (np.arange(23) % 3 / 2).tolist(),
    ],
    ids=["0, 1, 2", "other integers", "text", "list of floats"],
)
def test_labels_of_any_kind_make_one_fold_a_distinct_value_in_sorted_order(labels):
    np.testing.assert_array_equal(masks(labels), np.arange(23)[None, :] % 3 == np.arange(3)[:, None])


def test_booleans_are_taken_as_they_are():
    given = np.zeros((2, 23), bool)
    given[0, :5], given[1, 3:9] = True, True  # folds may overlap and leave rows out
    np.testing.assert_array_equal(masks(given), given)


def test_scikit_learn_splitters():
    for splitter in (KFold(4), KFold(3, shuffle=True, random_state=1), ShuffleSplit(3, test_size=5, random_state=2)):
        found = masks(splitter)
        for mask, (train, test) in zip(found, splitter.split(X), strict=True):
            np.testing.assert_array_equal(np.flatnonzero(mask), np.sort(test))
            if not isinstance(splitter, ShuffleSplit):
                np.testing.assert_array_equal(np.flatnonzero(~mask), train)


@pytest.mark.parametrize(
    ("folds", "match"),
    [
        (0, r"folds=0: .*at least 2 folds"),
        (1, r"folds=1: .*at least 2 folds"),
        (24, r"folds=24: .*at most as many as rows \(23\)"),
        (-3, r"folds=-3"),
        (True, "folds must be a whole number"),
        (2.5, "folds must be a whole number.*got 2.5"),
        ("ten", "folds must be a whole number.*got 'ten'"),
        (np.zeros(22), r"\(23,\) labels"),
        (np.ones((2, 22), bool), r"\(K, 23\) booleans"),
        (np.ones((2, 23)), r"\(K, 23\) booleans"),
        (np.zeros(23), "folds gives 1 fold; at least 2"),
        (np.ones((1, 23), bool), "folds gives 1 fold; at least 2"),
        (np.where(np.arange(23) == 7, np.nan, np.arange(23) % 2), r"folds\[7\] is missing \(NaN\)"),
    ],
)
def test_wrong_folds_are_named(folds, match):
    with pytest.raises(ValueError, match=match):
        masks(folds)


def test_a_fold_without_weight_is_named():
    """It would have no error (0/0), or nothing to train on."""
    labels = np.arange(23) % 3
    with pytest.raises(ValueError, match="fold 1 holds out no row of positive weight"):
        masks(labels, sample_weight=np.where(labels == 1, 0.0, 1.0))
    empty = np.zeros((2, 23), bool)
    empty[0, :3] = True
    with pytest.raises(ValueError, match="fold 1 holds out no row"):
        masks(empty)
    everything = np.ones((2, 23), bool)
    everything[0, :3] = False
    with pytest.raises(ValueError, match="fold 1 leaves no row of positive weight to train on"):
        masks(everything)


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([None, *"ab" * 11], id="None"),
        pytest.param(np.array([None, *"ab" * 11], object), id="object None"),
    ],
)
def test_missing_labels_are_named(labels):
    with pytest.raises(ValueError, match=r"folds\[0\]"):
        masks(labels)


def test_a_splitter_that_needs_groups_says_so():
    """Groups are given as labels instead."""
    with pytest.raises(ValueError, match="groups"):
        masks(GroupKFold(2))


@pytest.mark.parametrize(
    "labels", [["north", "south", "west"], [2019, 2021, 2020], [0.5, 2.5, 1.5], [True, False, True]]
)
def test_a_fold_of_weight_0_is_named_by_its_label(labels):
    groups = np.array(labels)[np.arange(23) % 3]
    with pytest.raises(ValueError, match=f"^fold {labels[1]!r} holds out no row of positive weight"):
        masks(groups, sample_weight=np.where(groups == labels[1], 0.0, 1.0))

"""What is said of a choice is what the numbers say."""

import dataclasses
import re

import numpy as np
import pytest

import jaxreg
from jaxreg.report import named
from jaxreg.report.words import choice_in_words, measured, rounded, time_in_words


def test_the_two_choices(usual):
    best, one_se = choice_in_words(usual)[:2]
    r, l = usual.best.index
    mean, se = re.match(r"The least held-out mean squared error is ([\d.]+) ± ([\d.]+) \(one", best).groups()
    assert float(mean) == pytest.approx(usual.mean_mse[r, l], abs=0.005 * usual.se_mse[r, l])
    assert float(se) == pytest.approx(usual.se_mse[r, l], rel=5e-3)
    assert f"at λ = {usual.best.lam:.4g} and l1_ratio = {usual.best.l1_ratio:g}:" in best
    assert f"It explains {usual.mean_r2[r, l]:.0%} of the variance" in best
    assert f"one standard error above that is {usual.one_se.lam:.4g}, with {usual.one_se.mean_mse:.3g}"[:-1] in one_se
    for said, choice in ((best, usual.best), (one_se, usual.one_se)):
        used = choice.n_nonzero
        assert (f"{used} of 4 features" if used < 4 else "all 4 features are used") in said


def test_the_features_that_are_used_are_named_largest_first(usual):
    coef = np.array([0.0, 0.001, 5.0, -1.0])
    params = usual.best.params._replace(coef=coef)
    choice = dataclasses.replace(usual.best, params=params, n_nonzero=3)
    size = np.abs(coef) * usual.path.scale
    names = [" ".join(usual.feature_names[j].split()) for j in np.argsort(-size)[:3]]
    said = choice_in_words(dataclasses.replace(usual, best=choice))[0]
    assert f"3 of 4 features are used ({', '.join(names)})" in said


def test_another_measure(usual):
    said = choice_in_words(dataclasses.replace(usual, measure="r2"))
    r, l = usual.best.index
    assert said[0].startswith(f"The largest held-out R² is {usual.mean_r2[r, l]:.2f}"[:-1])
    assert "It explains" not in said[0]
    assert "one standard error below that" in said[1]


@pytest.mark.parametrize(
    ("value", "digits", "words"),
    [
        (3003.19, 4, "3003"),
        (221.4, 2, "221"),
        (0.012345, 3, "0.0123"),
        (123456.7, 4, "123457"),
        (1.234e12, 3, "1.23e+12"),
        (0, 3, "0"),
    ],
)
def test_numbers_have_all_digits_before_the_point(value, digits, words):
    assert rounded(value, digits) == words


@pytest.mark.parametrize(
    ("mean", "se", "words"),
    [
        (2991.24, 123.4, "2991 ± 123"),
        (0.51234, 0.0123, "0.5123 ± 0.0123"),
        (6.5123e9, 1.234e8, "(6.512 ± 0.123)·10⁹"),
        (3.2e-7, 1e-8, "(3.200 ± 0.100)·10⁻⁷"),
        (4.0, 0.0, "4.0000 ± 0.0000"),
        (0.0, 0.0, "0.0000 ± 0.0000"),
    ],
)
def test_a_mean_and_its_error_have_one_notation(mean, se, words):
    assert measured(mean, se) == words


def test_models_of_one_size_differ_in_their_coefficients(usual):
    same = dataclasses.replace(usual.one_se, n_nonzero=usual.best.n_nonzero)
    assert "Its coefficients are smaller, and" in choice_in_words(dataclasses.replace(usual, one_se=same))[1]
    sparser = dataclasses.replace(usual.one_se, n_nonzero=usual.best.n_nonzero - 1)
    assert "Its model is the simpler one, and" in choice_in_words(dataclasses.replace(usual, one_se=sparser))[1]


def test_nothing_is_said_of_compiling_where_nothing_was_compiled():
    assert time_in_words((1.0, 0.0)) == "1.00 s"
    assert time_in_words((1.0, 0.25)) == "1.00 s, and 0.25 s to compile"


def test_choices_that_agree(usual):
    said = choice_in_words(dataclasses.replace(usual, one_se=usual.best))
    assert said[1] == "No larger λ is within one standard error of it: both rules take the same model."


def test_a_minimum_at_the_end_of_the_grid(usual):
    grid = usual.lams[int(usual.best.index[0])]
    at_the_end = dataclasses.replace(usual, best=dataclasses.replace(usual.best, lam=grid.min()))
    assert "smallest λ of the grid" in choice_in_words(at_the_end)[-1]
    at_the_top = dataclasses.replace(usual, best=dataclasses.replace(usual.best, lam=grid.max()))
    assert "largest λ of the grid" in choice_in_words(at_the_top)[-1]
    nothing = dataclasses.replace(usual, best=dataclasses.replace(usual.best, lam=grid.max(), n_nonzero=0))
    assert "no feature is used" in choice_in_words(nothing)[0]
    assert "of the grid" not in choice_in_words(nothing)[-1]


def test_an_end_where_the_error_still_falls_is_left_to_the_warning():
    data = jaxreg.datasets.diabetes()
    with pytest.warns(jaxreg.GridEndWarning):
        short = jaxreg.sweep(data.X, data.y, lams=[40.0, 20.0, 10.0], folds=3)
    assert "of the grid" not in choice_in_words(named(short, data.feature_names))[-1]

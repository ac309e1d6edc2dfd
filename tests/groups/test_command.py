"""``jaxreg sweep --by``: the groups of a table, on the terminal and in files, as Python has them."""

import csv

import numpy as np
import pytest

import jaxreg
from jaxreg import cli

HEAD = ["a", "b", "c", "region", "year", "price"]


@pytest.fixture
def table(tmp_path):
    """A file, and what is in it."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(240, 3))
    region, year = np.array(["north", "south"])[rng.integers(0, 2, 240)], 2020 + rng.integers(0, 2, 240)
    y = A @ [3.0, -1.0, 0.0] + (region == "north") * A[:, 2] + rng.normal(size=240)
    with open(tmp_path / "t.csv", "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(HEAD)
        rows.writerows([*a.tolist(), r, k, b] for a, r, k, b in zip(A, region, year.tolist(), y.tolist(), strict=True))
    return tmp_path / "t.csv", A, y, region, year


def run(*arguments):
    return cli.main(["sweep", *map(str, arguments)])


def test_the_command_does_what_python_does(table, tmp_path, capsys):
    file, A, y, region, year = table
    assert run(file, "--target", "price", "--by", "region", "year", "--folds", 4, "--lams", 20, "--out", tmp_path) == 0
    said = capsys.readouterr().out
    expected = jaxreg.sweep(A, y, 20, folds=4, by=[region, year])
    stored = jaxreg.load(tmp_path / "groups.npz")
    np.testing.assert_array_equal(stored.best.coef, expected.best.coef)
    assert stored.best.key_names == ("region", "year")
    assert stored.best.feature_names == ("a", "b", "c")
    with open(tmp_path / "groups.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["region"], int(row["year"])) for row in rows] == [
        (r, k) for r in ("north", "south") for k in (2020, 2021)
    ]
    assert [float(row["lam"]) for row in rows] == expected.best.lams.tolist()
    assert (tmp_path / "coefficients.png").stat().st_size > 5_000
    lines = said.splitlines()
    assert lines[0] == "t.csv: price"
    assert [line.split()[:3] for line in lines if line.startswith("north")] == [
        ["north", str(k), str(int(((region == "north") & (year == k)).sum()))] for k in (2020, 2021)
    ]
    assert "in 400 fits, all within the tolerance" in said


def test_fewer_rows_than_groups_are_printed_when_asked(table, capsys):
    file, *_ = table
    assert run(file, "--target", "price", "--by", "region", "year", "--folds", 4, "--lams", 20, "--rows", 1) == 0
    assert "… and 3 more groups; --rows 4 prints them" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--by", "region", "region"], "must name different columns"),
        (["--by", "shop"], "no column is named 'shop'"),
        (["--by", "region", "--ignore", "region"], "--by region is also in --ignore"),
        (["--by", "region", "--ignore", "year", "--l1-ratio", "0.5", "1"], "--by takes one --l1-ratio"),
        (["--by", "region", "--ignore", "year", "--measure", "mae"], "measure='mse'"),
        (["--by", "a", "--ignore", "region"], "rows, fewer than the 10 folds"),
    ],
)
def test_what_is_wrong_costs_one_line_and_no_file(table, tmp_path, capsys, options, said):
    file, *_ = table
    assert run(file, "--target", "price", *options, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "out" / "groups.npz").exists()


def test_built_in_data_have_no_groups(capsys):
    assert cli.main(["sweep", "--dataset", "diabetes", "--by", "sex"]) == 2
    assert "--by goes with FILE" in capsys.readouterr().err

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


def test_several_l1_ratios_are_a_column(table, tmp_path, capsys):
    file, A, y, region, _ = table
    given = ("--target", "price", "--by", "region", "--ignore", "year", "--folds", 4, "--lams", 20)
    assert run(file, *given, "--l1-ratio", "1", "0", "--out", tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = jaxreg.sweep(A, y, 20, [1.0, 0.0], folds=4, by=region)
    start = next(k for k, line in enumerate(lines) if line.startswith("region"))
    assert lines[start].split()[:3] == ["region", "rows", "l1_ratio"]
    assert [float(line.split()[2]) for line in lines[start + 2 : start + 4]] == expected.l1_ratio.tolist()
    with open(tmp_path / "groups.csv", newline="") as stream:
        assert [float(row["l1_ratio"]) for row in csv.DictReader(stream)] == expected.l1_ratio.tolist()


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


# ---- predict --------------------------------------------------------------------------------------------------------


def predict(*arguments):
    return cli.main(["predict", *map(str, arguments)])


def written(folder, names, columns):
    with open(folder / "new.csv", "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerows([names, *zip(*columns, strict=True)])
    return folder / "new.csv"


@pytest.mark.parametrize("choice", ["best", "one_se"])
def test_every_row_is_predicted_by_the_model_of_its_group(table, tmp_path, capsys, choice):
    file, A, y, region, year = table
    run(file, "--target", "price", "--by", "region", "year", "--folds", 4, "--lams", 20, "--out", tmp_path / "out")
    rng = np.random.default_rng(1)
    B, r, k = rng.normal(size=(9, 3)), np.array(["south", "north", "south"] * 3), np.array([2020, 2021, 2021] * 3)
    new = written(tmp_path, ["year", "c", "a", "region", "b"], [k, B[:, 2], B[:, 0], r, B[:, 1]])  # in any order
    capsys.readouterr()
    assert predict(tmp_path / "out", new, "--choice", choice, "--keep", "region") == 0
    head, *lines = csv.reader(capsys.readouterr().out.splitlines())
    assert head == ["line", "region", "price"]
    assert [line[1] for line in lines] == r.tolist()
    fits = getattr(jaxreg.sweep(A, y, 20, folds=4, by=[region, year]), choice)
    of = {key: g for g, key in enumerate(zip(*(key.tolist() for key in fits.keys), strict=True))}
    g = [of[key] for key in zip(r.tolist(), k.tolist(), strict=True)]
    expected = (B * fits.coef[g]).sum(axis=1) + fits.intercept[g]
    np.testing.assert_allclose([float(line[2]) for line in lines], expected, rtol=1e-12)
    assert predict(tmp_path / "out" / "groups.npz", new, "--choice", choice, "--out", tmp_path / "p.csv") == 0
    with open(tmp_path / "p.csv", newline="") as stream:
        assert [row["price"] for row in csv.DictReader(stream)] == [line[2] for line in lines]


def test_words_are_read_as_the_sweep_has_read_them(table, tmp_path, capsys):
    file, A, y, region, year = table
    given = ("--target", "price", "--by", "year", "--categorical", "region", "--folds", 4, "--lams", 20)
    run(file, *given, "--out", tmp_path / "out")
    new = written(tmp_path, ["a", "b", "c", "region", "year"], [[1.0], [2.0], [3.0], ["south"], [2021]])
    capsys.readouterr()
    assert predict(tmp_path / "out", new) == 0
    words = np.column_stack([A, region == "north", region == "south"])
    expected = jaxreg.sweep(words, y, 20, folds=4, by=year).predict([[1.0, 2.0, 3.0, 0.0, 1.0]], [2021])
    assert float(capsys.readouterr().out.split(",")[-1]) == pytest.approx(expected[0], rel=1e-10)


def test_what_predict_cannot_do_costs_one_line(table, tmp_path, capsys):
    file, A, y, _region, year = table
    out = tmp_path / "out"
    run(file, "--target", "price", "--by", "region", "year", "--folds", 4, "--lams", 20, "--out", out)
    rows = [[1.0] * 2, [1.0] * 2, [1.0] * 2, ["south", "south"], ["2021", "2020 or so"]]

    def refusal(*arguments):
        capsys.readouterr()
        assert predict(*arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    new = written(tmp_path, ["a", "b", "c", "region", "year"], rows)
    first = "the sweep has seen 4 groups, region north, year 2020 the first"
    assert f"line 3: no group has region south, year 2020 or so; {first}" in refusal(out, new)
    rows[4] = [2020, 2022]
    new = written(tmp_path, ["a", "b", "c", "region", "year"], rows)
    assert f"line 3: no group has region south, year 2022; {first}" in refusal(out, new)
    new = written(tmp_path, ["a", "b", "c", "region"], rows[:4])
    assert "no column is named 'year'" in refusal(out, new)
    rows[4] = [2020, ""]
    new = written(tmp_path, ["a", "b", "c", "region", "year"], rows)
    assert "1 missing cell in column 'year'" in refusal(out, new)
    (out / "groups.json").write_text("{}")
    assert "groups.json is damaged" in refusal(out, new)
    jaxreg.fit(A, y, 1.0, by=year).save(tmp_path / "fit.npz")
    assert "has no names of columns" in refusal(tmp_path / "fit.npz", new)
    jaxreg.fit(A, y, 1.0).save(tmp_path / "fit.npz")
    assert "holds no models of groups" in refusal(tmp_path / "fit.npz", new)


def test_a_fit_that_python_has_saved_predicts_too(table, tmp_path, capsys):
    import pandas as pd

    _, A, y, region, year = table
    month = np.array(["2024-01", "2024-02"], "datetime64[M]")[year - 2020]
    frame = pd.DataFrame({"a": A[:, 0], "b": A[:, 1], "month": month.astype("datetime64[s]"), "odd": region == "north"})
    found = jaxreg.fit(frame, y, 0.5, by=["month", "odd"])
    found.save(tmp_path / "fits.npz")
    new = written(tmp_path, ["a", "b", "month", "odd"], [[1.0], [2.0], ["2024-02-01"], ["true"]])
    assert predict(tmp_path / "fits.npz", new) == 0
    head, row = csv.reader(capsys.readouterr().out.splitlines())
    assert head == ["line", "prediction"]
    g = next(g for g in range(4) if found.key_of(g).startswith("month 2024-02") and found.keys[1][g])
    assert float(row[1]) == pytest.approx(found.coef[g] @ [1.0, 2.0] + found.intercept[g], rel=1e-12)


def test_built_in_data_have_no_groups(capsys):
    assert cli.main(["sweep", "--dataset", "diabetes", "--by", "sex"]) == 2
    assert "--by goes with FILE" in capsys.readouterr().err

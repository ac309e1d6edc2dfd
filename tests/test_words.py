"""Words and missing cells as numbers: held against pandas and scikit-learn, and new rows are read as the old ones."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxreg.tables import Coding, TableError, quick_csv, read_table

FLATS = "rent,area,heating,city\n900,50,gas,Rome\n1200,NA,oil,Oslo\n700,40,,Rome\n1500,90,gas,Bonn\n800,NA,none,Oslo\n"


@pytest.fixture
def flats(tmp_path):
    path = tmp_path / "flats.csv"
    path.write_text(FLATS, encoding="utf-8")
    return path


def refusal(path, **options):
    with pytest.raises(TableError) as caught:
        read_table(path, **options)
    return str(caught.value)


def written(tmp_path, text, name="table.csv"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_words_are_the_columns_of_pandas(flats):
    pandas = pytest.importorskip("pandas")
    table = read_table(flats, categorical="auto", missing="drop")
    frame = pandas.read_csv(flats).dropna()
    expected = pandas.get_dummies(frame, columns=["heating", "city"], prefix_sep="=", dtype=float)
    # Rome and Bonn heat with gas; the rows of Oslo have gone, and with them their words.
    assert table.columns == tuple(expected.columns) == ("rent", "area", "heating=gas", "city=Bonn", "city=Rome")
    np.testing.assert_array_equal(table.values, expected.to_numpy())
    assert table.values.flags.c_contiguous
    assert table.coding.levels == {"heating": ("gas",), "city": ("Bonn", "Rome")}
    assert table.coding.first_levels == ("heating=gas", "city=Bonn")
    assert table.places.tolist() == [2, 5]
    assert table.dropped.tolist() == [3, 4, 6]
    assert table.rows_dropped == 3
    assert table.notes == (
        "3 rows with missing cells left out: lines 3, 4, 6",
        "columns of zeros and ones for the words of 'heating' (1), 'city' (2)",
    )


def test_the_columns_keep_their_order(flats):
    table = read_table(flats, columns=["city", "rent", "heating"], categorical=["city", "heating"], missing="drop")
    assert table.columns == ("city=Bonn", "city=Oslo", "city=Rome", "rent", "heating=gas", "heating=oil")


@pytest.mark.parametrize("how", ["mean", "median"])
def test_missing_cells_are_filled_in_as_scikit_learn_does(flats, how):
    impute = pytest.importorskip("sklearn.impute")
    table = read_table(flats, categorical="auto", missing=how, complete=["rent"])
    nan = np.nan
    area = [[50], [nan], [40], [90], [nan]]
    heating = [[1, 0], [0, 1], [nan, nan], [1, 0], [nan, nan]]  # gas, oil; "none" is a missing cell
    expected = impute.SimpleImputer(strategy=how).fit_transform(np.hstack([area, heating]))
    np.testing.assert_allclose(table.only("area", "heating=gas", "heating=oil").values, expected, rtol=1e-15)
    assert table.rows_dropped == 0
    assert table.notes[-1] == (
        f"the {how} of the column in place of 4 missing cells in columns 'area' (2), 'heating' (2)"
    )
    assert set(table.coding.fills) == set(table.columns) - {"rent"}


def test_rows_without_a_target_are_left_out_and_not_filled_in(tmp_path):
    path = written(tmp_path, "y,a\n1,2\nNA,3\n3,NA\n")
    table = read_table(path, missing="mean", complete=["y"])
    np.testing.assert_array_equal(table.values, [[1, 2], [3, 2]])  # the mean is over the rows that stay
    assert table.dropped.tolist() == [3]
    assert "y" not in table.coding.fills


def test_new_rows_are_read_as_the_old_ones(flats, tmp_path):
    old = read_table(flats, categorical="auto", missing="median", complete=["rent"])
    names = [name for name in old.columns if name != "rent"]
    new = written(tmp_path, "city;area;note;heating\nOslo;NA;hello;gas\nRome;70;;NA\n", "new.csv")
    coding = Coding.from_stored(old.coding.as_stored())
    assert coding == old.coding
    sources = coding.sources(names)
    assert sources == ["area", "heating", "city"]
    table = read_table(new, columns=sources, like=coding).only(*names)
    np.testing.assert_array_equal(table.values, [[50, 1, 0, 0, 1, 0], [70, 1, 0, 0, 0, 1]])
    assert table.columns == tuple(names)
    assert table.notes[0] == "cells end at ';'"
    # In one that was not filled in, a missing cell is refused or dropped.
    strict = Coding(coding.levels)
    assert "2 missing cells in columns 'area' (1), 'heating' (1), the first on line 2" in refusal(
        new, columns=sources, like=strict
    )
    assert read_table(new, columns=["city"], like=strict).values.shape == (2, 3)


def test_words_that_were_not_seen(flats, tmp_path):
    coding = read_table(flats, columns=["city"], categorical=["city"]).coding
    new = written(tmp_path, "city\nRome\nParis\nPisa\n", "new.csv")
    message = refusal(new, like=coding)
    assert "line 3, column 'city': 'Paris' is none of the words" in message
    assert "'Bonn', 'Oslo', 'Rome'" in message
    assert "--unseen zero" in message
    np.testing.assert_array_equal(read_table(new, like=coding, unseen="zero").values, [[0, 0, 1], [0, 0, 0], [0, 0, 0]])


def test_columns_kept_as_text(flats):
    table = read_table(flats, text=["city", "heating"], complete=["city"], columns=["rent"])
    assert table.columns == ("rent",)
    assert table.words["city"].tolist() == ["Rome", "Oslo", "Rome", "Bonn", "Oslo"]
    assert table.words["heating"].tolist() == ["gas", "oil", "", "gas", ""]
    # A missing cell in a text counts where it was said to be complete, or becomes numbers too.
    assert "in column 'heating' (2)" in refusal(flats, text=["heating"], complete=["heating"], columns=["rent"])
    like = Coding({"heating": ("gas", "oil")})
    assert "in column 'heating' (2)" in refusal(flats, text=["heating"], like=like, columns=["rent"])
    both = read_table(flats, text=["heating"], like=like, columns=["rent"], missing="drop")
    assert both.words["heating"].tolist() == ["gas", "oil", "gas"]
    assert both.columns == ("rent", "heating=gas", "heating=oil")


def test_numbers_as_words_are_sorted_by_size(tmp_path):
    path = written(tmp_path, "zip,y\n100,1\n20,2\n3,3\n")
    assert read_table(path, categorical=["zip"]).columns == ("zip=3", "zip=20", "zip=100", "y")


@pytest.mark.parametrize(
    ("text", "options", "fragments"),
    [
        ("a,b\n1,x\n2,5\n", {"categorical": "auto"}, ["column 'b': 'x' is not a number", "correct the cell"]),
        ("a,b\n1,1.2.2024\n", {"categorical": "auto"}, ["'1.2.2024' is a date"]),
        ('a,b\n1,"1,5"\n', {"categorical": "auto"}, ["has a comma"]),
        ("a,b\n1,inf\n", {"categorical": "auto"}, ["not finite"]),
        ("a,b\n1,x\n", {"categorical": ["c"]}, ["no column is named 'c'"]),
        ("a,b\n1,x\n", {"categorical": ["b"], "ignore": ["b"]}, ["'b' is to be read as text, and is left out"]),
        ("a,b\n1,x\n", {"categorical": "b"}, ["categorical must be 'auto' or a list"]),
        ("a,b\n1,x\n", {"text": ["a", "b"]}, ["no columns are left to read"]),
        ("a,b\n1,NA\n2,\n", {"categorical": ["b"], "missing": "mean"}, ["no cell that is not missing"]),
        ("a,b\n1,NA\n2,\n", {"missing": "median"}, ["column 'b' has no cell that is not missing"]),
        ("a,a=x\nx,2\n", {"categorical": ["a"]}, ["make a column 'a=x'"]),
        ("a\n1\n", {"missing": "mean", "like": Coding()}, ["does not go with like="]),
        ("a\n1\n", {"unseen": "skip"}, ["unseen must be"]),
    ],
)
def test_refusals(tmp_path, text, options, fragments):
    message = refusal(written(tmp_path, text), **options)
    assert all(fragment in message for fragment in fragments), message
    assert "\n" not in message


def test_a_column_that_identifies_the_row_is_no_text(tmp_path):
    text = "name,y\n" + "".join(f"n{i},{i}\n" for i in range(50))
    message = refusal(written(tmp_path, text), categorical="auto")
    assert "'name' holds 50 different words in 50 rows" in message
    assert "--ignore name" in message
    assert len(read_table(tmp_path / "table.csv", categorical=["name"]).columns) == 51


@pytest.mark.parametrize("least", [0, 2**60])
def test_a_number_far_down_among_words(tmp_path, monkeypatch, least):
    monkeypatch.setattr(quick_csv, "LEAST", least)
    path = written(tmp_path, "a,b\n" + "word,1\n" * 5000 + "12,1\n")
    message = refusal(path, categorical="auto")
    assert "line 5002, column 'a': '12' is a number" in message
    assert "--categorical a" in message
    assert read_table(path, categorical=["a"]).columns == ("a=12", "a=word", "b")


CELLS = st.sampled_from(["red", " red", "Blue", "ü", "NA", "", "None", "5", "-1e3", "true", "x y", "2024-01-01"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELLS, st.sampled_from(["1", "2.5", "NA"])), min_size=1, max_size=6), st.booleans())
def test_both_readers_of_csv_agree_on_words(tmp_path_factory, rows, auto):
    pytest.importorskip("pyarrow")
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows), encoding="utf-8")
    said = []
    for least in (0, 2**60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(quick_csv, "LEAST", least)
            try:
                table = read_table(path, categorical="auto" if auto else ["a"], missing="mean")
                said.append((table.columns, table.values.tobytes(), table.places.tolist(), table.notes, table.coding))
            except TableError as error:
                said.append(str(error))
    assert said[0] == said[1]


def test_parquet_is_read_as_csv_is(tmp_path, flats):
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    heating = pyarrow.array(["gas", "oil", None, "gas", None])
    columns = {
        "rent": [900, 1200, 700, 1500, 800],
        "area": [50.0, None, 40.0, 90.0, None],
        "heating": heating.dictionary_encode(),
        "city": pyarrow.array(["Rome", "Oslo", "Rome", "Bonn", "Oslo"], pyarrow.large_string()),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "flats.parquet")
    csv = read_table(flats, categorical="auto", missing="mean")
    table = read_table(tmp_path / "flats.parquet", categorical="auto", missing="mean")
    assert table.columns == csv.columns
    np.testing.assert_array_equal(table.values, csv.values)
    assert table.coding == csv.coding
    assert table.places.tolist() == [1, 2, 3, 4, 5]
    assert "--categorical auto" in refusal(tmp_path / "flats.parquet")
    as_words = read_table(tmp_path / "flats.parquet", columns=["rent"], categorical=["rent"])
    assert as_words.columns[:2] == ("rent=700", "rent=800")


def test_an_open_file_is_read(flats):
    stream = io.BytesIO(FLATS.encode())
    np.testing.assert_array_equal(
        read_table(stream, columns=["rent"]).values, read_table(flats, columns=["rent"]).values
    )
    assert refusal(io.BytesIO(b"")).startswith("the file: no rows")


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_the_delimiter_of_the_first_line_is_used_and_said(tmp_path, delimiter):
    path = written(tmp_path, f"a{delimiter}b\n1{delimiter}2\n")
    table = read_table(path)
    assert (table.columns, table.values.tolist()) == (("a", "b"), [[1, 2]])
    assert table.notes == (f"cells end at {delimiter!r}",)
    assert "--delimiter" in refusal(path, delimiter=",")

"""What is wrong with a stream is named in one line: file, row group, row or line, column."""

import numpy as np
import pytest

import jaxreg
from jaxreg.tables import TableError
from tests.streams.conftest import EXTRA, N, cut, write_csv, write_parquet

pytest.importorskip("pyarrow")


@pytest.fixture
def columns(stored):
    return {name: values.copy() for name, values in stored.columns.items() if name not in EXTRA}


def refused(message, *source, **options):
    """In one line."""
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        jaxreg.fold_moments(*source, **options)
    assert "\n" not in str(caught.value)
    return caught.value


def test_other_columns_in_a_later_file(columns, tmp_path):
    write_parquet(columns, tmp_path / "0.parquet")
    write_parquet({name: values for name, values in columns.items() if name != "b"}, tmp_path / "1.parquet")
    refused(r"1\.parquet: lacks 'b', which the first file has .*0\.parquet", tmp_path, "y")
    write_parquet(columns | {"z": columns["a"]}, tmp_path / "1.parquet")
    refused(r"1\.parquet: has 'z', which the first file has not", tmp_path, "y")


def test_another_type_in_a_later_file(columns, tmp_path):
    write_parquet(columns, tmp_path / "0.parquet")
    write_parquet(columns | {"b": columns["b"].astype(str)}, tmp_path / "1.parquet")
    refused(r"1\.parquet: column 'b' has type string, not numeric", tmp_path, "y")


def test_a_truncated_row_group(columns, tmp_path):
    """The footer is there and bytes of a page are gone; and a file that ends in the middle."""
    file = tmp_path / "t.parquet"
    write_parquet(columns, file, compression="none", use_dictionary=False, write_page_checksum=True)
    whole = file.read_bytes()
    data = bytearray(whole)
    data[len(data) // 2] ^= 1  # a flipped bit of a number
    file.write_bytes(data)
    refused(r"t\.parquet, row group \d: damaged, or not such a file \(.*(CRC|checksum)", file, "y")
    file.write_bytes(whole[: len(whole) // 2])
    refused(r"t\.parquet: cannot be read", file, "y")


def test_numbers_that_are_not_finite(columns, tmp_path):
    columns["c"][1203] = np.inf
    write_parquet(columns, tmp_path / "t.parquet", 500)
    refused(r"t\.parquet, row group 2: row 1204, column 'c': inf is not finite", tmp_path / "t.parquet", "y")
    columns["c"][1203] = np.nan
    write_parquet(columns, tmp_path / "t.parquet", 500)
    missing = r"t\.parquet, row group 2: 1 missing cell in column 'c' \(1\), the first on row 1204"
    refused(missing, tmp_path / "t.parquet", "y")
    write_csv(columns | {"c": np.where(np.arange(N) == 1203, np.inf, 0.0)}, tmp_path / "t.csv")
    refused(r"t\.csv: line 1205, column 'c': 'inf' is not finite", tmp_path / "t.csv", "y")
    X = np.ones((10, 2))
    X[3, 1] = np.nan
    batches = lambda: iter([(np.eye(2), np.ones(2)), (X, np.ones(10))])
    refused("batch 1: X at row 3, column 1 is a missing value", batches(), folds=2)


def test_a_line_of_a_later_piece(columns, tmp_path, monkeypatch):
    from jaxreg.tables import csv_pieces

    monkeypatch.setattr(csv_pieces, "PIECE", 5000)
    file = tmp_path / "t.csv"
    write_csv(columns, file)
    lines = file.read_text().splitlines()
    lines[2000] = "1,2,3"
    file.write_text("\n".join(lines))
    refused(r"t\.csv: line 2001: 3 cells found, 5 expected", file, "y")
    lines[2000] = "1,2,x,4,5"
    file.write_text("\n".join(lines))
    refused(r"t\.csv: line 2001, column 'c': 'x' is not a number", file, "y")


def test_quoted_ends_of_lines_are_no_ends(tmp_path, monkeypatch):
    from jaxreg.tables import csv_pieces

    monkeypatch.setattr(csv_pieces, "PIECE", 64)
    file = tmp_path / "t.csv"
    file.write_text("name,a,y\n" + "".join(f'"two\nlines, {k}",{k},{k * k}\n' for k in range(40)))
    folds = jaxreg.fold_moments(file, "y", folds=2, ignore=["name"])
    assert sum(folds).n_rows == 40


def test_a_batch_of_the_wrong_width(stored):
    X, y = stored.X, stored.y
    refused("batch 1 has 3 columns and targets .*, the first one 4", iter([(X, y), (X[:, :3], y)]))
    refused("batch 1: X has 2400 rows but y has 7", iter([(X, y), (X, y[:7])]))
    refused("batch 0 is a ndarray", iter([X]))


def test_a_missing_label_of_a_fold(columns, tmp_path):
    labels = np.array(["p", "q"], dtype=object)[np.arange(N) % 2]
    labels[1700] = None
    write_parquet(columns | {"fold": labels}, tmp_path / "t.parquet", 500)
    refused(r"t\.parquet, row group 3: .*'fold'.* row 1701", tmp_path / "t.parquet", "y", "fold")
    refused("batch 0 has no labels of folds for its 2400 rows", iter([(np.ones((N, 1)), np.ones(N))]), folds="fold")


def test_words_that_are_no_levels(columns, tmp_path):
    columns["c"] = np.array(["u", "v"], dtype=object)[np.arange(N) % 2]
    write_parquet(columns, tmp_path / "t.parquet")
    refused(
        r"t\.parquet, row group 0: row 2, column 'c': 'v' is none of", tmp_path / "t.parquet", "y", levels={"c": ["u"]}
    )


OTHERS = {
    "no such file": (("nowhere.csv", "y"), {}, "cannot read nowhere.csv"),
    "nothing matches": (("nowhere-*.csv", "y"), {}, r"no file matches nowhere-\*\.csv"),
    "no target": (("table.csv",), {}, "target is None; it must be the name of a column"),
    "filled in": (("table.csv", "y"), {"missing": "median"}, "missing is 'median'; a stream takes 'error', 'drop' or"),
    "a column twice": (("table.csv", "y", "y"), {}, "must be different columns"),
    "no such column": (("table.csv", "z"), {}, "no column is named 'z'|'z' is"),
    "a key and labels": (("table.csv", "y", "a"), {"fold_key": "b"}, "with fold_key it must be a number"),
    "a target of batches": ((iter([]), "y"), {}, "an iterator of batches takes no target"),
    "no batch": ((iter([]),), {}, "no rows are left of the stream"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_arguments(name, columns, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(cut(columns, 0, 50), tmp_path / "table.csv")
    source, options, message = OTHERS[name]
    assert isinstance(refused(message, *source, **options), TableError | TypeError | ValueError)


def test_nothing_is_read_twice_and_what_needs_rows_is_refused(columns, tmp_path):
    write_parquet(columns, tmp_path / "t.parquet")
    with pytest.raises(TypeError, match="takes no measure: that needs rows"):
        jaxreg.sweep(tmp_path / "t.parquet", target="y", measure="mae")
    with pytest.raises(ValueError, match="fold 3 holds out no row"):
        jaxreg.fold_moments(iter([(np.eye(3), np.ones(3))]), folds=4, seed=1)


def test_columns_whose_moments_no_memory_holds_are_refused_before_the_first_product():
    X = np.zeros((3, 20_000))
    with pytest.raises(
        MemoryError, match=r"the moments of 20,001 columns in 10 folds would take 29\.8 GiB; what fits: 14,6"
    ):
        jaxreg.fold_moments(iter([(X, X[:, 0])]))


def test_weights_that_are_all_0_and_arguments_of_no_stream_are_named(stored, tmp_path):
    file = tmp_path / "t.parquet"
    write_parquet(stored.columns | {"weight": np.zeros(N)}, file)
    for checkpoint in (None, tmp_path / "kept"):
        with pytest.raises(ValueError, match="sample_weight is 0 everywhere; at least one row must count"):
            jaxreg.path(file, target="y", sample_weight="weight", checkpoint=checkpoint)
    with pytest.raises(TypeError, match="table has 'delimeter'; it takes fold_key, ignore, "):
        jaxreg.path(file, target="y", table={"delimeter": ";"})
    with pytest.raises(TypeError, match="sample_weight is a ndarray; it must be the name of a column"):
        jaxreg.path(file, target="y", sample_weight=np.ones(N))

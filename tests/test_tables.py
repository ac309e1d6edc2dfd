"""Tables that are right come through exactly; everything else is refused, with the place, the cell and the remedy."""

from __future__ import annotations

import builtins
import decimal
import os
import re

import numpy as np
import pytest

from jaxreg.tables import Table, TableError, column_names, read_table


@pytest.fixture
def csv_file(tmp_path):
    """A function that writes text or bytes into a file and returns its path."""

    def write(content: str | bytes, name: str = "data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def parquet_file(tmp_path):
    """A function that writes columns into a Parquet file with page checksums and returns its path."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    def write(columns, name: str = "data.parquet", **options):
        path = tmp_path / name
        arrays = [pyarrow.array(values) for _, values in columns]
        table = pyarrow.Table.from_arrays(arrays, names=[column for column, _ in columns])
        parquet.write_table(table, path, write_page_checksum=True, **options)
        return path

    return write


def refusal(path, **options) -> str:
    """The message with which the file is refused: one line that begins with the path."""
    with pytest.raises(TableError) as caught:
        read_table(path, **options)
    message = str(caught.value)
    assert message.startswith((f"{path}: ", f"cannot read {path}"))
    assert "\n" not in message
    return message.replace(str(path), "FILE")


# ---- What is right comes through ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("a,b\n1,2\n3,4\n", id="plain"),
        pytest.param("\ufeffa,b\n1,2\n3,4\n", id="byte-order-mark"),
        pytest.param('\ufeff"a",b\n1,2\n3,4\n', id="byte-order-mark-before-quote"),
        pytest.param("a,b\r\n1,2\r\n3,4\r\n", id="CRLF"),
        pytest.param("a,b\r1,2\r3,4\r", id="CR"),
        pytest.param("a,b\n1,2\n3,4", id="no-final-newline"),
        pytest.param("a,b\n1,2\n3,4\n\n  \n\r\n", id="blank-lines-at-the-end"),
        pytest.param(' a ,\tb\n 1, 2 \n3 ,"4"\n', id="spaces"),
        pytest.param('"a", "b"\n"1", "2"\n+3,4.\n', id="quotes-after-spaces"),
        pytest.param("a,b\n10e-1,.2E+1\n3.0,0004\n", id="number-formats"),
    ],
)
def test_plain_tables(csv_file, content):
    table = read_table(csv_file(content))
    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.values, [[1.0, 2.0], [3.0, 4.0]], strict=True)
    assert table.values.flags.c_contiguous
    assert table.rows_dropped == 0


def test_quoted_commas_and_newlines_count_as_physical_lines(csv_file):
    content = 'id,"height, cm","two\nlines"\n"Ada\n, of London",1,2\n"Bob\n\n",3,four\n'
    message = refusal(csv_file(content), ignore=["id"])
    # The header takes lines 1 and 2, Ada 3 and 4, Bob starts on 5.
    assert "line 5, column 'two\\nlines': 'four' is not a number" in message
    table = read_table(csv_file(content.replace("four", "4")), ignore=["id"])
    assert table.columns == ("height, cm", "two\nlines")
    np.testing.assert_array_equal(table.values, [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize("delimiter", [";", "\t", r"\t", "|", " "])
def test_delimiters(csv_file, delimiter):
    path = csv_file("a,b\n1,2\n".replace(",", delimiter.replace(r"\t", "\t")))
    np.testing.assert_array_equal(read_table(path, delimiter=delimiter).values, [[1.0, 2.0]])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(csv_file, encoding):
    path = csv_file("größe,b\n1,2\n".encode(encoding))
    assert read_table(path, encoding=encoding).columns == ("größe", "b")


def test_random_floats_come_through_bit_for_bit(csv_file):
    random = np.random.default_rng(20)
    bits = random.integers(0, 2**64, size=(9000, 3), dtype=np.uint64)
    values = bits.view(np.float64)
    values = np.where(np.isfinite(values), values, -0.0)
    lines = [",".join(map(repr, row)) for row in values.tolist()]
    table = read_table(csv_file("\n".join(["a,b,c", *lines])))
    np.testing.assert_array_equal(table.values.view(np.uint64), values.view(np.uint64))


def test_columns_chooses_and_orders(csv_file):
    path = csv_file("id,a,b,note\nx1,1,2,hot\nx2,3,4,\n")
    table = read_table(path, columns=["b", "a"])
    assert table.columns == ("b", "a")
    np.testing.assert_array_equal(table.values, [[2.0, 1.0], [4.0, 3.0]])
    assert read_table(path, ignore=["id", "note"]).columns == ("a", "b")
    assert "asked for more than once: 'a'" in refusal(path, columns=["a", "a"])
    assert "no columns are left" in refusal(path, columns=["a"], ignore=["a"])
    assert "no column is named 'B '" in refusal(path, columns=["B "])
    assert "no column is named 'ids'; did you mean 'id'?" in refusal(path, ignore=["ids"])


# ---- Row 53: missing cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["", " ", "NA", "na", "NaN", "nan", "N/A", "n/a", "NULL", "null", "None", '""'])
def test_missing_cells(csv_file, word):
    path = csv_file(f"a,b,c\n1,2,3\n4,{word},6\n7,8,9\n10,{word},{word}\n")
    message = refusal(path)
    assert "3 missing cells in columns 'b' (2), 'c' (1), the first on line 3" in message
    assert "--na drop" in message
    table = read_table(path, missing="drop")
    np.testing.assert_array_equal(table.values, [[1.0, 2.0, 3.0], [7.0, 8.0, 9.0]])
    assert table.rows_dropped == 2
    # A missing cell in a column that is not read does not hurt.
    assert read_table(path, columns=["a"]).rows_dropped == 0


def test_missing_everywhere(csv_file):
    assert "no rows are left" in refusal(csv_file("a,b\n1,\nNA,2\n"), missing="drop")
    assert "1 missing cell in column 'b' (1)" in refusal(csv_file("a,b\n1,\n"))


def test_missing_must_be_known(csv_file):
    with pytest.raises(TableError, match="'error', 'drop', 'mean' or 'median', not 'impute'"):
        read_table(csv_file("a\n1\n"), missing="impute")


def test_blank_line_in_one_column_is_a_missing_cell(csv_file):
    path = csv_file('a\n1\n\n3\n""\n\n')
    assert "2 missing cells in column 'a' (2), the first on line 3" in refusal(path)
    np.testing.assert_array_equal(read_table(path, missing="drop").values, [[1.0], [3.0]])


# ---- Rows 54 to 64: CSV that is not a table of numbers --------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fragment"),
    [("a;b\n1;2\n", "--delimiter ';'"), ("a\tb\n1\t2\n", "--delimiter '\\t'"), ("a|b\n1|2\n", "--delimiter '|'")],
)
def test_61_a_delimiter_that_was_given_is_kept_to(csv_file, content, fragment):
    assert fragment in refusal(csv_file(content), delimiter=",")


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        pytest.param("a,b,c\n1,2,3\n4,5\n", ["line 3: 2 cells found, 3 expected"], id="54-short"),
        pytest.param('a,b\n"1\n",2\n3\n', ["line 4: 1 cell found, 2 expected"], id="54-short-after-newline"),
        pytest.param("a,b\n1,2\n3,4,5\n", ["line 3: 3 cells found, 2 expected"], id="55-long"),
        pytest.param("a,b\n1,2,\n", ["line 2: 3 cells found, 2 expected"], id="55-trailing-comma"),
        pytest.param("a,b\n1,2\n\n3,4\n", ["line 3: blank"], id="55-blank-line"),
        pytest.param("größe,b\n1,2\n".encode("latin-1"), ["line 1: not utf-8", "--encoding", "latin-1"], id="57-latin"),
        pytest.param(b"a,b\n1,2\n\xe9,4\n", ["line 3: not utf-8", "--encoding"], id="57-latin-line"),
        pytest.param("a,b\n1,2\n".encode("utf-16"), ["utf-16", "--encoding utf-16"], id="57-utf-16"),
        pytest.param("a,b\n1,2\n".encode("utf-16-le"), ["line 1", "NUL", "--encoding utf-16-le"], id="57-utf-16-le"),
        pytest.param("a,b,a\n1,2,3\n", ["more than one column is named 'a'"], id="58-duplicate"),
        pytest.param("a, a\n1,2\n", ["more than one column is named 'a'"], id="58-duplicate-after-strip"),
        pytest.param("a,,c\n1,2,3\n", ["column 2 has no name"], id="58-empty-name"),
        pytest.param("a,b,\n1,2,3\n", ["column 3 has no name"], id="58-empty-last-name"),
        pytest.param("", ["no rows", "empty"], id="59-empty"),
        pytest.param("\n \r\n", ["no rows", "empty"], id="59-blank"),
        pytest.param("\ufeff", ["line 1 is blank"], id="59-only-a-mark"),
        pytest.param("a,b\n", ["no rows"], id="59-header"),
        pytest.param("a,b\n\n\n", ["no rows"], id="59-header-and-blank-lines"),
        pytest.param("\na,b\n1,2\n", ["line 1 is blank"], id="59-blank-first-line"),
        pytest.param("1,2\n3,4\n", ["line 1 holds only numbers", "column names"], id="59-no-header"),
        pytest.param('a,b\n1,2\n3,"4\n5,6\n', ["line 3", "quotation mark is not closed"], id="61-unclosed-quote"),
        pytest.param('a,b\n1,"2"3\n', ["line 2", "quotation mark"], id="61-text-after-quote"),
        pytest.param("a,b\n1,2\n3,\0\n", ["line 3", "NUL"], id="61-nul"),
        pytest.param('a,b\n1,2\n3,"4,5"\n', ["line 3, column 'b': '4,5'", "decimal point"], id="61-decimal-comma"),
        pytest.param('a,b\n1,"1,000,000"\n', ["line 2, column 'b': '1,000,000'", "thousands"], id="61-thousands"),
        pytest.param("a,b\n1,2\n3,inf\n", ["line 3, column 'b': 'inf' is not finite"], id="63-inf"),
        pytest.param("a,b\n1,2\n-Infinity,4\n", ["line 3, column 'a': '-Infinity' is not finite"], id="63-infinity"),
        pytest.param("a,b\n1,2\n3,-1e400\n", ["line 3, column 'b': '-1e400'", "beyond the range"], id="63-1e400"),
        pytest.param("a,b\n1,2\n3,0x10\n", ["line 3, column 'b': '0x10' is not a number"], id="63-hexadecimal"),
        pytest.param("a,b\n1,2\n3,1_000\n", ["line 3, column 'b': '1_000' is not a number"], id="63-underscore"),
        pytest.param("a,b\n1,2\n3,٣\n", ["line 3, column 'b': '٣' is not a number"], id="63-arabic-digit"),
        pytest.param("a,b\n1,2\n3,−4\n", ["line 3, column 'b': '−4' is not a number"], id="63-unicode-minus"),
        pytest.param("a,b\n1,2\n3,-nan\n", ["line 3, column 'b': '-nan' is not a number"], id="63-minus-nan"),
        pytest.param("a,b\n1,2\n3,yes\n", ["line 3, column 'b': 'yes' is not a number"], id="63-yes"),
        pytest.param("a,b\n1,2024-02-29\n", ["column 'b': '2024-02-29' is a date", "days since"], id="date"),
        pytest.param("a,b\n1,29.2.2024\n", ["column 'b': '29.2.2024' is a date"], id="date-with-points"),
        pytest.param("a,b\n1,2024-02-29T10:00:00Z\n", ["is a date"], id="date-and-time"),
        pytest.param(b"\x1f\x8b\x08\0", ["gzip"], id="gzip"),
        pytest.param(b"PK\x03\x04\0", ["Excel"], id="excel"),
    ],
)
def test_refused_csv(csv_file, content, fragments):
    message = refusal(csv_file(content))
    for fragment in fragments:
        assert fragment in message


def test_truth_is_a_number(csv_file):
    np.testing.assert_array_equal(read_table(csv_file("a,b\nTrue,2\nFALSE,3\ntrue,4\n")).values[:, 0], [1, 0, 1])


def test_decimal_commas(csv_file):
    path = csv_file("a;b\n1,5;-2\n,25;3e1\n")
    np.testing.assert_array_equal(read_table(path, delimiter=";", decimal=",").values, [[1.5, -2], [0.25, 30]])
    message = refusal(csv_file("a;b\n1.234,5;2\n"), delimiter=";", decimal=",")
    assert "column 'a': '1.234,5' has a point; write a decimal comma, and nothing between thousands" in message
    assert "--decimal and --delimiter are both ','" in refusal(csv_file("a,b\n1,2\n"), decimal=",")
    assert "--decimal must be '.' or ','" in refusal(csv_file("a,b\n1,2\n"), decimal="x")


def test_names_alone(csv_file):
    assert column_names(csv_file("a, b\n1,x\n")) == ["a", "b"]


def test_decimal_comma_with_semicolons(csv_file):
    message = refusal(csv_file("a;b\n1;2\n3;-4,5e3\n"), delimiter=";")
    assert "line 3, column 'b': '-4,5e3' has a comma; write a decimal point" in message
    assert "--delimiter ','" in refusal(csv_file("a,b\n1,2\n"), delimiter=";")


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\0", "1", ".", "-", "x"])
def test_refused_delimiters(csv_file, delimiter):
    assert "--delimiter must be one character" in refusal(csv_file("a,b\n1,2\n"), delimiter=delimiter)


@pytest.mark.parametrize(
    ("content", "encoding", "fragment"),
    [
        (b"a\n1\n", "klingon", "--encoding 'klingon' is not known"),
        (b"a\n1\n", "base64", "is not an encoding of text"),
        ("a\n1\n".encode("utf-16"), "latin-1", "the mark of utf-16, not latin-1; `--encoding utf-16`"),
        ("\ufeffa\n1\n".encode(), "cp1252", "the mark of utf-8, not cp1252; `--encoding utf-8`"),
        ("a\n1\n".encode("utf-16-le"), "utf-16", "not utf-16"),
        ("a\n1\n".encode("utf-16-le")[:-1], "utf-16-le", "line 2: not utf-16-le"),
        (b"\xef\xbb\xbfa\n1\n\xff\n", "utf-8", "line 3: not utf-8"),
    ],
)
def test_wrong_encodings(csv_file, content, encoding, fragment):
    assert fragment in refusal(csv_file(content), encoding=encoding)


def test_one_text_cell_at_row_30001(csv_file):
    lines = ["a,b", *(f"{i},{i}.5" for i in range(30_000)), "7,oops", "8,9"]
    message = refusal(csv_file("\n".join(lines)))
    assert "line 30002, column 'b': 'oops' is not a number" in message
    assert "correct the cell" in message
    assert "--ignore" not in message
    # A column that begins as numbers is not one of text, however it goes on.
    lines = ["a,b", *(f"{i},{i}.5" for i in range(4096)), "7,oops"]
    message = refusal(csv_file("\n".join(lines)))
    assert "line 4098, column 'b': 'oops' is not a number" in message
    assert "correct the cell" in message


def test_columns_of_text_are_all_named(csv_file):
    lines = ["id,a,city,mixed", *(f"x{i},{i},Rome,{i if i else 'bad'}" for i in range(10))]
    message = refusal(csv_file("\n".join(lines)))
    assert "line 2, column 'id': 'x0' is not a number; not numeric: 'id', 'city'; encode" in message
    assert "`--ignore COLUMN`" in message
    assert "line 2, column 'mixed': 'bad'" in refusal(csv_file("\n".join(lines)), ignore=["id", "city"])


def test_long_cells_are_cut_short(csv_file):
    assert len(refusal(csv_file("a,b\n1," + 1000 * "x"))) < 300


# ---- Rows 65 and 66: Parquet ----------------------------------------------------------------------------------------


def test_parquet_types(parquet_file):
    columns = [
        ("double", np.array([1.5, -2.5])),
        ("single", np.array([0.1, 2.0], dtype=np.float32)),
        ("half", np.array([0.5, 2.0], dtype=np.float16)),
        ("byte", np.array([-3, 4], dtype=np.int8)),
        ("largest", np.array([2**53, -(2**53)])),
        ("unsigned", np.array([5, 6], dtype=np.uint64)),
        ("flag", np.array([True, False])),
        ("price", [decimal.Decimal("1.25"), decimal.Decimal("-0.75")]),
        ("dotted.name", np.array([7, 8])),
    ]
    table = read_table(parquet_file(columns))
    assert table.columns == tuple(name for name, _ in columns)
    expected = np.column_stack([np.array(values).astype(np.float64) for _, values in columns])
    np.testing.assert_array_equal(table.values, expected, strict=True)
    assert table.values.flags.c_contiguous


def test_parquet_is_known_by_its_content(parquet_file, csv_file):
    path = parquet_file([("a", [1.0])], name="data.csv")
    np.testing.assert_array_equal(read_table(path).values, [[1.0]])
    # ... and a CSV file whose first column is called PAR1 is CSV.
    assert read_table(csv_file("PAR1,b\n1,2\n")).columns == ("PAR1", "b")


def test_parquet_columns_and_missing_cells(parquet_file):
    path = parquet_file([("id", ["x", "y", "z"]), ("a", [1.0, None, float("nan")]), ("b", [1, 2, None])])
    message = refusal(path, ignore=["id"])
    assert "3 missing cells in columns 'a' (2), 'b' (1), the first on row 2" in message
    table = read_table(path, columns=["b", "a"], missing="drop")
    assert (table.columns, table.values.tolist(), table.rows_dropped) == (("b", "a"), [[1.0, 1.0]], 2)


def test_parquet_index_of_pandas_is_not_a_column(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
    frame[frame["a"] != 2].to_parquet(tmp_path / "data.pq")
    assert read_table(tmp_path / "data.pq").columns == ("a",)
    np.testing.assert_array_equal(
        read_table(tmp_path / "data.pq", columns=["__index_level_0__"]).values[:, 0], [0, 2, 3]
    )


@pytest.mark.parametrize(
    ("columns", "fragments"),
    [
        pytest.param([("a", ["x", "y"])], ["column 'a' has type string", "--ignore"], id="text"),
        pytest.param([("a", np.array(["2020-01-01"], "M8[D]"))], ["column 'a' has type date32"], id="date"),
        pytest.param([("a", [None, None])], ["column 'a' has type null"], id="null"),
        pytest.param([("a", [[1.0], [2.0]])], ["column 'a' has type list"], id="list"),
        pytest.param([("a", [1.0]), ("a", [2.0])], ["more than one column is named 'a'"], id="duplicate"),
        pytest.param([("a", [1.0]), ("", [2.0])], ["column 2 has no name"], id="no-name"),
        pytest.param([("a", [1.0, 2.0, -np.inf])], ["row 3, column 'a': -inf is not finite"], id="infinite"),
        pytest.param([("a", [1, 2**53 + 1])], ["column 'a'", "2**53", "9007199254740993"], id="inexact"),
        pytest.param([("a", np.array([], dtype=float))], ["no rows"], id="no-rows"),
    ],
)
def test_refused_parquet(parquet_file, columns, fragments):
    message = refusal(parquet_file(columns))
    for fragment in fragments:
        assert fragment in message


def test_parquet_truncated_empty_or_renamed(parquet_file, csv_file):
    whole = parquet_file([("a", np.arange(50.0))]).read_bytes()
    for length in range(1, len(whole), 37):
        assert "not a Parquet file, or damaged" in refusal(csv_file(whole[:length], name="cut.parquet"))
    assert "no rows: the file is empty" in refusal(csv_file("", name="empty.parquet"))
    assert "not a Parquet file" in refusal(csv_file("a,b\n1,2\n", name="renamed.parquet"))
    assert "not a Parquet file" in refusal(csv_file("a,b\n1,2\n", name="renamed.PQ"))


@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_parquet_flipped_byte(parquet_file, csv_file, compression):
    """Whichever byte of the numbers is flipped, the file is refused."""
    values = np.arange(64.0)
    path = parquet_file([("a", values)], compression=compression, use_dictionary=False)
    whole = path.read_bytes()
    if compression == "none":
        start = whole.index(values.tobytes())
        end = start + values.nbytes
    else:
        # The only page of the only column ends where the column ends.
        column = pytest.importorskip("pyarrow.parquet").read_metadata(path).row_group(0).column(0)
        end = column.data_page_offset + column.total_compressed_size
        start = end - 100
    for position in range(start, end):
        damaged = bytearray(whole)
        damaged[position] ^= 16
        assert "damaged" in refusal(csv_file(bytes(damaged), name="damaged.parquet"))


def test_parquet_damaged_footer_never_loses_rows(parquet_file, csv_file):
    path = parquet_file([("a", np.arange(200.0)), ("b", np.arange(200))])
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for position in range(footer, len(whole)):
        for bit in (1, 2, 64, 128):
            damaged = bytearray(whole)
            damaged[position] ^= bit
            try:
                table = read_table(csv_file(bytes(damaged), name="damaged.parquet"))
            except TableError:
                continue
            assert len(table.values) == 200


def test_parquet_without_pyarrow(parquet_file, monkeypatch):
    path = parquet_file([("a", [1.0])])
    genuine = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return genuine(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    assert "pip install 'jaxreg[tables]'" in refusal(path)


# ---- Row 67: no such file -------------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    assert "No such file" in refusal(tmp_path / "absent.csv")
    assert "Is a directory" in refusal(tmp_path)
    assert "null" in refusal("nul\0.csv")
    path = tmp_path / "secret.csv"
    path.write_text("a\n1\n")

    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "read_bytes", refuse)
    assert "Permission denied" in refusal(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_no_permission(csv_file):
    path = csv_file("a\n1\n")
    path.chmod(0)
    assert "Permission denied" in refusal(path)


# ---- Row 60: Table --------------------------------------------------------------------------------------------------


def test_table_column_and_without():
    table = Table(("age", "Weight", "y"), np.arange(6.0).reshape(2, 3), dropped=np.arange(4))
    np.testing.assert_array_equal(table.column("Weight"), [1.0, 4.0])
    rest = table.without("age", "y")
    assert (rest.columns, rest.values.tolist(), rest.rows_dropped) == (("Weight",), [[1.0], [4.0]], 4)
    assert table.without("age").values.flags.c_contiguous


@pytest.mark.parametrize("call", [Table.column, Table.without])
def test_table_unknown_names(call):
    table = Table(("age", "Weight", "y"), np.zeros((2, 3)))
    everything = re.escape("The columns are 'age', 'Weight', 'y'.")
    with pytest.raises(TableError, match=f"no column is named 'wieght'; did you mean 'Weight'. {everything}"):
        call(table, "wieght")
    with pytest.raises(TableError, match=f"no column is named 'outcome'. {everything}"):
        call(table, "outcome")
    wide = Table(tuple(f"gene{j}" for j in range(500)), np.zeros((1, 500)))
    with pytest.raises(TableError, match="did you mean 'gene17") as caught:
        call(wide, "gene17 ")
    assert len(str(caught.value)) < 200

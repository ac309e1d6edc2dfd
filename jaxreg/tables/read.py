"""From a path to a table: which format the file has, and what becomes of words and of missing cells."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from jaxreg.tables.coding import Coding, levels_of
from jaxreg.tables.csv_file import Dialect, csv_names, read_csv
from jaxreg.tables.errors import TableError, counted, listed
from jaxreg.tables.missing import FILLED, filled, fills_of, in_columns, places_in_words, without_missing
from jaxreg.tables.names import Wanted
from jaxreg.tables.parquet_file import is_parquet, parquet_names, read_parquet
from jaxreg.tables.table import Cells, Table

__all__ = ["Asked", "column_names", "read_table", "table_of_cells"]

File = str | os.PathLike[str] | IO[bytes]

_ARCHIVES = {b"\x1f\x8b": "a gzip archive", b"PK\x03\x04": "a zip archive or an Excel workbook"}


def read_table(
    path: File,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
    missing: Literal["error", "drop", "mean", "median"] | None = None,
    columns: Sequence[str] | None = None,
    ignore: Sequence[str] = (),
    categorical: Literal["auto"] | Sequence[str] = (),
    text: Sequence[str] = (),
    complete: Sequence[str] = (),
    like: Coding | None = None,
    unseen: Literal["error", "zero"] = "error",
) -> Table:
    r"""Read a CSV or Parquet file whose cells are numbers, or words that become numbers.

    The file is Parquet if it says so itself or is called ``.parquet`` or ``.pq``, and CSV otherwise. In CSV the first
    line holds the names; spaces around names and cells do not count; blank lines at the end do not count. True and
    False, in capitals or not, are 1 and 0. A missing cell is empty, NA, N/A, NaN, null or None in capitals or not; in
    Parquet it is a null or a NaN. In Parquet, columns of integers, floats, decimals and booleans are numbers; checksums
    are verified where the file has them (they cover the numbers and not the names); the index that pandas stores is
    not a column.

    Args:
        path: the file, or one that is open for reading bytes.
        delimiter: what stands between the cells of a CSV file, one character; ``\t`` may be spelt out. None is the
            comma, or the semicolon, tab or bar where the first line holds these and no comma.
        encoding: the encoding of a CSV file. decimal: "." or ",", what stands before the fraction of its numbers.
        missing: "error" (the default) refuses a file with missing cells; "drop" leaves their rows out; "mean" and
            "median" fill in that of the column, over all its rows: where held-out errors have to be free of it, fill in
            within the folds (scikit-learn's SimpleImputer in a pipeline). All is counted in ``Table.notes``.
        columns: the names to read, in this order; all others are not looked at. All names by default.
        ignore: names to leave out, for example a column of text that identifies the row.
        categorical: names of columns of words, of which each word becomes a column of zeros and ones called
            ``column=word``; "auto" takes the columns that hold no number (of a CSV file: none in its first 4,096 rows).
        text: names of columns to keep as text, in ``Table.words``. complete: names of columns in which no missing
            cell is filled in, such as the target: "mean" and "median" leave such a row out.
        like: ``Table.coding`` of another table, to read this one in the same way: the same words, and the same numbers
            in place of missing cells. unseen: whether a word that is none of those is refused ("error") or taken for
            none of them, with zeros in all their columns ("zero").

    Returns:
        Table with values (n, p) float64, `n ≥ 1` and `p ≥ 1`.

    Raises:
        TableError: the file cannot be read, is not such a table, or a name is not in it. The message names the line of
            the file where the row starts (in Parquet the row, from 1), the column, the cell and what to do.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp(), "people.csv")
        >>> _ = path.write_text("name, height, sex\nAda, 1.7, f\nBob, 1.8, m\nEve, NA, f\n")
        >>> table = read_table(path, ignore=["name"], missing="drop", categorical="auto")
        >>> table.columns, table.values, table.notes[0]
        (('height', 'sex=f', 'sex=m'), array([[1.7, 1. , 0. ],
               [1.8, 0. , 1. ]]), '1 row with missing cells left out: line 4')
    """
    if missing not in (None, "error", "drop", *FILLED):
        raise TableError(f"missing must be 'error', 'drop', 'mean' or 'median', not {missing!r}")
    if unseen not in ("error", "zero"):
        raise TableError(f"unseen must be 'error' or 'zero', not {unseen!r}")
    if like is not None and missing in FILLED:
        raise TableError(f"missing={missing!r} does not go with like=, which brings the numbers that are filled in")
    asked = () if isinstance(categorical, str) else tuple(categorical)
    if categorical != "auto" and isinstance(categorical, str):
        raise TableError(f"categorical must be 'auto' or a list of names, not {categorical!r}")
    if columns is not None:
        columns = [*columns, *(name for name in text if name not in columns)]
    seen = [name for name in (like.levels if like is not None else ()) if columns is None or name in columns]
    words = frozenset([*asked, *text, *seen])
    wanted = Wanted(columns, ignore, words, categorical == "auto" and like is None)
    data, name = _bytes_of(path)
    try:
        _check_kind(data)
        if is_parquet(data, Path(name).suffix):
            cells = read_parquet(data, wanted)
        else:
            cells = read_csv(data, Dialect(delimiter, encoding, decimal), wanted)
        how = missing or ("like" if like is not None and like.fills else "error")
        table = table_of_cells(cells, Asked(how, asked, tuple(text), tuple(complete), like, unseen))
        return replace(table, values=np.ascontiguousarray(table.values))
    except TableError as error:
        raise TableError(f"{name}: {error}") from error.__cause__


def column_names(path: File, delimiter: str | None = None, encoding: str = "utf-8") -> list[str]:
    """The names of the columns of a file; the arguments and errors are those of :func:`read_table`."""
    data, name = _bytes_of(path)
    try:
        _check_kind(data)
        is_one = is_parquet(data, Path(name).suffix)
        return parquet_names(data) if is_one else csv_names(data, Dialect(delimiter, encoding))
    except TableError as error:
        raise TableError(f"{name}: {error}") from error.__cause__


def _bytes_of(path: Any) -> tuple[bytes, str]:
    """What the file holds, and its name in messages."""
    try:
        if hasattr(path, "read"):
            name = str(getattr(path, "name", "the file"))
            return path.read(), {"<stdin>": "standard input"}.get(name, name)
        return Path(path).read_bytes(), str(path)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise TableError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def _check_kind(data: bytes) -> None:
    if not data or data.isspace():
        raise TableError("no rows: the file is empty")
    for signature, archive in _ARCHIVES.items():
        if data.startswith(signature):
            raise TableError(f"this is {archive}; unpack it or save it as CSV first")


class Asked(NamedTuple):
    """The arguments of ``read_table`` that say what words and missing cells become; ``words``: asked for by name."""

    missing: str
    words: tuple[str, ...]
    text: tuple[str, ...]
    complete: tuple[str, ...]
    like: Coding | None
    unseen: str


def table_of_cells(cells: Cells, asked: Asked) -> Table:
    """Rows with missing cells left out, then words as numbers, then numbers for what is still missing."""
    coded = {*asked.words, *(asked.like.levels if asked.like is not None else ())}
    text_alone = [name for name in asked.text if name not in coded]
    cells, dropped = without_missing(cells, asked.missing, text_alone, asked.complete)
    notes = list(cells.notes)
    if len(dropped):
        where = places_in_words(dropped, cells.unit)
        notes.append(f"{counted(len(dropped), 'row')} with missing cells left out: {where}")
    columns = [name for name in cells.columns if name not in text_alone]
    if not columns:
        raise TableError("no columns are left to read")
    coding = _coding(cells, [name for name in columns if name in cells.words], asked)
    if asked.like is None and coding.levels:
        sizes = listed([f"{name!r} ({len(levels)})" for name, levels in coding.levels.items()])
        notes.append(f"columns of zeros and ones for the words of {sizes}")
    names, values = coding.names(columns), cells.values
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"the words of a column make a column {twice!r}, and there is one of that name; rename it")
    if len(columns) > values.shape[1]:
        values = coding.numbers(columns, dict(zip(cells.numeric, values.T, strict=True)) | cells.words)
    if asked.missing not in ("error", "drop"):
        if asked.like is None:
            coding = Coding(coding.levels, fills_of(names, values, asked.missing, asked.complete))
        values, by_name = filled(names, values, coding.fills)
        holes = {coding.source(name): count for name, count in by_name.items()}  # a word is in several columns
        what = f"the {asked.missing} of the column" if asked.like is None else "the number that the model brings"
        if holes:
            notes.append(in_columns(f"{what} in place of {counted(sum(holes.values()), 'missing cell')}", holes))
    kept = {name: cells.words[name] for name in asked.text}
    return Table(names, values, kept, cells.places, dropped, cells.unit, coding, tuple(notes))


def _coding(cells: Cells, words: list[str], asked: Asked) -> Coding:
    """Of the words in the file, or the one that is given, after a look for words that it has not seen."""
    if asked.like is None:
        return Coding({name: levels_of(name, cells.words[name], asked_for=name in asked.words) for name in words})
    for name in words if asked.unseen == "error" else ():
        asked.like.check(name, cells.words[name], cells.places, cells.unit)
    return asked.like

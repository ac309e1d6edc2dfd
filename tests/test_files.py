"""A file is whole or absent, whatever happens while it is written."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import signal
import stat
import subprocess
import sys
import tempfile
from typing import NamedTuple

import numpy as np
import pytest

from jaxreg.files import OutputError, output_folder, write_csv, write_json, writing
from jaxreg.tables import read_table


@pytest.fixture
def earlier(tmp_path):
    """A file that exists before the writing begins."""
    path = tmp_path / "results.csv"
    path.write_text("earlier\n")
    return path


def assert_untouched(path):
    assert path.read_text() == "earlier\n"
    assert list(path.parent.iterdir()) == [path]


def write_half(path, then):
    with writing(path) as stream:
        stream.write("half")
        then()


# ---- writing: rows 68 and 69 ----------------------------------------------------------------------------------------


def test_writing_replaces_the_file(earlier):
    with writing(earlier) as stream:
        stream.write("größe\r\n")
        assert earlier.read_text() == "earlier\n"
    assert earlier.read_bytes() == "größe\r\n".encode()
    with writing(str(earlier), "wb") as stream:
        stream.write(b"\0\n")
    assert earlier.read_bytes() == b"\0\n"
    assert list(earlier.parent.iterdir()) == [earlier]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_an_exception_changes_nothing(earlier, exception):
    def stop():
        raise exception

    with pytest.raises(exception):
        write_half(earlier, then=stop)
    assert_untouched(earlier)


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_disk_full_changes_nothing(earlier, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call != "write":
        monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match="No space left on device; nothing was changed") as caught:
        write_half(earlier, then=full if call == "write" else lambda: None)
    assert str(caught.value).startswith(f"cannot write {earlier}: ")
    monkeypatch.undo()
    assert_untouched(earlier)


def run(code: str, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")
def test_a_limit_in_the_middle_of_the_file_changes_nothing(earlier):
    """The operating system itself refuses to write on after 64 KiB."""
    code = """if True:
        import resource, sys
        from jaxreg.files import OutputError, write_csv
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            write_csv(sys.argv[1], {"a": [0.1] * 100_000})
        except OutputError as error:
            sys.exit(str(error))
    """
    process = run(code, earlier)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert message.strip() == f"cannot write {earlier}: File too large; nothing was changed"
    assert_untouched(earlier)


@pytest.mark.skipif(os.name != "posix", reason="limits and signals of POSIX")
def test_kill_in_the_middle_of_the_file_leaves_the_earlier_one(earlier):
    code = """if True:
        import sys, time
        from jaxreg.files import writing
        with writing(sys.argv[1]) as stream:
            stream.write("half a line\\n" * 100_000)
            print("ready", flush=True)
            time.sleep(60)
    """
    process = run(code, earlier)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert earlier.read_text() == "earlier\n"
    # What is left over cannot be taken for a result.
    (left,) = set(earlier.parent.iterdir()) - {earlier}
    assert left.name.startswith(".results.csv.")
    assert left.name.endswith(".tmp")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions(earlier):
    new = earlier.with_name("new.csv")
    mask = os.umask(0o027)
    try:
        with writing(new):
            pass
        earlier.chmod(0o604)
        with writing(earlier):
            pass
    finally:
        os.umask(mask)
    assert stat.S_IMODE(new.stat().st_mode) == 0o640
    assert stat.S_IMODE(earlier.stat().st_mode) == 0o604


@pytest.mark.skipif(os.name != "posix", reason="symbolic links of POSIX")
def test_a_link_stays_a_link(earlier, tmp_path_factory):
    link = tmp_path_factory.mktemp("elsewhere") / "link.csv"
    link.symlink_to(earlier)
    with writing(link) as stream:
        stream.write("new\n")
    assert link.is_symlink()
    assert earlier.read_text() == "new\n"


def test_what_must_not_be_replaced(tmp_path):
    with pytest.raises(OutputError, match="not a regular file"), writing(tmp_path):
        pass
    with pytest.raises(OutputError, match="not a regular file"), writing(os.devnull):
        pass
    with pytest.raises(OutputError, match="No such file or directory"), writing(tmp_path / "absent" / "a.csv"):
        pass
    with pytest.raises(OutputError, match="'w' or 'wb', not 'a'"), writing(tmp_path / "a.csv", "a"):
        pass
    with pytest.raises(OutputError, match="surrogates not allowed"), writing(tmp_path / "a.csv") as stream:
        stream.write("\ud800")
    assert list(tmp_path.iterdir()) == []


# ---- output_folder: row 75 ------------------------------------------------------------------------------------------


def test_output_folder_is_created(tmp_path):
    folder = output_folder(tmp_path / "a" / "b")
    assert folder == tmp_path / "a" / "b"
    assert list(folder.iterdir()) == []
    (folder / "kept").write_text("")
    assert output_folder(str(folder)) == folder
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_output_folder_is_a_file(earlier):
    for path in (earlier, earlier / "below"):
        with pytest.raises(OutputError, match="cannot write into the folder") as caught:
            output_folder(path)
        assert str(path) in str(caught.value)
    assert_untouched(earlier)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_output_folder_cannot_be_written_into(tmp_path, monkeypatch, code):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    with pytest.raises(OutputError, match=os.strerror(code)):
        output_folder(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_output_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    for path in (tmp_path, tmp_path / "below"):
        with pytest.raises(OutputError, match="Permission denied"):
            output_folder(path)


# ---- write_json -----------------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    lam: float
    index: tuple[int, int]


def test_json_of_numpy(tmp_path):
    data = {
        "array": np.array([[0.1, 1 / 3], [1e-300, 5e-324]]),
        "single": np.float32(0.1),
        "double": np.float64(0.1),
        "integer": np.int64(2**60),
        "flag": np.bool_(True),
        "zero-d": np.array(3),
        "choice": Choice(0.5, (1, np.int32(2))),
        "text": ["größe", None, True],
        7: {},
    }
    write_json(tmp_path / "a.json", data)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {
        "array": [[0.1, 1 / 3], [1e-300, 5e-324]],
        "single": float(np.float32(0.1)),
        "double": 0.1,
        "integer": 2**60,
        "flag": True,
        "zero-d": 3,
        "choice": {"lam": 0.5, "index": [1, 2]},
        "text": ["größe", None, True],
        "7": {},
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"best": Choice(math.nan, (0, 0))}, ".best.lam is nan"),
        ({"coef": np.array([0.0, -np.inf])}, r".coef\[1\] is -inf"),
        (math.inf, "the value is inf"),
        ({"a": [1, {2, 3}]}, r".a\[1\] is of type set"),
        ({"z": np.array([1j])}, r".z\[0\] is of type complex"),
    ],
)
def test_json_refuses(earlier, data, message):
    with pytest.raises(OutputError, match=message) as caught:
        write_json(earlier, data)
    assert str(caught.value).startswith(f"cannot write {earlier}: ")
    assert_untouched(earlier)


# ---- write_csv ------------------------------------------------------------------------------------------------------


def test_csv_round_trip_is_exact(tmp_path):
    random = np.random.default_rng(21)
    values = random.integers(0, 2**64, size=5000, dtype=np.uint64).view(np.float64)
    values = np.where(np.isfinite(values), values, 5e-324)
    single = random.normal(size=5000).astype(np.float32)
    write_csv(tmp_path / "a.csv", {"double": values, "single": single, "row, number": range(5000)})
    table = read_table(tmp_path / "a.csv")
    assert table.columns == ("double", "single", "row, number")
    expected = np.column_stack([values, single.astype(np.float64), np.arange(5000.0)])
    np.testing.assert_array_equal(table.values.view(np.uint64), expected.view(np.uint64))


def test_csv_text(tmp_path):
    names = ["plain", 'comma, "quote"', "two\nlines", "", "größe"]
    write_csv(tmp_path / "a.csv", {"name": names, "coef": [0.1, 1, True, None, math.nan]})
    raw = (tmp_path / "a.csv").read_bytes()
    assert raw.startswith(b"name,coef\nplain,0.1\n")
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[1:] == [list(row) for row in zip(names, ["0.1", "1", "True", "", "nan"], strict=True)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "{'a': 2, 'b': 1}"),
        ({}, "at least one"),
        ({"a": np.zeros((2, 2))}, r"column 'a' has shape \(2, 2\)"),
    ],
)
def test_csv_refuses(earlier, columns, message):
    with pytest.raises(OutputError, match=message) as caught:
        write_csv(earlier, columns)
    assert str(caught.value).startswith(f"cannot write {earlier}: ")
    assert_untouched(earlier)

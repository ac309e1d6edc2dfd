"""A saved result is loaded as it was, bit for bit, and what is no such file, or a damaged one, costs one line."""

import dataclasses
import errno
import io
import json
import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg import archive
from jaxreg.archive import FORMAT, Saveable
from jaxreg.engines import ridge
from jaxreg.files import OutputError, ResultError
from jaxreg.formulas import Params
from jaxreg.results import Choice, Path, Solution
from jaxreg.results.relaxed import RelaxedChoice
from jaxreg.shapes import SHAPES

# Small tables have grids that end too early; that is said elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::jaxreg.GridEndWarning")

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(30, 4)), RNG.normal(size=(30, 2))
NAMES = ("area, m²", 'the "best"', "two\nlines", "<b>面積</b> \ud800")


def assert_same(found, expected, where=""):
    """The same types, dtypes, shapes and bits all the way down."""
    assert type(found) is type(expected), where
    if dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name), f"{where}.{field.name}")
    elif isinstance(expected, tuple):
        assert len(found) == len(expected)
        for k, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert_same(a, b, f"{where}[{k}]")
    elif isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype, where
        assert found.shape == expected.shape, where
        assert found.tobytes() == expected.tobytes(), where
    elif isinstance(expected, float):
        assert found.hex() == expected.hex(), where
    else:
        assert found == expected, where


def results():
    """Every kind of result, of one and of several targets, in both precisions, from arrays and frames."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    yield "fit", lambda: jaxreg.fit(X, Y[:, 0], 0.05)
    yield "fit, a frame, targets", lambda: jaxreg.fit(frame, Y, 0.05)
    yield "path", lambda: jaxreg.path(frame, Y[:, 0], lams=5)
    yield "path, float32, targets", lambda: jaxreg.path(X.astype(np.float32), Y, lams=5)
    yield "sweep", lambda: jaxreg.sweep(frame, Y[:, 0], lams=5, folds=3, l1_ratio=[0.5, 1.0], measure="mae")
    yield "sweep, targets", lambda: jaxreg.sweep(X, Y, lams=5, folds=3, l1_ratio=0.0)
    yield "leave-one-out", lambda: jaxreg.ridge_leave_one_out(frame, Y[:, 0], 5)
    yield "leave-one-out, targets", lambda: jaxreg.ridge_leave_one_out(X, Y, 5)


@pytest.fixture(scope="module")
def sweep():
    return jaxreg.sweep(X, Y[:, 0], lams=5, folds=3)


@pytest.fixture(scope="module")
def every_result():
    return {name: make() for name, make in results()}


@pytest.fixture
def saved(sweep, tmp_path):
    sweep.save(tmp_path / "sweep.npz")
    return tmp_path / "sweep.npz"


# ---- Round trip -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, _ in results()])
def test_what_is_loaded_is_what_was_saved(tmp_path, name):
    result = dict(results())[name]()
    file = tmp_path / "result"
    result.save(file)
    loaded = jaxreg.load(file)
    assert_same(loaded, result)
    np.testing.assert_array_equal(loaded.predict(X), result.predict(X))
    loaded.save(str(file) + " again")
    assert file.read_bytes() == (tmp_path / "result again").read_bytes()  # equal results, equal files
    assert os.listdir(tmp_path) == ["result", "result again"] or len(os.listdir(tmp_path)) == 2


VALUES = {
    "a number": 0.1,
    "a number that is none": float("nan"),
    "infinity": -float("inf"),
    "minus zero": -0.0,
    "an integer": 2**70,
    "a boolean": True,
    "nothing": None,
    "text": "mae",
    "NumPy's float": np.float32(0.1),
    "NumPy's boolean": np.bool_(False),
    "0-d": np.array(3, np.int8),
    "NaN with a payload": np.array([0x7FF80000DEADBEEF], np.uint64).view(np.float64),
    "the other byte order": np.arange(6, dtype=">f4").reshape(2, 3),
    "Fortran's order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "not contiguous": np.arange(12.0)[::-2],
    "empty": np.empty((0, 3), np.int32),
    "booleans": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "names": NAMES,
    "no names": (),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_kind_of_value(tmp_path, monkeypatch, value):
    """However odd it is where it stands."""
    monkeypatch.setattr(archive, "check_shapes", lambda result: None)
    solution = Solution(Params(value, np.ones(4)), value, value, 3, np.ones(4), NAMES)
    solution.save(tmp_path / "result")
    assert_same(jaxreg.load(tmp_path / "result"), solution)


def test_arrays_of_jax_become_numpys(tmp_path):
    value = jax.numpy.arange(4.0)
    Solution(Params(0.0, value), 0.0, True, 1, value).save(tmp_path / "result")
    loaded = jaxreg.load(tmp_path / "result")
    assert_same(loaded.coef, np.asarray(value))


def test_a_path_whose_coefficients_are_computed_when_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(ridge, "COEF_BYTES", 0)
    lazy = jaxreg.sweep(X, Y, lams=5, folds=3, l1_ratio=0.0)
    assert callable(vars(lazy.path)["coef"])
    lazy.save(tmp_path / "result")
    loaded = jaxreg.load(tmp_path / "result")
    assert type(loaded.path) is Path
    for field in dataclasses.fields(Path):
        assert_same(getattr(loaded.path, field.name), getattr(lazy.path, field.name))


def test_every_result_can_be_replaced_in_part(every_result, monkeypatch):
    """``dataclasses.replace`` keeps the other fields, also of a path whose coefficients are not computed so far."""
    monkeypatch.setattr(ridge, "COEF_BYTES", 0)
    lazy = jaxreg.sweep(X, Y, lams=5, folds=3, l1_ratio=0.0)
    for result in (*every_result.values(), lazy, lazy.path):
        renamed = dataclasses.replace(result, feature_names=NAMES)
        assert renamed.feature_names == NAMES
        for field in dataclasses.fields(result):
            if field.name != "feature_names":
                assert getattr(renamed, field.name) is getattr(result, field.name)


def test_a_loaded_result_draws_the_same_figure(sweep, saved):
    pytest.importorskip("matplotlib")
    from jaxreg import plot

    pictures = [io.BytesIO(), io.BytesIO()]
    for result, picture in zip((sweep, jaxreg.load(saved)), pictures, strict=True):
        plot.save(result.plot(), picture)
    assert pictures[0].getvalue() == pictures[1].getvalue()


def test_numpy_reads_the_arrays_without_jaxreg(sweep, saved):
    with np.load(saved, allow_pickle=False) as stored:
        assert_same(stored["path.coef"], sweep.path.coef)
        assert_same(stored["best.params.coef"], sweep.best.params.coef)
        header = json.loads(stored["jaxreg.json"])
    assert header.items() >= {**FORMAT, "jaxreg": jaxreg.__version__}.items()
    assert header["result"]["kind"] == "Sweep"


def test_loading_in_another_process_needs_nothing_but_the_file(saved):
    code = f"import jaxreg; s = jaxreg.load({str(saved)!r}); print(s.best.lam.hex(), s.path.coef.shape)"
    printed = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert printed.stdout.split(maxsplit=1) == [jaxreg.load(saved).best.lam.hex(), "(5, 4)\n"]


# ---- Whole or not at all --------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_earlier_file(sweep, saved, monkeypatch):
    before = saved.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device; nothing was changed"):
            sweep.path.save(saved)
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1


def test_an_interruption_leaves_the_earlier_file(sweep, saved, monkeypatch):
    before = saved.read_bytes()

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.np.lib.format, "write_array", stop)
    with pytest.raises(KeyboardInterrupt):
        sweep.path.save(saved)
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1


def test_no_folder_and_a_folder_in_its_place(sweep, tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        sweep.save(tmp_path / "nowhere" / "sweep.npz")
    with pytest.raises(OutputError, match="it exists and is not a regular file"):
        sweep.save(tmp_path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array(["text"]), "gap is an array of <U4, which cannot be saved"),
        (np.array([None]), "gap is an array of object"),
        ({"a": 1}, "gap is of type dict"),
        ([1.0], "gap is of type list"),
        ((1, 2), "gap is of type tuple"),
    ],
)
def test_what_cannot_be_stored_is_named(tmp_path, value, message):
    with pytest.raises(TypeError, match=message):
        Solution(Params(0.0, np.ones(2)), value, True, 1, np.ones(2)).save(tmp_path / "result")
    assert not list(tmp_path.iterdir())


def test_other_things_cannot_be_saved(tmp_path, sweep):
    pure = jaxreg.solvers.path(X.astype(np.float32), Y[:, 0].astype(np.float32), 3)
    for thing, words in (
        (pure, "a Path of jaxreg.solvers.paths"),
        (sweep.best, "a Choice"),
        ({}, "a dict of builtins"),
    ):
        with pytest.raises(TypeError, match=f"can be saved; got {words}"):
            archive.save(thing, tmp_path / "result")


# ---- What is no saved result ----------------------------------------------------------------------------------------


def refusal(file):
    """The one line with which a file is refused."""
    with pytest.raises(ResultError) as caught:
        jaxreg.load(file)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rewritten(file, header=None, without=(), **members):
    """The file with another header, without some of its parts, with others."""
    with zipfile.ZipFile(file) as stored:
        parts = {name: stored.read(name) for name in stored.namelist()}
    if header is not None:
        changed = json.loads(parts["jaxreg.json"])
        header(changed)
        parts["jaxreg.json"] = json.dumps(changed).encode()
    with zipfile.ZipFile(file, "w") as stored:
        for name, content in (parts | members).items():
            if name not in without:
                stored.writestr(name, content)


def fields(change):
    return lambda header: change(header["result"]["fields"])


CHANGES = {
    "another format": (lambda h: h.update(format="x"), "is not a saved result of jaxreg; result.save(FILE) writes one"),
    "no format": (lambda h: h.pop("format"), "is not a saved result of jaxreg"),
    "a newer version": (
        lambda h: h.update(version=2, jaxreg="9.1"),
        "has version 2, written by jaxreg 9.1; this jaxreg reads version 1",
    ),
    "a version in words": (lambda h: h.update(version="1"), "has version '1'"),
    "no version": (lambda h: h.pop("version"), "has version None"),
    "no result": (lambda h: h.pop("result"), "is damaged"),
    "a list": (lambda h: h.update(result=[1]), "is damaged: a list stands where a value should be"),
    "a number": (lambda h: h.update(result=1.0), "is damaged: it holds a float"),
    "another kind": (lambda h: h["result"].update(kind="Path"), "is damaged"),
    "an unknown kind": (
        lambda h: h["result"].update(kind="System"),
        "is damaged: it holds a 'System', which is not known",
    ),
    "no kind": (lambda h: h["result"].pop("kind"), "is damaged"),
    "fields in a list": (lambda h: h["result"].update(fields=[]), "is damaged"),
    "a field too few": (fields(lambda f: f.pop("lams")), "is damaged"),
    "a field too many": (fields(lambda f: f.update(more=1)), "is damaged"),
    "a choice alone": (lambda h: h.update(result=h["result"]["fields"]["best"]), "is damaged: it holds a Choice"),
    "an array that is not there": (fields(lambda f: f["lams"].update(place="nowhere")), "is damaged"),
    "an array outside": (fields(lambda f: f["lams"].update(place="../../etc/passwd")), "is damaged"),
    "a place that is a number": (fields(lambda f: f["lams"].update(place=3)), "is damaged"),
    "a name that is a number": (
        fields(lambda f: f.update(feature_names={"kind": "names", "names": [1]})),
        "is damaged: a feature name is not text",
    ),
    "an array in another's place": (
        fields(lambda f: f["lams"].update(place="fold_mse")),
        "is damaged: lams is said to be",
    ),
    "text for a float": (fields(lambda f: f.update(measure={"kind": "float", "text": "x"})), "is damaged"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES)
def test_a_header_that_is_not_right(saved, change, message):
    rewritten(saved, change)
    assert refusal(saved).startswith(f"{saved} {message}")


# The shapes as the docstrings of the results give them, of 2 l1_ratios, 5 λs, 3 folds, 4 columns (and 2 targets).
WRONG = {
    "a number for an array": ("scale", lambda v: 1.0, "scale has the shape () in place of (4)"),
    "a number for coefficients": ("coef", lambda v: 1.0, "has the shape"),
    "an array for a number": ("converged", lambda v: np.array([True]), "converged has the shape (1,) in place of"),
    # The coefficients of 8 columns, where there are 4 names or scales, or of 4 targets, where there are 2.
    "a column too many": ("coef", lambda v: v.repeat(2, -1), "has "),
    "a λ too few": ("lams", lambda v: v[..., :-1], "has the shape"),
    "another order of the axes": ("fold_mse", lambda v: np.moveaxis(v, 0, 2), "fold_mse has the shape"),
    "a scale for more columns": ("scale", lambda v: np.ones(5), "scale has the shape (5,) in place of (4)"),
    "whole numbers for numbers": ("gap", lambda v: np.zeros(v.shape, int), "gap is of int64"),
    "text for a number": ("converged", lambda v: "yes", "converged is of <U3"),
    "numbers for truth": ("converged", lambda v: 1.0, "converged is of float64"),
    "numbers for whole numbers": ("n_nonzero", lambda v: np.zeros(np.shape(v)), "n_nonzero is of float64"),
    "a name too few": ("feature_names", lambda v: ("a", "b", "c"), "feature_names has 3 names for 4 columns"),
    "a name too many": ("feature_names", lambda v: tuple("abcde"), "feature_names has 5 names for 4 columns"),
    "a number for names": ("feature_names", lambda v: 3, "feature_names is a int"),
    "another measure": ("measure", lambda v: "mean", "measure is 'mean'"),
    "no measure": ("measure", lambda v: None, "measure is None"),
    "nothing for an array": ("lams", lambda v: None, "lams is of object"),
    "a number for a choice": ("best", lambda v: 0.0, "'float' object"),
    "a place in one grid": ("index", lambda v: v[..., :1], "index has the shape"),
}


def replaced(result, name, change):
    """The result with every field of that name changed; None if it has none."""
    if not dataclasses.is_dataclass(result) and not isinstance(result, Params):
        return None
    names = result._fields if isinstance(result, Params) else [field.name for field in dataclasses.fields(result)]
    if name in names:
        changes = {name: change(getattr(result, name))}
    else:
        changes = {inner: replaced(getattr(result, inner), name, change) for inner in names}
        changes = {inner: value for inner, value in changes.items() if value is not None}
    replace = result._replace if isinstance(result, Params) else lambda **c: dataclasses.replace(result, **c)
    return replace(**changes) if changes else None


@pytest.mark.parametrize("what", WRONG)
def test_a_field_of_another_shape_or_kind_is_damage(tmp_path, every_result, what):
    name, change, message = WRONG[what]
    damaged = {of: replaced(result, name, change) for of, result in every_result.items()}
    assert any(damaged.values())
    for result in filter(None, damaged.values()):
        result.save(tmp_path / "result")
        assert message in refusal(tmp_path / "result").split(" is damaged: ")[1]


def test_one_target_of_several_is_damage(tmp_path, every_result):
    several, single = every_result["sweep, targets"], every_result["sweep"]
    for name in ("fold_mse", "mean_r2", "best", "path"):
        dataclasses.replace(several, **{name: getattr(single, name)}).save(tmp_path / "result")
        assert "has the shape" in refusal(tmp_path / "result")


def test_every_field_of_a_result_has_a_shape():
    for kind, shapes in SHAPES.items():
        names = kind._fields if kind is Params else [field.name for field in dataclasses.fields(kind)]
        assert list(shapes) == list(names), kind


def bomb(part, size=2**28):
    """A small file whose part would be inflated to 256 MiB."""

    def write(file):
        with (
            zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as stored,
            stored.open(part, "w", force_zip64=True) as out,
        ):
            for _ in range(size // 2**24):
                out.write(b" " * 2**24)

    return write


def overlapping(file):
    """A directory that lists one large part a thousand times."""
    with zipfile.ZipFile(file, "a") as stored:
        stored.writestr("more.npy", bytes(2**22))
        stored.filelist += [stored.filelist[-1]] * 1000


@pytest.mark.parametrize("write", [bomb("jaxreg.json"), bomb("lams.npy"), bomb("more.npy"), overlapping])
def test_what_would_be_larger_than_the_file_is_never_inflated(saved, monkeypatch, write):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # two parts of one name
        write(saved)
    assert saved.stat().st_size < 2**23
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("a part was read"))
    assert re.search("is compressed, which no part|more than its own", refusal(saved))


def test_an_array_larger_than_its_part_is_never_made(saved, monkeypatch):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (2**28,)})
    rewritten(saved, **{"lams.npy": member.getvalue() + bytes(8)})
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("the array was made"))
    assert "lams has 8 bytes for 2147483648 in the shape (268435456,)" in refusal(saved)


class Trap:
    def __reduce__(self):
        return print, ("executed",)


def test_pickles_are_never_loaded(saved, capsys):
    member = io.BytesIO()
    np.lib.format.write_array(member, np.array([Trap()], object), allow_pickle=True)
    rewritten(saved, **{"lams.npy": member.getvalue()})
    assert "is damaged: Object arrays cannot be loaded" in refusal(saved)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"{", b"a,y\n1,2\n", b"\x89PNG\r\n\x1a\n", pickle.dumps(1), b"PK\x05\x06" + b"\0" * 18],
)
def test_other_files(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    message = refusal(tmp_path / "file")
    assert "is not a saved result of jaxreg" in message or "is damaged" in message


def test_an_archive_of_numpy(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    assert "is not a saved result of jaxreg; result.save(FILE) writes one" in refusal(tmp_path / "other.npz")


def test_parts_that_are_missing_or_no_arrays(saved):
    rewritten(saved, without=["path.coef.npy"])
    assert "is damaged: There is no item named 'path.coef.npy' in the archive" in refusal(saved)
    for content in (b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00", b"words"):
        rewritten(saved, **{"path.coef.npy": content})
        assert "is damaged" in refusal(saved)
    rewritten(saved, **{"jaxreg.json": b"{"})
    assert "is damaged" in refusal(saved)
    rewritten(saved, **{"jaxreg.json": b"[" * 100_000})
    assert "is damaged" in refusal(saved)


def test_a_shape_that_no_memory_holds(saved):
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "<f8", "fortran_order": False, "shape": (2**55,)})
    rewritten(saved, **{"path.coef.npy": member.getvalue()})
    assert "is damaged" in refusal(saved)


def test_a_file_that_ends_in_the_middle(saved):
    whole = saved.read_bytes()
    for end in range(0, len(whole) - 1, 41):
        saved.write_bytes(whole[:end])
        assert refusal(saved)


def test_a_flipped_bit_is_found_or_makes_no_difference(sweep, saved):
    whole = saved.read_bytes()
    refused = 0
    for place in range(0, len(whole), 13):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        saved.write_bytes(changed)
        try:
            loaded = jaxreg.load(saved)
        except ResultError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert_same(loaded, sweep)
    assert refused > 0.7 * len(whole) / 13


def test_files_that_cannot_be_read(tmp_path):
    assert refusal(tmp_path / "nothing") == f"cannot read {tmp_path / 'nothing'}: No such file or directory"
    assert "`jaxreg predict` reads the folder of a sweep" in refusal(tmp_path)


def test_the_kinds_are_the_results():
    assert {kind for kind in SHAPES if issubclass(kind, Saveable)} == set(jaxreg.loading.KINDS)
    assert {*SHAPES} == {*jaxreg.loading.KINDS, Choice, RelaxedChoice, Params}

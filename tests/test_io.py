"""The files of a sweep: what is written is what is read, all of them or none, and nothing damaged is believed."""

import contextlib
import csv
import dataclasses
import errno
import json
import os
import shutil
import warnings
from typing import NamedTuple

import numpy as np
import pytest

from jaxreg import plot
from jaxreg.files import OutputError, ResultError
from jaxreg.io import write_sweep
from jaxreg.params import Params
from jaxreg.results import Choice, Path, Sweep
from jaxreg.stored_models import FORMAT, read_model

image = pytest.importorskip("matplotlib.image")

FILES = ["coefficient_paths.png", "coefficients.csv", "curve.csv", "error_curve.png", "report.html", "result.json"]
NAMES = ("area, m²", 'the "best"', "two\nlines")
SETTINGS = {"lams": 5, "l1_ratio": [0.1, 0.7], "lower": None, "folds": "4 folds, seed 0"}


def page(pictures):
    """A page with the figures in it."""
    return "".join(
        f"<p>{name}: {len(picture.file)} {len(picture.light)} {len(picture.dark)}</p>"
        for name, picture in pictures.items()
    )


def made_up(names=NAMES):
    """Numbers with all their digits, over 2 ratios, 5 λs, 4 folds and 3 features; the second ratio is the best."""
    rng = np.random.default_rng(7)
    lams, ratios = np.sort(rng.uniform(0.1, 9, (2, 5)))[:, ::-1], np.array([0.1, 0.7])
    coef, intercept = rng.normal(size=(5, 3)) * [1e-7, 1, 1e7], rng.normal(size=5) / 3
    coef[:2] = 0
    gap, used = rng.uniform(0, 1e-12, 5), (coef != 0).sum(axis=1)
    scale = rng.uniform(1, 2, 3)
    path = Path(lams[1], coef, intercept, gap, gap < 1, np.arange(5), used / 3, used, scale, names)
    mean, se = rng.uniform(1, 2, (2, 2, 5))

    def choice(l):
        params = Params(float(intercept[l]), coef[l])
        return Choice(float(lams[1, l]), 0.7, np.array([1, l]), params, mean[1, l], se[1, l], int(used[l]), names)

    folded = rng.uniform(1, 2, (2, 5, 4)), rng.uniform(0, 1e-11, (2, 5, 4))
    return Sweep(lams, ratios, *folded, mean, se, choice(3), choice(2), path, True, names)


class Written(NamedTuple):
    sweep: Sweep
    folder: object
    files: list

    @property
    def result(self):
        return json.loads((self.folder / "result.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """A result that no test changes: figures take a second to draw."""
    sweep, folder = made_up(), tmp_path_factory.mktemp("once")
    return Written(sweep, folder, write_sweep(sweep, folder, "price, €", SETTINGS, page))


@pytest.fixture
def written(once, tmp_path):
    """A copy of it that a test may change."""
    shutil.copytree(once.folder, tmp_path / "copy")
    return once._replace(folder=tmp_path / "copy")


@pytest.fixture
def quick(monkeypatch):
    """Figures that are not drawn; each is another one."""
    drawn = iter(range(1000))
    monkeypatch.setattr(plot, "save", lambda axes, stream, dpi: stream.write(b"figure %d" % next(drawn)))


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


# ---- Round trip -----------------------------------------------------------------------------------------------------


def test_the_files_are_these(written, once):
    assert sorted(once.files) == [once.folder / name for name in FILES]
    assert sorted(contents(written.folder)) == FILES


def test_the_json_holds_every_number_exactly(written):
    sweep, result = written.sweep, written.result
    assert result.items() >= FORMAT.items()
    assert result["settings"] == SETTINGS
    assert result["target"] == "price, €"
    assert result["feature_names"] == list(NAMES)
    assert result["converged"] is True
    assert result["largest_gap"] == sweep.largest_gap
    for name in ("lams", "l1_ratios", "mean_mse", "se_mse", "fold_mse", "fold_gap"):
        assert result[name] == getattr(sweep, name).tolist()
    assert result["scale"] == sweep.path.scale.tolist()
    for name in ("lams", "intercept", "coef", "df", "n_nonzero", "gap", "n_iter"):
        assert result["path"][name] == getattr(sweep.path, name).tolist()
    assert result["path"]["l1_ratio"] == 0.7
    for name in ("best", "one_se"):
        choice = getattr(sweep, name)
        for number in ("lam", "l1_ratio", "mean_mse", "se_mse", "n_nonzero"):
            assert result[name][number] == getattr(choice, number)
        assert result[name]["index"] == choice.index.tolist()
        assert result[name]["coef"] == choice.params.coef.tolist()
        assert result[name]["intercept"] == choice.params.intercept


def test_the_tables_hold_every_number_exactly(written):
    sweep = written.sweep
    with open(written.folder / "coefficients.csv", newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["feature", "best", "one_se"]
    assert [row[0] for row in rows] == ["(intercept)", *NAMES]
    for column, choice in ((1, sweep.best), (2, sweep.one_se)):
        expected = [choice.params.intercept, *choice.params.coef]
        assert [float(row[column]) for row in rows] == expected
    with open(written.folder / "curve.csv", newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    assert head == ["l1_ratio", "lam", "mean_mse", "se_mse", "largest_fold_gap"]
    expected = [
        [sweep.l1_ratios[r], sweep.lams[r, l], sweep.mean_mse[r, l], sweep.se_mse[r, l], sweep.fold_gap[r, l].max()]
        for r in range(2)
        for l in range(5)
    ]
    np.testing.assert_array_equal(np.array(rows, float), expected)


@pytest.mark.parametrize("name", ["error_curve.png", "coefficient_paths.png"])
def test_the_figures_are_pictures_with_something_on_them(written, name):
    pixels = image.imread(written.folder / name)
    assert pixels.shape[:2] == (630, 960)
    assert len(np.unique(pixels)) > 20


def test_the_page_is_made_of_the_figures(written):
    """And of those that stand beside it."""
    text = (written.folder / "report.html").read_text(encoding="utf-8")
    for name in ("error_curve", "coefficient_paths"):
        size = (written.folder / f"{name}.png").stat().st_size
        assert f"<p>{name}: {size} " in text


def test_another_measure_is_in_the_json_and_the_curve(tmp_path, quick):
    sweep = dataclasses.replace(
        made_up(), measure="mae", mean_mae=np.arange(10.0).reshape(2, 5), se_mae=np.arange(10.0, 20).reshape(2, 5)
    )
    write_sweep(sweep, tmp_path, "y", {}, page)
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["measure"] == "mae"
    with open(tmp_path / "curve.csv", newline="", encoding="utf-8") as stream:
        head, *rows = csv.reader(stream)
    assert head[-2:] == ["mean_mae", "se_mae"]
    assert [float(row[-2]) for row in rows] == list(range(10))
    assert [float(row[-1]) for row in rows] == list(range(10, 20))


@pytest.mark.parametrize("choice", ["best", "one_se"])
def test_the_model_is_read_as_it_was_written(written, choice):
    expected = getattr(written.sweep, choice)
    for path in (written.folder, written.folder / "result.json", str(written.folder)):
        model = read_model(path, choice)
        assert model.feature_names == NAMES
        assert model.target == "price, €"
        assert model.intercept == expected.params.intercept
        assert model.coef.tolist() == expected.params.coef.tolist()
    X = np.random.default_rng(1).normal(size=(20, 3))
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))
    assert read_model(written.folder).coef.tolist() == written.sweep.best.params.coef.tolist()


def test_names_that_the_font_lacks_are_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_sweep(made_up(("面積", "tab\tbed", "$x$")), tmp_path, "y", {}, page)
    assert read_model(tmp_path).feature_names == ("面積", "tab\tbed", "$x$")


def test_a_prediction_beyond_float64_is_refused(written):
    X = np.ones((3, 3))
    X[1, 2] = 1e308
    with pytest.raises(ValueError, match="the prediction of row 2 is not finite"):
        read_model(written.folder).predict(X)


# ---- All of the files, or none --------------------------------------------------------------------------------------


def test_a_second_sweep_replaces_the_first(written, quick):
    before = contents(written.folder)
    other = made_up(("a", "b", "c"))
    write_sweep(other, written.folder, "y", {}, page)
    after = contents(written.folder)
    assert sorted(after) == FILES
    for name in ("coefficients.csv", "result.json", "coefficient_paths.png"):
        assert after[name] != before[name]


@pytest.mark.parametrize("call", range(1, 7))
def test_a_disk_that_is_full_at_any_file_changes_none(written, monkeypatch, quick, call):
    before, calls, sync = contents(written.folder), [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("jaxreg.files.flush_folder", lambda folder: None)  # so that the calls are those for the files
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device; nothing was changed") as caught:
            write_sweep(made_up(("a", "b", "c")), written.folder, "y", {}, page)
    assert len(calls) == call
    assert "\n" not in str(caught.value)
    assert contents(written.folder) == before


def test_a_disk_without_room_for_a_folder_changes_nothing(written, monkeypatch, quick):
    before = contents(written.folder)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", full)
        with pytest.raises(OutputError, match=r"cannot write into the folder .*: No space left on device"):
            write_sweep(made_up(), written.folder, "y", {}, page)
    assert contents(written.folder) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_changes_nothing(written, monkeypatch, error):
    before = contents(written.folder)

    def stop(*_, **__):
        raise error

    monkeypatch.setattr(plot, "save", stop)
    with pytest.raises(error):
        write_sweep(made_up(("a", "b", "c")), written.folder, "y", {}, page)
    assert contents(written.folder) == before


def test_a_number_that_json_does_not_have_changes_nothing(written, quick):
    before = contents(written.folder)
    sweep = made_up()
    sweep.path.df[2] = np.nan
    with pytest.raises(OutputError, match=r"\.path\.df\[2\] is nan"):
        write_sweep(sweep, written.folder, "y", {}, page)
    assert contents(written.folder) == before


RENAMES = range(1, 19)  # six files are finished, six are moved aside and six moved in


class Renames:
    """os.replace, which fails with ``error`` at one call; with ``hand`` 2, at the next one too."""

    def __init__(self, call, error, hand=1):
        self.calls, self.fatal, self.error, self.rename = 0, range(call, call + hand), error, os.replace

    def __call__(self, source, target):
        self.calls += 1
        if self.calls in self.fatal:
            raise self.error
        self.rename(source, target)


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", RENAMES)
@pytest.mark.parametrize(
    ("error", "seen", "hand"), [(KeyboardInterrupt(), KeyboardInterrupt, 2), (FULL, OutputError, 1)], ids=["^C", "full"]
)
def test_a_fault_at_any_rename_changes_nothing(written, monkeypatch, quick, call, error, seen, hand):
    (written.folder / "notes.txt").write_text("the user's own", encoding="utf-8")
    before = contents(written.folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Renames(call, error, hand))
        with pytest.raises(seen):
            write_sweep(made_up(("a", "b", "c")), written.folder, "y", {}, page)
    assert contents(written.folder) == before
    write_sweep(made_up(("a", "b", "c")), written.folder, "y", {}, page)
    assert sorted(contents(written.folder)) == sorted([*FILES, "notes.txt"])


@pytest.mark.parametrize("call", [*RENAMES, 19])
def test_killed_at_any_rename_leaves_no_mixture(written, monkeypatch, quick, call):
    """Nothing can be moved back; result.json is there only beside five others of the same sweep."""
    for name in FILES:
        (written.folder / name).write_text("earlier", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("jaxreg.together._undo", lambda *_: None)
        patch.setattr(os, "replace", replace := Renames(call, KeyboardInterrupt()))
        with contextlib.suppress(KeyboardInterrupt):
            write_sweep(made_up(("a", "b", "c")), written.folder, "y", {}, page)
    assert replace.calls == min(call, 18)
    left = {file.name: file.read_bytes() for file in written.folder.iterdir() if file.is_file()}
    assert len({content == b"earlier" for content in left.values()}) <= 1
    if "result.json" in left:
        assert sorted(left) == FILES
    else:
        with pytest.raises(ResultError, match="cannot read"):
            read_model(written.folder)


def test_what_cannot_be_moved_back_is_kept_and_found(written, monkeypatch, quick):
    before = contents(written.folder)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", Renames(15, FULL, 100))
        with pytest.raises(OutputError, match="nor put back what was there: No space left") as caught:
            write_sweep(made_up(("a", "b", "c")), written.folder, "y", {}, page)
    kept = written.folder / str(caught.value).split("it is in ")[1]
    assert contents(kept) == before


def test_a_folder_in_the_place_of_a_file_is_left_alone(written, quick):
    (written.folder / "curve.csv").unlink()
    (written.folder / "curve.csv").mkdir()
    (written.folder / "curve.csv" / "mine").write_text("text", encoding="utf-8")
    with pytest.raises(OutputError, match=r"curve\.csv: it exists and is not a regular file"):
        write_sweep(made_up(), written.folder, "y", {}, page)
    assert (written.folder / "curve.csv" / "mine").exists()


# ---- What is not the result of a sweep ------------------------------------------------------------------------------


def without(key):
    return lambda stored: stored.pop(key)


def with_best(**changes):
    return lambda stored: stored["best"].update(changes)


DAMAGES = {
    "no format": (without("format"), "is not the result of a sweep; `jaxreg sweep --out DIR` writes one"),
    "another format": (lambda s: s.update(format="sweep"), "is not the result of a sweep; `jaxreg sweep"),
    "no version": (without("version"), "has version None; this jaxreg reads version 1"),
    "a later version": (lambda s: s.update(version=2), "has version 2; this jaxreg reads version 1"),
    "a version in words": (lambda s: s.update(version="1"), "has version '1'; this jaxreg reads version 1"),
    "no names": (without("feature_names"), "is damaged"),
    "a name too few": (lambda s: s["feature_names"].pop(), "is damaged"),
    "no choice": (without("best"), "is damaged"),
    "no target": (without("target"), "is damaged"),
    "a coefficient too many": (lambda s: s["best"]["coef"].append(1.0), "is damaged"),
    "text for a coefficient": (with_best(coef=[1, "two", 3]), "is damaged"),
    "a missing coefficient": (with_best(coef=[1, None, 3]), "is damaged"),
    "an infinite coefficient": (with_best(coef=[1, float("inf"), 3]), "is damaged"),
    "one number for all": (with_best(coef=1.0), "is damaged"),
    "coefficients in rows": (with_best(coef=[[1.0, 2.0, 3.0]]), "is damaged"),
    "no intercept": (lambda s: s["best"].pop("intercept"), "is damaged"),
    "an intercept that is no number": (with_best(intercept=float("nan")), "is damaged"),
    "the choice is a list": (lambda s: s.update(best=[1, 2]), "is damaged"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_result_is_refused(written, damage, message):
    read_model(written.folder)
    stored = written.result
    damage(stored)
    file = written.folder / "result.json"
    file.write_text(json.dumps(stored), encoding="utf-8")
    with pytest.raises(ResultError) as caught:
        read_model(written.folder)
    assert str(caught.value).startswith(f"{file} {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[1, 2]", b"a,y\n1,2\n", b"\x89PNG\r\n\x1a\n", "{}".encode("utf-16")]
)
def test_other_files_are_no_results(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(ResultError, match="is not the result of a sweep"):
        read_model(tmp_path)


def test_a_result_that_ends_in_the_middle_is_refused(written):
    file = written.folder / "result.json"
    whole = file.read_bytes()
    for end in range(1, len(whole) - 2, 97):
        file.write_bytes(whole[:end])
        with pytest.raises(ResultError, match="it is not JSON"):
            read_model(written.folder)


def test_no_result_at_all(tmp_path):
    for path in (tmp_path, tmp_path / "nothing", tmp_path / "result.json"):
        with pytest.raises(ResultError, match=r"^cannot read .*: No such file or directory$"):
            read_model(path)

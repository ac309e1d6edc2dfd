"""Streams give the answers of the table in memory, however it is cut; folds do not depend on how."""

import subprocess
import sys

import numpy as np
import pytest

import jaxreg
from jaxreg.streams import read_stream
from jaxreg.streams.block import Block, moments_of_block
from jaxreg.streams.folding import Blocked, hashes
from jaxreg.streams.state import State
from jaxreg.sweeps.folds import fold_labels
from jaxreg.tables import arrow_pieces, csv_pieces
from tests.streams.conftest import EXTRA, N, cut, write_csv, write_parquet

pytest.importorskip("pyarrow")


def assert_same_sweep(found, expected):
    """To ten digits of the largest."""
    for name in ("lams", "fold_mse", "mean_mse", "se_mse", "mean_r2"):
        a, b = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max(), err_msg=name)
    np.testing.assert_allclose(found.path.coef, expected.path.coef, rtol=1e-10, atol=1e-10)
    assert found.best.index.tolist() == expected.best.index.tolist()


@pytest.fixture
def files(stored, tmp_path):
    """Two Parquet files, one Arrow file, one CSV file."""
    import pyarrow

    write_parquet(cut(stored.columns, 0, 900), tmp_path / "part-0.parquet")
    write_parquet(cut(stored.columns, 900, N), tmp_path / "part-1.parquet", 333)
    table = pyarrow.table(stored.columns)
    with pyarrow.ipc.new_file(tmp_path / "table.arrow", table.schema) as writer:
        writer.write_table(table, max_chunksize=700)
    write_csv(stored.columns, tmp_path / "table.csv")
    return tmp_path


SOURCES = {
    "a pattern": lambda folder: str(folder / "*.parquet"),
    "a list": lambda folder: [folder / "part-0.parquet", folder / "part-1.parquet"],
    "Arrow": lambda folder: folder / "table.arrow",
    "CSV": lambda folder: str(folder / "table.csv"),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("piece", [101, 10_000])
def test_files_are_swept_as_in_memory(name, piece, files, stored, monkeypatch):
    monkeypatch.setattr(arrow_pieces, "PIECE", max(1, 5 * piece))
    monkeypatch.setattr(csv_pieces, "PIECE", 50 * piece)
    options = {"lams": 15, "l1_ratio": [0.5, 1.0], "folds": 5, "seed": 3}
    found = jaxreg.sweep(SOURCES[name](files), target="y", table={"ignore": EXTRA}, **options)
    assert_same_sweep(found, jaxreg.sweep(stored.X, stored.y, **options))
    assert found.feature_names == tuple("abcd")


def test_weights_and_folds_of_a_column(files, stored):
    options = {"lams": 10, "l1_ratio": 0.0}
    weight, group = stored.columns["weight"], stored.columns["group"]
    expected = jaxreg.sweep(stored.X, stored.y, folds=group, sample_weight=weight, **options)
    for name in ("table.csv", "part-*.parquet"):
        given = {"target": "y", "folds": "group", "sample_weight": "weight", "table": {"ignore": ["customer"]}}
        assert_same_sweep(jaxreg.sweep(str(files / name), **given, **options), expected)


def test_path_and_fit_of_a_file(files, stored):
    table = {"ignore": EXTRA}
    path = jaxreg.path(files / "table.arrow", target="y", table=table, lams=7)
    np.testing.assert_allclose(path.coef, jaxreg.path(stored.X, stored.y, 7).coef, rtol=1e-10, atol=1e-11)
    fit = jaxreg.fit(files / "table.csv", lam=0.1, target="y", table=table)
    np.testing.assert_allclose(fit.coef, jaxreg.fit(stored.X, stored.y, 0.1).coef, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_of_any_size(stored, size):
    n = 100 if size == 1 else N
    X, y = stored.X[:n], stored.y[:n]
    batches = ((X[i : i + size], y[i : i + size]) for i in range(0, n, size))
    assert_same_sweep(jaxreg.sweep(batches, lams=8, folds=4), jaxreg.sweep(X, y, lams=8, folds=4))


def test_batches_in_any_order_with_labels_and_targets(stored):
    Y, labels = np.stack([stored.y, stored.X[:, 0] - stored.y], axis=1), stored.columns["group"]
    starts = np.random.default_rng(1).permutation(np.arange(0, N, 130))
    some = [slice(i, i + 130) for i in starts]
    batches = ((stored.X[i], Y[i], stored.columns["weight"][i], labels[i]) for i in some)
    found = jaxreg.sweep(batches, lams=6, folds="group")
    expected = jaxreg.sweep(stored.X, Y, lams=6, folds=labels, sample_weight=stored.columns["weight"])
    for name in ("fold_mse", "mean_mse", "se_mse"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10)


def test_a_memory_map_in_slices(stored, tmp_path):
    np.save(tmp_path / "X.npy", stored.X)
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    batches = ((X[i : i + 500], stored.y[i : i + 500]) for i in range(0, N, 500))
    assert_same_sweep(jaxreg.sweep(batches, lams=8, folds=4), jaxreg.sweep(stored.X, stored.y, lams=8, folds=4))


def test_words_missing_cells_and_folders(stored, tmp_path):
    """Folders ``year=…`` are a column, words have the levels of a first pass, rows with holes are left out."""
    from jaxreg.tables import read_table

    rng = np.random.default_rng(2)
    city = rng.choice(["Bonn", "Ulm", "Köln"], N)
    a = np.where(rng.uniform(size=N) < 0.05, np.nan, stored.X[:, 0])
    columns = {"city": city, "a": a, "b": stored.X[:, 1], "y": stored.y + (city == "Ulm")}
    year = np.repeat([2020.0, 2021.0], N // 2)
    for k, name in enumerate(("year=2020", "year=2021")):
        (tmp_path / "data" / name).mkdir(parents=True)
        write_parquet(cut(columns, k * N // 2, (k + 1) * N // 2), tmp_path / "data" / name / "part.parquet")
    write_csv(columns | {"year": year}, tmp_path / "whole.csv")
    whole = read_table(tmp_path / "whole.csv", missing="drop", categorical="auto")
    expected = jaxreg.sweep(whole.without("y").values, whole.column("y"), lams=9, folds=5)
    given = {"target": "y", "lams": 9, "folds": 5, "table": {"categorical": "auto", "missing": "drop"}}
    found = jaxreg.sweep(tmp_path / "data", **given)
    assert found.feature_names == ("city=Bonn", "city=Köln", "city=Ulm", "a", "b", "year")
    assert_same_sweep(found, expected)
    assert_same_sweep(jaxreg.sweep(tmp_path / "whole.csv", **given), expected)
    levels = {"city": ["Bonn", "Köln", "Ulm"]}
    known = jaxreg.sweep(tmp_path / "data", **given | {"table": {"levels": levels, "missing": "drop"}})
    np.testing.assert_array_equal(known.mean_mse, found.mean_mse)


def test_missing_cells_and_words_are_filled_in_with_the_mean_of_all(stored, tmp_path):
    from jaxreg.tables import read_table

    rng = np.random.default_rng(2)
    hole = lambda: rng.uniform(size=N) < 0.05
    city = np.where(hole(), None, rng.choice(["Bonn", "Ulm"], N))
    columns = {"city": city, "a": np.where(hole(), np.nan, stored.X[:, 3]), "y": np.where(hole(), np.nan, stored.y)}
    write_parquet(columns, tmp_path / "t.parquet")
    whole = read_table(tmp_path / "t.parquet", missing="mean", categorical=["city"], complete=["y"])
    options = {"lams": 9, "folds": 5, "l1_ratio": 0.5}  # without squares, words that add up to 1 may share in many ways
    expected = jaxreg.sweep(whole.without("y").values, whole.column("y"), **options)
    table = {"categorical": ["city"], "missing": "mean"}
    assert_same_sweep(jaxreg.sweep(tmp_path / "t.parquet", target="y", table=table, **options), expected)


def test_folds_of_a_key_are_the_same_everywhere(files, stored):
    table = {"ignore": ["weight", "group"], "fold_key": "customer"}
    labels = (hashes(stored.columns["customer"]) % np.uint64(5)).astype(int)
    expected = jaxreg.sweep(stored.X, stored.y, lams=6, folds=labels)
    for name in ("table.csv", "part-*.parquet", "table.arrow"):
        assert_same_sweep(jaxreg.sweep(str(files / name), target="y", folds=5, lams=6, table=table), expected)
    code = "from jaxreg.streams.folding import hashes; print(hashes(['é', 7, '', 'customer 12']).tolist())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(hashes(np.array(["é", "7", "", "customer 12"])).tolist())
    counts = np.bincount((hashes(np.arange(20_000)) % np.uint64(10)).astype(int))
    assert abs(counts - 2000).max() < 5 * np.sqrt(2000)  # five standard deviations of even chances


def test_the_hash_is_that_of_its_definition():
    """In Python's integers; FNV-1a of "a" is printed in its specification."""

    def plain(text, finish=True):
        found = 0xCBF29CE484222325
        for letter in text.encode():
            found = (found ^ letter) * 0x100000001B3 % 2**64
        for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53) if finish else ():
            found = (found ^ found >> 33) * factor % 2**64
        return found ^ found >> 33 if finish else found

    assert plain("a", finish=False) == 0xAF63DC4C8601EC8C
    words = ["a", "", "é", "customer 12", "12"]
    assert hashes(words).tolist() == [plain(word) for word in words]


@pytest.mark.parametrize("pieces", [(1,) * 23, (23,), (5, 0, 11, 7)])
def test_the_blocked_rule_is_that_of_a_sweep(pieces):
    rule = Blocked(4, 7)
    labels = np.concatenate([rule.fold(n, None) for n in pieces])
    np.testing.assert_array_equal(labels, fold_labels(23, 4, 7))
    later = Blocked(4, 7)
    later.skip(9, [])
    np.testing.assert_array_equal(later.fold(14, None), labels[9:])


def test_cores_do_not_change_a_bit(files, monkeypatch):
    from jaxreg.streams import read

    found = []
    for cores in (1, 3):
        monkeypatch.setattr(read, "CORES", cores)
        found.append(read_stream(str(files / "part-*.parquet"), "y", 5, 0, ignore=EXTRA).folds)
    for one, other in zip(*found, strict=True):
        assert one.xx.tobytes() == other.xx.tobytes()


def test_progress_says_rows(files):
    said = []
    jaxreg.fold_moments(
        str(files / "*.parquet"), "y", ignore=EXTRA, progress=lambda done, total: said.append((done, total))
    )
    assert said[-1] == (N, N)


def test_a_constant_column_stays_so(tmp_path):
    X = np.stack([np.full(300, 0.1), np.arange(300.0)], axis=1)
    m = sum(jaxreg.fold_moments(((X[i : i + 17], X[i : i + 17, 1]) for i in range(0, 300, 17)), folds=3))
    assert m.xx[0].tolist() == [0.0, 0.0]
    assert m.x_mean[0] == 0.1


@pytest.mark.parametrize("weighted", [False, True])
def test_a_column_that_is_constant_in_the_training_rows_has_no_variance(stored, tmp_path, weighted):
    # 0.1 less the mean of the first rows, averaged, is not itself to the last bit.
    constant, other = np.full(N, 0.1), np.random.default_rng(1).normal(size=N)
    fold = stored.columns["group"] // 2
    columns = stored.columns | {"a": np.where(fold == 1, constant, other), "fold": fold}
    weight = "weight" if weighted else None
    write_parquet(columns, tmp_path / "t.parquet", 77)
    for part in jaxreg.fold_moments(tmp_path / "t.parquet", "y", "fold", sample_weight=weight, ignore=["group"])[1:]:
        assert part.x_mean[0] == pytest.approx(0.1, rel=1e-14)
        assert not part.xx[0].any()
    how = {"target": "y", "lams": 6, "sample_weight": weight}
    found = jaxreg.sweep(tmp_path / "t.parquet", folds="fold", table={"ignore": ["group"]}, **how)
    names = [name for name in columns if name not in ("y", "fold", "group", weight)]
    X, s = np.column_stack([columns[name] for name in names]), columns["weight"] if weighted else None
    assert_same_sweep(found, jaxreg.sweep(X, stored.y, 6, folds=fold, sample_weight=s))


def test_more_folds_than_short_numbers_count():
    K = 2**16 + 2
    labels = np.array([0, 2**16, 2**16 + 1, 2**16 + 1])
    found = moments_of_block(Block(np.ones((4, 1)), np.ones((4, 1)), None, None, 1), labels, K, np.zeros(2))
    assert [k for k, (_, rows) in enumerate(found) if rows] == [0, 2**16, 2**16 + 1]


def test_a_column_that_is_constant_in_a_fold_stays_so_when_processes_join():
    # Each process measures from the mean of its own first rows: 0.1 less either is not the same to the last bit.
    for seed in range(20):
        rng = np.random.default_rng(seed)
        labels, table, y = np.arange(50) % 2, rng.normal(size=(50, 2)), rng.normal(size=(50, 1))
        table[labels == 1, 0] = 0.1
        whole = State()
        for rows in (slice(0, 25), slice(25, 50)):
            block, of_one = Block(table[rows], y[rows], None, None, 1), State()
            of_one.centre = block.mean()
            of_one.add(moments_of_block(block, labels[rows], 2, of_one.centre))
            whole.join(of_one, [0, 1])
        constant = whole.parts[1]
        assert not constant.xx[0].any()
        assert not constant.xy[0].any()
        np.testing.assert_allclose(constant.xx[1, 1], 25 * table[labels == 1, 1].var(), rtol=1e-12)
        assert whole.unit(1) < 1e-13

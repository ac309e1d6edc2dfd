"""The recipes of the page for engines that have the data: Dask, polars, DuckDB, Spark, each where it is installed."""

from pathlib import Path

import numpy as np
import pytest

import jaxreg
from tests.page_blocks import blocks_of

PAGE = Path(__file__).parents[2] / "docs" / "how_to" / "cluster.md"
BLOCKS = dict(
    zip(
        ("table", "dask", "polars", "sums", "duckdb", "spark"),
        (code for _, code in blocks_of(PAGE.read_text(encoding="utf-8"))),
        strict=True,
    )
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """What the blocks of the page define, run one after the other in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}

    def run(*which):
        for name in which:
            exec(compile(BLOCKS[name], f"{PAGE.name}, {name}", "exec"), names)
        return names

    return run


def assert_moments(path, total):
    """Of the diabetes data; and the path that belongs to them."""
    data = jaxreg.datasets.diabetes()
    d, r = data.X - data.X.mean(axis=0), data.y - data.y.mean()
    size = np.sqrt((d**2).sum(axis=0))
    assert total.n_rows == 442
    np.testing.assert_allclose(total.xx, d.T @ d, atol=1e-12 * np.outer(size, size).max())
    np.testing.assert_allclose(total.xy[:, 0], d.T @ r, atol=1e-12 * (size * np.sqrt(r @ r)).max())
    assert path.converged.all()
    np.testing.assert_allclose(path.coef, jaxreg.path(data.X, data.y).coef, atol=1e-9)


def test_dask(run):
    pytest.importorskip("dask")
    names = run("table", "dask")
    assert_moments(names["dask_path"], names["total"])


def test_polars(run):
    pytest.importorskip("polars")
    names = run("table", "polars", "sums")
    assert_moments(names["polars_path"], names["moments_of"](names["sums"], names["means"]))


def test_duckdb(run):
    pytest.importorskip("duckdb")
    names = run("table", "polars", "sums", "duckdb")
    assert_moments(names["duckdb_path"], names["moments_of"](names["sums"], names["means"]))


def test_the_task_of_spark_without_spark(run):
    """Two tasks, one of which is given two batches and one that is empty."""
    import pickle

    names = run("table", "spark")
    batches = names["table"].to_batches(max_chunksize=200)
    tasks = [[batches[0], batches[0].slice(0, 0), batches[1]], [batches[2]]]
    found = [pickle.loads(out["moments"][0].as_py()) for task in tasks for out in names["moments_of_task"](task)]
    total = sum(found)
    assert_moments(jaxreg.path(moments=total), total)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Spark forks, and speaks of versions of pandas
def test_spark(run):
    sql = pytest.importorskip("pyspark.sql")
    names = run("table", "spark")
    session = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        total = names["of_spark"](session.read.parquet("parts"))
    finally:
        session.stop()
    assert_moments(jaxreg.path(moments=total), total)

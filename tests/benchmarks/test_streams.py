"""The table of streams: files as they are said to be, and every job at work on a few rows."""

import numpy as np
import pytest
import streams

pytest.importorskip("pyarrow")


def test_blocks_are_as_many_rows_as_asked_for_and_differ():
    found = list(streams.blocks(250, 100, 3))
    assert [len(block) for block in found] == [100, 100, 50]
    assert not np.array_equal(found[0][:50], found[1][:50])


def test_the_files_hold_the_blocks(tmp_path):
    from pyarrow import csv, parquet

    files = streams.write(tmp_path, 1000)
    table = parquet.read_table(files["parquet"])
    assert table.shape == (1000, streams.COLUMNS + 1)
    assert csv.read_csv(files["csv"]).shape == (200, streams.COLUMNS + 1)
    rows = {"scan": 1000, "scan with checksums": 1000, "stream": 1000}
    assert {job: streams.JOBS[job](str(files["parquet"])) for job in rows} == rows
    assert [streams.JOBS[job](str(files["csv"])) for job in ("scan", "stream")] == [200, 200]
    assert [streams.JOBS[job]("300") for job in ("made", "made and streamed")] == [300, 300]


def test_the_table_has_ratios_and_an_exponent(tmp_path, monkeypatch):
    seconds = {"scan": 1.0, "scan with checksums": 2.0, "stream": 3.0, "made": 0.5}
    monkeypatch.setattr(streams, "measured", lambda job, of: (seconds.get(job) or float(of) / 100, 99.0))
    monkeypatch.setattr(streams, "together", lambda file, count: 8.0 / count)
    text = streams.report(1000, tmp_path, 1)
    assert "a core each: 4.00 s, one 8.00 s: 0.50" in text
    assert "scan (noise 1.00) | 1.00 | 3.00 | 3.00 | 2.0 | 99 |" in text
    assert "scan with checksums (noise 1.00) | 2.00 | 3.00 | 1.50 |" in text
    assert "to the power 1.000 from 1,000 to 10,000" in text


@pytest.mark.slow
def test_twenty_gigabytes_made_on_the_fly_take_less_than_one():
    assert streams.measured("made and streamed", 50_000_000)[1] < streams.ASKED["MiB"]

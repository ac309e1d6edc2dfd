"""What does a stream take, beside pyarrow's own reading of the same columns, in time and in memory?

    python benchmarks/streams.py [--small] [--folder DIR] [--repeats 3]

A table of 5,000,000 rows and 50 columns (2 GB) is written as Parquet, and a fifth of it as CSV; the files are deleted
at the end. Each measurement is a process of its own: pyarrow scanning all columns (Parquet with page checksums, as in
the stream, and without), and the moments of ten folds. They take turns, and the ratio is that of the best. Memory
is the largest resident set of the process. Then batches made on the fly, which are stored nowhere: up to 50,000,000
rows, the exponent of time in the number of rows, and the time of making them alone. Last, the sweep of the Parquet file
by one process with one core, and by two with one core each; and what a core does with pieces of 1,000 columns.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from worker import peak_mib

COLUMNS, GROUP, BATCH = 50, 2**17, 2**16
ASKED = {"parquet": 2.0, "csv": 1.5, "exponent": 1.02, "MiB": 1024.0}


def blocks(rows: int, size: int, p: int = COLUMNS) -> Iterator[np.ndarray]:
    """Blocks (size, p + 1), the last column y; one is drawn, and each is that with other numbers in a column."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((min(size, rows), p + 1))
    drawn[:, -1] += drawn[:, 0] - 0.5 * drawn[:, 1]
    for start in range(0, rows, size):
        some = drawn[: min(size, rows - start)].copy()
        some[:, start // size % p] *= 1.0 + 1e-3 * (start // size % 7)
        yield some


def write(folder: Path, rows: int) -> dict[str, Path]:
    """The files."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    names = [*(f"x{j}" for j in range(COLUMNS)), "y"]
    schema = pa.schema([(name, pa.float64()) for name in names])
    files = {"parquet": folder / "table.parquet", "csv": folder / "table.csv"}
    how = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    with (
        parquet.ParquetWriter(files["parquet"], schema, **how) as whole,
        csv.CSVWriter(files["csv"], schema, write_options=csv.WriteOptions(quoting_style="none")) as fifth,
    ):
        written = 0
        for block in blocks(rows, GROUP):
            table = pa.table([np.ascontiguousarray(column) for column in block.T], schema=schema)
            whole.write_table(table)
            if written < rows // 5:
                fifth.write_table(table.slice(0, rows // 5 - written))
            written += len(block)
    return files


def scan(file: str, checked: bool) -> int:
    """pyarrow reads all columns."""
    if file.endswith(".csv"):
        from pyarrow import csv

        return sum(batch.num_rows for batch in csv.open_csv(file))
    from pyarrow import dataset

    how = dataset.ParquetFragmentScanOptions(page_checksum_verification=checked)
    scanned = dataset.dataset(file, format="parquet").scanner(fragment_scan_options=how, batch_size=BATCH)
    return sum(batch.num_rows for batch in scanned.to_batches())


def stream(file: str) -> int:
    """The moments of ten folds."""
    import jaxreg

    return sum(fold.n_rows for fold in jaxreg.fold_moments(file, "y", folds=10))


def shared(file: str) -> int:
    """The sweep of a file that processes share; the clock begins when they have found each other and have compiled."""
    import jaxreg

    drawn = next(blocks(10_000, 10_000))
    with jaxreg.distributed() as (number, count):
        jaxreg.sweep(moments_by_fold=[jaxreg.moments(part[:, :-1], part[:, -1]) for part in np.split(drawn, 10)])
        start = time.perf_counter()
        result = jaxreg.sweep(file, target="y", folds=10)
        assert result.converged
        print(json.dumps({"number": number, "count": count, "seconds": time.perf_counter() - start}))
    return count


def made(rows: int, alone: bool) -> int:
    """Batches that are stored nowhere: made alone, or streamed."""
    if alone:
        return sum(len(block) for block in blocks(rows, BATCH))
    import jaxreg

    return sum(
        fold.n_rows for fold in jaxreg.fold_moments((block[:, :-1], block[:, -1]) for block in blocks(rows, BATCH))
    )


JOBS = {
    "scan": lambda file: scan(file, False),
    "scan with checksums": lambda file: scan(file, True),
    "stream": stream,
    "shared": shared,
    "made": lambda rows: made(int(rows), True),
    "made and streamed": lambda rows: made(int(rows), False),
}


def measured(job: str, argument: Any) -> tuple[float, float]:
    """Seconds of the work without imports, and the largest resident MiB, in a process of its own."""
    run = [sys.executable, __file__, "--job", job, "--argument", str(argument)]
    said = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    found = json.loads(said.splitlines()[-1])
    return found["seconds"], found["MiB"]


def together(file: Path, count: int) -> float:
    """Seconds that so many processes take for the sweep, each on a core of its own."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port = one.getsockname()[1]
    run = [sys.executable, __file__, "--job", "shared", "--argument", str(file)]
    given = {"JAX_COORDINATOR_ADDRESS": f"localhost:{port}", "JAX_NUM_PROCESSES": str(count), "JAX_PLATFORMS": "cpu"}
    each = [
        subprocess.Popen(run, env=os.environ | given | {"JAX_PROCESS_ID": str(k)}, stdout=subprocess.PIPE, text=True)
        for k in range(count)
    ]
    said = [process.communicate()[0] for process in each]
    return max(json.loads(next(l for l in out.splitlines() if l.startswith('{"number"')))["seconds"] for out in said)


def work(job: str, argument: str) -> None:
    """One job, after imports."""
    if job == "shared":  # one core each, before anything counts them
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(os.environ["JAX_PROCESS_ID"]) % len(cores)]})
    import pyarrow.csv
    import pyarrow.dataset  # noqa: F401

    import jaxreg

    if "stream" in job:
        rng = np.random.default_rng(0)
        jaxreg.fold_moments(iter([(rng.normal(size=(99, 3)), rng.normal(size=99))]), folds=3)
    start = time.perf_counter()
    JOBS[job](argument)
    print(json.dumps({"seconds": time.perf_counter() - start, "MiB": peak_mib()}))


def rates(p: int = 1000, rows: int = 8000) -> str:
    """What a core does with a piece of many columns: its products, and adding its moments to those of others."""
    from jaxreg.data.cores import blas_of_one_thread
    from jaxreg.formulas.moments import Moments, together

    Z = np.random.default_rng(0).standard_normal((p, rows))
    best = {}
    with blas_of_one_thread():
        square = Z @ Z.T
        one = Moments(np.float64(rows), Z.mean(axis=1), np.zeros(1), square, square[:, :1].copy(), square[:1, 0].copy())
        for name, do in (("products", lambda: Z @ Z.T), ("adding", lambda: together([one, one]))):
            seconds = []
            for _ in range(5):
                start = time.perf_counter()
                do()
                seconds.append(time.perf_counter() - start)
            best[name] = min(seconds)
    speed, adding = rows * p**2 / best["products"] / 1e9, 1e3 * best["adding"]
    return f"One core, {rows:,} rows x {p:,}: {speed:.0f}e9 products n p² a second; adding moments {adding:.1f} ms."


def report(rows: int, folder: Path, repeats: int) -> str:
    """The table."""
    files = write(folder, rows)
    lines = ["| file | pyarrow, s | stream, s | ratio | asked | stream, MiB |", "|---|---|---|---|---|---|"]
    for kind, file in files.items():
        others = ["scan", "scan with checksums"] if kind == "parquet" else ["scan"]
        took: dict[str, list[tuple[float, float]]] = {job: [] for job in (*others, "stream")}
        for turn in range(repeats):  # in turns that begin with another job: the first scan after a stream takes longer
            for job in [*took][turn % len(took) :] + [*took][: turn % len(took)]:
                took[job].append(measured(job, file))
        seconds = {job: min(each)[0] for job, each in took.items()}
        noise = max(max(each)[0] / min(each)[0] for each in took.values())
        mib = max(peak for _, peak in took["stream"])
        for job in others:
            what = f"{kind}, {file.stat().st_size / 1e9:.2g} GB, {job} (noise {noise:.2f})"
            ratio = seconds["stream"] / seconds[job]
            numbers = f"{seconds[job]:.2f} | {seconds['stream']:.2f} | {ratio:.2f} | {ASKED[kind]} | {mib:.0f}"
            lines.append(f"| {what} | {numbers} |")
    lines += ["", "| rows made on the fly | made alone, s | streamed too, s | MiB |", "|---|---|---|---|"]
    sizes = [rows // 10, rows, 10 * rows]
    each = []
    for n in sizes:
        alone, whole = measured("made", n), measured("made and streamed", n)
        each.append(whole[0])
        lines.append(f"| {n:,} | {alone[0]:.2f} | {whole[0]:.2f} | {whole[1]:.0f} |")
    exponent = np.log(each[2] / each[1]) / np.log(sizes[2] / sizes[1])
    lines += ["", f"Time grows with rows to the power {exponent:.3f} from {sizes[1]:,} to {sizes[2]:,} (asked: 1.02)."]
    alone, two = (min(together(files["parquet"], count) for _ in range(repeats)) for count in (1, 2))
    lines += ["", f"Two processes, a core each: {two:.2f} s, one {alone:.2f} s: {two / alone:.2f} (asked: 0.6)."]
    return "\n".join([*lines, "", rates()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="a thousandth of the rows")
    parser.add_argument("--folder", help="where the files are made (default: the system's)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--argument", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        work(options.job, options.argument)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(report(5_000 if options.small else 5_000_000, Path(folder), options.repeats))


if __name__ == "__main__":
    main()

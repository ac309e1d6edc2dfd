#!/usr/bin/env python
"""An analyst: a messy table, the command, a report, and predictions for new houses. ``python analyst.py FOLDER``"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from messy_houses import write_houses


def jaxreg(*words):
    """The command; returns its exit code and what it printed."""
    done = subprocess.run([sys.executable, "-m", "jaxreg.cli", *map(str, words)], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


folder = Path(sys.argv[1])
houses, new, out = folder / "houses.csv", folder / "new.csv", folder / "report"
write_houses(houses)
truth = write_houses(new, rows=60, seed=1, priced=False)
reading = ["--encoding", "latin-1", "--decimal", ","]
asked = ["--target", "price", "--ignore", "id", "sold", "--lams", "40", "--folds", "5"]

# What the first tries are told: each refusal names what to do next.
for words, remedy in (
    (["sweep", houses, *asked], "--encoding"),
    (["sweep", houses, *asked, "--encoding", "latin-1"], "--decimal ,"),
    (["sweep", houses, *asked, *reading], "--categorical auto"),
    (["sweep", houses, *asked, *reading, "--categorical", "auto"], "--na mean"),
):
    code, printed, said = jaxreg(*words)
    assert code == 2, said
    assert printed == ""
    assert remedy in said, said
    assert said.count("\n") == 1, said

code, printed, said = jaxreg("sweep", houses, *asked, *reading, "--categorical", "auto", "--na", "median", "--out", out)
assert code == 0, said
print(printed)
assert "jaxreg: cells end at ';'" in said
assert "with missing cells left out: line" in said  # those without a price
assert "the median of the column in place of" in said
r2 = float(next(line.split()[1] for line in printed.splitlines() if line.startswith("R²")))
assert r2 > 0.9
assert "district=Altstadt" in printed
page = (out / "report.html").read_text(encoding="utf-8")
assert "The median of the column in place of" in page
stored = json.loads((out / "result.json").read_text(encoding="utf-8"))
assert stored["coding"]["levels"]["district"] == ["Altstadt", "Hafen", "Nordend", "Süd"]

code, printed, said = jaxreg("predict", out, new, *reading, "--keep", "id", "district")
assert code == 0, said
head, *rows = csv.reader(printed.splitlines())
assert head == ["line", "id", "district", "price"]
assert [row[0] for row in rows] == [str(k + 2) for k in range(60)]  # no row is lost: gaps are filled in
assert rows[7][1] == "H-0007"
error = np.array([float(row[3]) for row in rows]) - truth
assert 1 - error.var() / truth.var() > 0.85

# The page says how to do the same in Python, and that is the same.
code_lines = page.split("<pre>")[2].split("</pre>")[0]
import html  # noqa: E402
import os  # noqa: E402

os.chdir(folder)
names = {}
exec(html.unescape(code_lines), names)
assert names["sweep"].best.lam == stored["best"]["lam"]

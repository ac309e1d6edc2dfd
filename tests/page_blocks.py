"""The blocks of Markdown pages, the files that they name, and whether they print what is shown below them."""

import contextlib
import io
import re
import sys
from pathlib import Path

import numpy as np

import jaxreg

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))
from outputs import alike  # noqa: E402

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(text):
    """(language, code) in the order of the page."""
    return BLOCK.findall(text)


def tables():
    """The files that the pages name, as text: the diabetes data under other names, and made-up flats."""
    data = jaxreg.datasets.diabetes()
    rows = np.column_stack([data.X, data.y]).tolist()
    visits = [[*row[:-1], "ABCDEF"[k % 6], row[-1]] for k, row in enumerate(rows)]
    rng = np.random.default_rng(7)
    flats = []
    for number in range(1, 121):
        city, heating = rng.choice(["Bonn", "Oslo", "Rome"]), rng.choice(["gas", "oil"])
        area = int(rng.integers(25, 140))
        rent = 150 + 9 * area + {"Bonn": 0, "Oslo": 320, "Rome": 110}[city] - 60 * (heating == "oil")
        flats.append([number, round(rent + 70 * rng.normal()), "NA" if number % 17 == 3 else area, heating, city])
    new = [[901, 62, "gas", "Oslo"], [902, "NA", "oil", "Rome"], [903, 48, "gas", "Paris"]]
    return {
        "houses.csv": csv((*data.feature_names, "price"), rows),
        "new_houses.csv": csv(data.feature_names, [row[:-1] for row in rows[:5]]),
        "visits.csv": csv((*data.feature_names, "clinic", "cost"), visits),
        "flats.csv": csv(("id", "rent", "area", "heating", "city"), flats),
        "new_flats.csv": csv(("id", "area", "heating", "city"), new, ";"),
    }


def csv(names, rows, delimiter=","):
    return "".join(delimiter.join(map(str, row)) + "\n" for row in (names, *rows))


def printed_by(code, names, where):
    """What a block of Python prints, among it what the comments behind its calls of print say."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, where, "exec"), names)
    for shown in re.findall(r"^ *print\(.*\) +# (\(.*)$", code, re.MULTILINE):
        assert shown in out.getvalue().splitlines(), f"{where} printed\n{out.getvalue()}"
    return out.getvalue()


def assert_shown(shown, printed):
    """Every line that is shown is printed, in this order; lines are left out at the … only."""
    lines, place = printed.splitlines(), 0
    parts = [part.strip("\n").splitlines() for part in re.split(r"^…$", shown, flags=re.MULTILINE)]
    for part in filter(None, parts):
        same = [k for k in range(place, len(lines)) if alike(lines[k], part[0])]
        assert same, f"{part[0]!r} is not in\n{printed}"
        found = lines[same[0] : same[0] + len(part)]
        assert len(found) == len(part), printed
        assert all(map(alike, found, part)), printed
        place = same[0] + len(part)

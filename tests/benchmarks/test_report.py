"""The report, the figure and the tables of docs/how_fast.md, from made-up measurements."""

import json
import re

import figure
import growth
import numpy as np
import pytest
import report
import tables

PAGE, README = (file.read_text(encoding="utf-8") for file in (report.PAGE, report.README))
START, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def row(name, tolerance=None, median=None, status="counts", **more):
    times = {} if median is None else {"median": median, "best": median, "seconds": [median]}
    return {"name": name, "ours": name == "jaxreg", "tolerance": tolerance, "status": status, **times, **more}


@pytest.fixture
def measured():
    rows = [
        row("jaxreg", 1e-6, 0.1, gap=1e-9, mib=80.0, version="0.1.0"),
        row("jaxreg", 1e-10, 0.125, gap=1e-12, mib=np.nan),
        row("jaxreg on a GPU", status="not measured"),
        row("scikit-learn", 1e-4, 0.5, gap=9e-5, mib=-1.0, curve=1e-3, version="1.9"),
        row("celer", 1e-9, 2.0, gap=3e-4, status="did not reach 1e-04 in 100 s"),
        row("skglm", status="not installed"),
    ]
    kinds = {"no cache": {"import": 1.0, "first": 2.5, "mib": 300.0}, "warm cache": {"first": 0.4, "mib": 90.0}}
    contest = {"n": 1000, "p": 1000, "shape": "mid", "rows": rows, "fastest": "scikit-learn", "ratio": 0.2}
    contest |= {"ratio_of_best": 0.2, "ratio_at_default": 0.25, "first": kinds, "load": [0.5, 2.0]}
    axis = {"sizes": [10, 20, 40], "seconds": [1.0, 2.0, 4.0], **growth.fitted([10, 20, 40], [1.0, 2.0, 4.0])}
    parts = {"paths": {"mid": contest | {"job": "path"}}, "cv": {"mid": contest | {"job": "cv"}}}
    return report.machine() | parts | {"growth": {"axes": {"rows n": axis}}, "ridge": "| a table |\n|---|\n"}


def test_the_page_has_a_place_for_the_tables():
    assert PAGE.count(START) == PAGE.count(END) == 1
    assert PAGE.index(START) < PAGE.index(END)


def test_the_table_goes_between_the_markers_and_nowhere_else():
    once = report.between_markers(PAGE, "| new |")
    assert f"{START}\n| new |\n{END}" in once
    assert report.between_markers(once, "| new |") == once
    outside = lambda text: re.sub(f"{START}.*{END}", "", text, flags=re.DOTALL)
    assert outside(once) == outside(PAGE)
    with pytest.raises(ValueError, match="markers"):
        report.between_markers("no markers", "")


def test_the_claim_names_who_was_measured_and_who_was_faster(measured):
    said = "A lasso path of 100 λ and its ten-fold cross-validation were measured on 1 shapes of table beside "
    assert (
        report.claim(measured).replace("\n", " ") == f"{said}scikit-learn: jaxreg took the least time in 2 of 2 cases."
    )
    rows = measured["cv"]["mid"]["rows"]
    measured["cv"]["mid"] |= {"ratio": 1.5, "fastest": "b-c on XᵀX", "rows": [*rows, row("b-c on XᵀX"), row("LassoCV")]}
    end = "scikit-learn and b-c: jaxreg took the least time in 1 of 2 cases, and b-c in the other."
    assert report.claim(measured).replace("\n", " ") == said + end


def test_the_claim_in_the_readme_is_that_of_the_last_measurement():
    measured = json.loads((report.RESULTS / "measured.json").read_text(encoding="utf-8"))
    assert report.between_markers(README, report.claim(measured), "measured") == README


def test_the_exponent_is_the_slope_in_logarithms():
    sizes = np.array([1, 2, 4, 8, 16])
    found = growth.fitted(sizes, 3e-3 * sizes**1.7)
    assert found["exponent"] == pytest.approx(1.7, abs=1e-12)
    assert found["last"] == pytest.approx(1.7, abs=1e-12)
    assert found["error"] == pytest.approx(0, abs=1e-12)
    # A time of 1 + size: the slope of the last doubling is log2(17/9), steeper than the line through all.
    found = growth.fitted(sizes, 1.0 + sizes)
    assert found["last"] == pytest.approx(np.log2(17 / 9), abs=1e-12)
    assert found["exponent"] < found["last"]
    slope, covariance = np.polyfit(np.log(sizes), np.log(1.0 + sizes), 1, cov=True)
    assert found["exponent"] == pytest.approx(slope[0], abs=1e-12)
    assert found["error"] == pytest.approx(np.sqrt(covariance[0, 0]), abs=1e-12)


def test_the_report_says_what_was_measured(measured):
    text = report.markdown(measured)
    assert measured["machine"]["processor"] in text
    assert (
        "| mid 1,000 × 1,000 | 0.100 s | 0.125 s | scikit-learn 1.9, 0.500 s | 0.20 | 0.4 |" in text
    )  # the path's target
    assert "| mid 1,000 × 1,000 | 0.100 s | 0.125 s | scikit-learn 1.9, 0.500 s | 0.20 | 0.25 |" in text  # that of cv
    assert "| mid | 1.00 | 2.50 | 3 | 0.400 | 1 | 300 | 90 |" in text
    assert "| jaxreg on a GPU: not measured |" in text
    assert "| celer: did not reach 1e-04 in 100 s | 1e-09 | 3.0e-04 | 2.00 | 2.00 | 1 |" in text
    assert "| skglm: not installed |" in text
    assert "| rows n | 10 | 40 | 1.00 | 4.00 | 1.00 ± 0.00 | 1.00 |" in text
    assert "Load of the machine: 0.5 at the start, 2.0 at the end." in text
    assert "## Ridge\n\n| a table |" in text
    assert "nan" not in text
    assert "load at most 2.0." in report.page_block(measured)
    measured["paths"]["mid"]["fastest"] = None
    assert "There is no ratio." in report.markdown(measured)


def test_the_tables_are_even(measured):
    for block in (report.markdown(measured), report.page_block(measured)):
        for table in re.findall(r"(?:^\|.*\|\n)+", block + "\n", re.MULTILINE):
            assert len({line.count("|") for line in table.splitlines()}) == 1, table


@pytest.mark.parametrize(("value", "text"), [(0.00123, "0.00123"), (0.5, "0.500"), (12.34, "12.3"), (123.4, "123")])
def test_seconds_have_three_digits(value, text):
    assert tables.seconds(value) == text


def test_parts_measured_elsewhere_are_not_kept(measured, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    here = report.machine()
    assert report.earlier(here) == here
    report.keep(measured)
    assert set(report.earlier(here)) == {"machine", "versions", "paths", "cv", "growth", "ridge"}
    other = json.loads(json.dumps(here))
    other["versions"]["jax"] = "0.0.1"
    assert report.earlier(other) == other


def test_a_part_with_its_own_report_is_run_or_missed(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "HERE", tmp_path)
    assert "not part of this version" in report.other_report("ridge")
    script = tmp_path / "ridge.py"
    script.write_text("import sys; open(sys.argv[2], 'w').write('| measured |')", encoding="utf-8")
    assert report.other_report("ridge") == "| measured |"
    script.write_text("raise SystemExit(3)", encoding="utf-8")
    assert "exit status 3" in report.other_report("ridge")


def test_the_figure_is_drawn(measured, tmp_path):
    pytest.importorskip("matplotlib")
    figure.draw(measured, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    figure.draw(report.machine(), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


@pytest.mark.slow
def test_growth_is_measured():
    axes = growth.measure(1, {"number of λs": (2, 4)})["axes"]
    assert axes["number of λs"]["sizes"] == [2, 4]
    assert min(axes["number of λs"]["seconds"]) > 0

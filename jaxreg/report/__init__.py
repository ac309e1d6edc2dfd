"""Results for people: as a table on the terminal, and a sweep as a page with figures for a browser."""

from jaxreg.report.page import sweep_page
from jaxreg.report.pictures import Picture, draw
from jaxreg.report.reproduce import command_line, python_code
from jaxreg.report.resamples import bootstrap_report, stability_report
from jaxreg.report.text import named, sweep_report

__all__ = [
    "Picture",
    "bootstrap_report",
    "command_line",
    "draw",
    "named",
    "python_code",
    "stability_report",
    "sweep_page",
    "sweep_report",
]

"""A sweep for people: as a table on the terminal, and as a page with figures for a browser."""

from jaxreg.report.page import sweep_page
from jaxreg.report.pictures import Picture, draw
from jaxreg.report.reproduce import command_line, python_code
from jaxreg.report.text import named, sweep_report

__all__ = ["Picture", "command_line", "draw", "named", "python_code", "sweep_page", "sweep_report"]

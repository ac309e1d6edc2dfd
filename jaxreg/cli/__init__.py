"""The command ``jaxreg``: sweep, tune, bootstrap, stability, predict, check, convert, info.

Exit codes: 0 done; 1 the results could not be written, or a checked formula is wrong; 2 the input or the options are
wrong, and nothing was written; 3 done, but some fit did not reach the tolerance; 130 interrupted.
"""

from jaxreg.cli.main import main, parser

__all__ = ["main", "parser"]

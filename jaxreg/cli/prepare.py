"""What a command that fits does before the work: it reads the table, and finds its folder and compiled programs."""

import argparse
import sys
from pathlib import Path
from typing import Any

from jaxreg.cli.problem import load
from jaxreg.program_cache import keep_programs

__all__ = ["prepared"]


def prepared(options: argparse.Namespace) -> tuple[dict[str, Any], Path | None]:
    """The problem (:func:`jaxreg.cli.problem.load`), and the folder of ``--out``."""
    from jaxreg import files
    from jaxreg.progress import Bar

    bar = Bar("paths")
    try:
        bar.say(f"reading {options.file or options.dataset} …")
        problem = load(options)
    finally:  # an error message starts on a line of its own
        bar.clear()
    folder = None
    if options.out is not None:
        _require_matplotlib()
        try:
            folder = files.output_folder(options.out)
        except files.OutputError as error:  # before any work: a wrong option
            raise ValueError(str(error)) from None
    try:
        keep_programs()
    except ValueError as error:
        print(f"jaxreg: {error}", file=sys.stderr)
    except OSError:
        pass
    return problem, folder


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("--out draws figures and needs matplotlib: pip install 'jaxreg[plots]'") from None

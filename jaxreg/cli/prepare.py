"""What a command that fits does before the work: it reads the table, and finds its folder and compiled programs."""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxreg.cli.problem import is_least_squares, load
from jaxreg.cli.table_options import say
from jaxreg.program_cache import keep_programs

__all__ = ["at_work", "checkpoint_in", "prepared"]


def prepared(options: argparse.Namespace) -> tuple[dict[str, Any], Path | None]:
    """The problem (:func:`jaxreg.cli.problem.load`), and the folder of ``--out``."""
    from jaxreg import files
    from jaxreg.progress import Bar

    folder = None
    streamed = _is_streamed(options)
    bar = Bar("paths")
    try:
        bar.say(f"reading {options.file or options.dataset} …")
        problem = {} if streamed else load(options)
    finally:  # an error message starts on a line of its own
        bar.clear()
    if options.out is not None:
        _require_matplotlib()
        try:
            folder = files.output_folder(options.out)
        except files.OutputError as error:  # before any work: a wrong option
            raise ValueError(str(error)) from None
    if streamed:
        from jaxreg.cli.streamed import read

        problem = read(options, checkpoint_in(folder, options), is_least_squares(options))
    try:
        keep_programs()
    except ValueError as error:
        print(f"jaxreg: {error}", file=sys.stderr)
    except OSError:
        pass
    return problem, folder


def _is_streamed(options: argparse.Namespace) -> bool:
    from jaxreg.cli.streamed import is_streamed

    if not is_streamed(options):
        return False
    for name in ("by", "dataset"):
        if getattr(options, name):
            raise ValueError(f"--{name} does not go with a stream; read the file as a whole")
    return True


def checkpoint_in(folder: Path | None, options: argparse.Namespace) -> Path | None:
    """Where blocks of the work are kept, beside the result; an interruption then says so."""
    if folder is None:
        return None
    checkpoint = folder / f"{options.command}_blocks"
    options.state = f"what is done is in {checkpoint}, and the same command goes on from there"
    return checkpoint


@contextlib.contextmanager
def at_work(bar: Any) -> Iterator[None]:
    """The line of progress, and every warning in a line of its own, but for those of which the report speaks."""
    from jaxreg.convergence import ConvergenceWarning, GridEndWarning

    def spoken(message: Any, *of_code: Any) -> None:
        bar.clear()
        say([message])

    try:
        bar.say("compiling, or loading what was compiled before …")
        with warnings.catch_warnings():
            for reported in (ConvergenceWarning, GridEndWarning):
                warnings.simplefilter("ignore", reported)
            warnings.filterwarnings("ignore", ".*persistent compilation cache")  # damaged: compiled anew
            warnings.showwarning = spoken  # type: ignore[assignment]
            yield
    finally:
        bar.clear()


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ImportError("--out draws figures and needs matplotlib: pip install 'jaxreg[plots]'") from None

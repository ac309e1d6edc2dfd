"""The command line: its parser, and what becomes of errors."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from jaxreg.cli.check import add_check
from jaxreg.cli.convert import add_convert
from jaxreg.cli.info import add_info
from jaxreg.cli.predict import add_predict
from jaxreg.cli.resample import add_bootstrap, add_stability
from jaxreg.cli.sweep import add_sweep
from jaxreg.cli.tune import add_tune
from jaxreg.files import OutputError
from jaxreg.processes import LostProcess
from jaxreg.version import __version__

__all__ = ["main", "parser"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # "?" on a terminal that has no λ
    options = parser().parse_args(arguments)
    try:
        code = options.run(options)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        _drop_output()
        return 0
    except KeyboardInterrupt:
        print(f"\njaxreg: interrupted; {getattr(options, 'state', 'nothing was written')}", file=sys.stderr)
        return 130
    except OutputError as error:
        _complain(error)
        return 1
    except LostProcess as error:
        _complain(f"{error}; {getattr(options, 'state', 'nothing was written')}")
        sys.stderr.flush()
        os._exit(1)  # JAX would wait for the lost one
    except OSError as error:  # files are read and written elsewhere: this is standard output, on a full disk
        _complain(f"cannot write the output: {error.strerror or error}")
        _drop_output()
        return 1
    except (ValueError, TypeError, FloatingPointError, ImportError, MemoryError) as error:
        _complain(error)
        return 2


def _complain(what: object) -> None:
    """One line on standard error."""
    print("jaxreg: " + " ".join(str(what).splitlines()), file=sys.stderr)


def _drop_output() -> None:
    """Let what is still to be printed vanish; otherwise Python tries once more at its end, and complains."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        _complain(f"{message}; see {self.prog} --help")
        self.exit(2)


def parser() -> argparse.ArgumentParser:
    """Of the command line; each command brings its own options, and says with ``run`` what is to be done."""
    whole = _Parser(
        prog="jaxreg",
        description="Ridge, lasso and elastic net: cross-validated sweeps in which every fit carries its certificate.",
    )
    whole.add_argument("--version", action="version", version=f"jaxreg {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_sweep(commands)
    add_tune(commands)
    add_bootstrap(commands)
    add_stability(commands)
    add_predict(commands)
    add_check(commands)
    add_convert(commands)
    add_info(commands)
    return whole

"""The command ``jaxreg check``: checks every pair that a file marks with ``@hand_derived(of=loss)``."""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

__all__ = ["add_check", "load_file"]


def add_check(commands: "argparse._SubParsersAction") -> None:
    """Adds the command to the parser's."""
    check = commands.add_parser(
        "check",
        help="hold the hand-derived formulas of a file against automatic differentiation",
        description="Check every function that FILE marks with @jaxreg.checks.hand_derived(of=loss). "
        "Exit code 1 if one is wrong.",
    )
    check.add_argument("file", metavar="FILE", help="a Python file")
    check.add_argument("names", nargs="*", metavar="NAME", help="only these functions (default: all)")
    check.set_defaults(run=_check)


def load_file(path: str) -> ModuleType:
    """Imports a Python file; what stands beside it can be imported by it.

    Raises:
        ValueError: there is no such file, or it cannot be imported; with its own message.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{path} is no file")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file: its name has to end in .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(folder)
        sys.modules.pop(file.stem, None)
    return module


def _check(options: argparse.Namespace) -> int:
    from jaxreg.checks.marks import pairs_in

    pairs = list(pairs_in(load_file(options.file)))
    known = [pair.name for pair in pairs]
    if not pairs:
        raise ValueError(
            f"{options.file} marks no formula; put @jaxreg.checks.hand_derived(of=loss) above each to be checked"
        )
    for name in options.names:
        if name not in known:
            raise ValueError(f"{options.file} marks no formula {name}; it marks {', '.join(known)}")
    chosen = [pair for pair in pairs if not options.names or pair.name in options.names]
    wrong = 0
    for pair in chosen:
        try:
            report = pair.run()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{pair.name}: {error}") from error
        print(report)
        wrong += not report
    print(f"{len(chosen)} checked, {wrong} wrong")
    return 1 if wrong else 0

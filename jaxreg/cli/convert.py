"""The command ``jaxreg convert``."""

from typing import Any

__all__ = ["add_convert"]


def add_convert(commands: Any) -> None:
    """Adds the command to the parser's."""
    convert = commands.add_parser(
        "convert",
        help="convert a λ from one program's scaling to another's",
        description="The λ (and share of the L1 part) at which TARGET has the same minimiser as SOURCE at LAM.",
    )
    convert.add_argument("lam", nargs="?", type=float, metavar="LAM", help="λ of SOURCE, whatever it is called there")
    convert.add_argument("source", nargs="?", metavar="SOURCE", help="such as sklearn.Ridge")
    convert.add_argument("target", nargs="?", metavar="TARGET", help="such as glmnet")
    convert.add_argument("--l1-ratio", type=float, help="share of the L1 part in SOURCE (glmnet's alpha)")
    convert.add_argument("--n", type=float, help="rows, or the sum of the sample weights")
    convert.add_argument("--y-scale", type=float, help="standard deviation of y, as TARGET or SOURCE defines it")
    convert.add_argument("--systems", action="store_true", help="print the table of all systems instead")
    convert.set_defaults(run=_convert)


def _convert(options: Any) -> int:
    from jaxreg.formulas.conventions.conversion import convert, describe
    from jaxreg.formulas.conventions.table import system_table

    if options.systems:
        print(system_table())
        return 0
    if options.target is None:
        raise ValueError("give LAM SOURCE TARGET, or --systems for the table of all systems")
    found = convert(
        options.lam, options.source, options.target, l1_ratio=options.l1_ratio, n=options.n, y_scale=options.y_scale
    )
    system = describe(options.target)
    share = f", {system.share} = {found.l1_ratio!r}" if system.share else ""
    print(f"{system.name}: {system.lam} = {found.lam!r}{share}")
    print(f"which minimises {system.objective}")
    return 0

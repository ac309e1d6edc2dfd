"""The table of all systems, in Markdown."""

from jaxreg.formulas.conventions.systems import SYSTEMS, System, _product

__all__ = ["system_table"]


def system_table() -> str:
    """Every system with its objective, what `λ1` and `λ2` are in jaxreg's objective, and what it is held against.

    Example:
        >>> print("\\n".join(line[:34] for line in system_table().splitlines()[:3]))
        | system                 | minimis
        |------------------------|--------
        | jaxreg                 | 1/(2Σs)
    """
    head = ["system", "minimises", "λ1 = λ·l1_ratio", "λ2 = λ·(1 − l1_ratio)", "held against"]
    lines = [head, *(_row(system) for system in SYSTEMS.values())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]])


def _row(system: System) -> list[str]:
    l1 = _product(system.lam, system.share, system.l1) if system.l1 else "0"
    l2 = _product(system.lam, system.share and f"(1 - {system.share})", system.l2) if system.l2 else "0"
    return [cell.replace("|", "\\|") for cell in (system.name, system.objective, l1, l2, system.held)]

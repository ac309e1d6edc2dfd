"""The command ``jaxreg info``."""

import argparse
import os
from typing import Any

from jaxreg.program_cache import cache_folder, distrusted

__all__ = ["add_info"]


def add_info(commands: Any) -> None:
    """Adds the command to the parser's."""
    info = commands.add_parser("info", help="versions, devices, precision")
    info.set_defaults(run=_info)


def _info(options: argparse.Namespace) -> int:
    import platform

    import jax
    import jaxlib
    import numpy
    import optax

    from jaxreg.version import __version__

    folder = cache_folder()
    reason = distrusted(folder) if folder.exists() else None
    rows = [
        ("jaxreg", __version__),
        ("Python", platform.python_version()),
        ("jax, jaxlib", f"{jax.__version__}, {jaxlib.__version__}"),
        ("numpy, optax", f"{numpy.__version__}, {optax.__version__}"),
        ("devices", ", ".join(f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices())),
        ("processors", str(os.cpu_count())),
        ("precision", "float64 by default, float32 with --dtype float32; fits stop at a gap of 1e-10 and 1e-5"),
        ("compiled programs", f"{folder} (not used: {reason})" if reason else str(folder)),
    ]
    for name, value in rows:
        print(f"{name:<18} {value}")
    return 0

"""How much memory a block of members may take, and how many members that is: one place for all that works in blocks.

Whoever solves members says how many numbers one of them takes: the weights or rows that are made for it, and what is
found for it, before and after it is cut to what is kept. The table itself is the caller's, and not counted.
"""

from typing import Any

from jaxreg.data.memory import block_bytes

__all__ = ["BLOCK_BYTES", "RESAMPLED_BYTES", "RETURNED_BYTES", "fitting", "gibibytes"]

# A block of members, and what is kept of all of them beside it: 128 MiB. Smaller blocks take longer by their number.
BLOCK_BYTES = 2**27
# What a call returns, estimated before the work, may take 16 GiB, and the coefficients of resamples 4.
RETURNED_BYTES, RESAMPLED_BYTES = 2**34, 2**32


def fitting(numbers: int, most: int, device: Any = None) -> int:
    """How many members a block holds: as many as fit, at most ``most``, and at least one.

    Args:
        numbers: of float64, that one member takes. device: where they are solved; one that says what is free takes half
            of that (:mod:`~jaxreg.data.memory`).

    Example:
        >>> fitting(1000, 50), fitting(1_000_000, 50), fitting(10**9, 50)
        (50, 16, 1)
    """
    return max(1, min(most, block_bytes(device, BLOCK_BYTES) // (8 * max(1, numbers))))


def gibibytes(numbers: int) -> str:
    """So many numbers of float64, in words.

    Example:
        >>> gibibytes(10**9)
        '7.45 GiB'
    """
    return f"{8 * numbers / 2**30:.3g} GiB"

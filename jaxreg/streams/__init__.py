"""Tables that outgrow memory: one pass, from files or batches to the moments of every fold.

Reading order: ``read`` (what is asked, the pass) → ``folding`` (which fold a row is in) → ``block`` (a piece's moments)
→ ``state`` (what is known so far, kept in a checkpoint).
"""

from jaxreg.streams.read import StreamRead, fold_moments, is_stream, read_stream

__all__ = ["StreamRead", "fold_moments", "is_stream", "read_stream"]

"""Loading a saved result; every kind of result that can be saved is known here, and none of them imports JAX."""

from jaxreg import results
from jaxreg.archive import Saveable, load

__all__ = ["KINDS", "load"]

KINDS = tuple(kind for kind in vars(results).values() if isinstance(kind, type) and issubclass(kind, Saveable))

"""The version, written once: a module of its own, so that no part of jaxreg has to import the whole for it."""

__all__ = ["__version__"]

__version__ = "0.1.0"

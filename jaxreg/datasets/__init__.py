"""Data to try things on: one measured table, and one that is made up, whose true coefficients are known."""

from jaxreg.datasets.built_in import NAMES, Dataset, diabetes, houses, load

__all__ = ["NAMES", "Dataset", "diabetes", "houses", "load"]

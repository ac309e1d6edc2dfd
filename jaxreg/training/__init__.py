"""Training any JAX loss with any optimiser, one run or a whole grid of hyperparameters at once.

Reading order: ``methods`` (one step) → ``loop`` (many steps) → ``programs`` (what is compiled) → ``runs`` (``train``
and ``train_grid``) → ``stability``, ``divergence``, ``batches``, ``arguments``, ``placement`` (meshes), ``schedules``
(in the grid); ``kept`` and ``sameness`` (what is compiled once), ``shares``, ``branches`` make it quick.
"""

from jaxreg.training.batches import minibatches
from jaxreg.training.divergence import DivergenceWarning
from jaxreg.training.loop import Best, History, Training
from jaxreg.training.methods import Method, fista, ista
from jaxreg.training.runs import product, train, train_grid
from jaxreg.training.stability import curvature_along_steepest

__all__ = [
    "Best",
    "DivergenceWarning",
    "History",
    "Method",
    "Training",
    "curvature_along_steepest",
    "fista",
    "ista",
    "minibatches",
    "product",
    "train",
    "train_grid",
]

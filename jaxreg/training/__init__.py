"""Training any JAX loss with any optimiser, one run or a whole grid of hyperparameters at once.

Reading order: ``methods`` (one step) → ``loop`` (many steps) → ``result``, ``reading`` (what is returned) →
``programs`` (what is compiled) → ``runs`` (``train`` and ``train_grid``) → ``folds`` (chosen by cross-validation) →
``stability``, ``divergence``, ``batches``, ``arguments``, ``placement`` (meshes), ``schedules`` (in the grid); ``kept``
and ``sameness`` (what is compiled once), ``shares``, ``branches`` make it quick;
``implicit`` (derivatives of where it ends).
"""

from jaxreg.training.arguments import product
from jaxreg.training.batches import minibatches
from jaxreg.training.divergence import DivergenceWarning
from jaxreg.training.folds import CrossValidation
from jaxreg.training.implicit import Implicit, implicit, stationary
from jaxreg.training.methods import Method, fista, ista
from jaxreg.training.result import Best, History, Training
from jaxreg.training.runs import train, train_grid
from jaxreg.training.stability import curvature_along_steepest

__all__ = [
    "Best",
    "CrossValidation",
    "DivergenceWarning",
    "History",
    "Implicit",
    "Method",
    "Training",
    "curvature_along_steepest",
    "fista",
    "implicit",
    "ista",
    "minibatches",
    "product",
    "stationary",
    "train",
    "train_grid",
]

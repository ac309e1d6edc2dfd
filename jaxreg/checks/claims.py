"""Claims of other programs: a gradient in NumPy is called with arrays, one in PyTorch with tensors of float64.

Nothing is imported for it: a claim can be a PyTorch function only where the caller has imported ``torch``. It is one if
it does not take arrays (TypeError or AttributeError) and takes tensors, or returns tensors.
"""

import sys
from functools import update_wrapper
from typing import Any

import jax
import numpy as np

from jaxreg.checks.inputs import Function, Tree

__all__ = ["as_claim"]


def as_claim(function: Function) -> Function:
    """The function for arrays, whatever it is written in; itself where PyTorch is not loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return function

    def claim(*args: Tree) -> Tree:
        try:
            return _arrays(function(*args), torch)
        except (TypeError, AttributeError) as error:
            for leaf in jax.tree.leaves(args):
                np.asarray(leaf)  # of a tracer this raises what says that it cannot be traced
            try:
                return _arrays(function(*jax.tree.map(lambda leaf: _tensor(leaf, torch), args)), torch)
            except (TypeError, AttributeError):
                raise error from None  # it is no function of tensors either

    return update_wrapper(claim, function)


def _tensor(leaf: Any, torch: Any) -> Any:
    """A tensor of an array; numbers of Python and all else as they are."""
    return torch.as_tensor(np.array(leaf)) if isinstance(leaf, (np.ndarray, jax.Array)) else leaf


def _arrays(tree: Tree, torch: Any) -> Tree:
    """A tree with arrays in the place of tensors."""
    is_tensor = lambda leaf: isinstance(leaf, torch.Tensor)
    return jax.tree.map(lambda leaf: leaf.detach().cpu().numpy() if is_tensor(leaf) else leaf, tree, is_leaf=is_tensor)

"""What a check is given: parameters as one float64 vector with a name for each number, arguments as named arrays."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.tree_util import KeyPath, keystr, tree_flatten_with_path, tree_unflatten

__all__ = ["Arguments", "Function", "Parameters", "Tree", "argument_names", "arguments", "parameters", "same_structure"]

Tree = Any  # a pytree: of parameters, or one argument
Function = Callable[..., Any]  # a function of the user's, or made of one


class Parameters(NamedTuple):
    """A pytree of parameters as a vector.

    Attributes:
        vector: (d,), float64.
        restore: the pytree of a vector.
        labels: (d,) names, such as "coef[2]".
        leaves: (d,) numbers of the leaf that a coordinate belongs to.
        leaf_names: one a leaf; the shape of each is in ``shapes``.
    """

    vector: jax.Array
    restore: Callable[[jax.Array], Tree]
    labels: tuple[str, ...]
    leaves: np.ndarray
    leaf_names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]


class Arguments(NamedTuple):
    """The arguments after the parameters: float arrays can be varied, everything else is kept as it is.

    Attributes:
        arrays: float64 arrays and numbers, in order. Integer arrays are arrays too, of their own dtype.
        names: one an array, such as "X" or "data['y']".
        rebuild: the tuple of arguments that has these arrays.
    """

    arrays: tuple[jax.Array, ...]
    names: tuple[str, ...]
    rebuild: Callable[[Sequence[jax.Array]], tuple]


def argument_names(function: Function, count: int) -> list[str]:
    """The names of the first ``count`` positional arguments, "argument 3" where a function does not tell."""
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        found = []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in found if parameter.kind in kinds][:count]
    return names + [f"argument {place}" for place in range(len(names) + 1, count + 1)]


def parameters(params: Tree, name: str = "params") -> Parameters:
    """The parameters in float64.

    Raises:
        TypeError: a leaf is no number, is complex or is an integer; the leaf is named.
        ValueError: there is no number at all, or one is not finite.
    """
    with_paths, tree = tree_flatten_with_path(params)
    names = [_named(name, path) for path, _ in with_paths]
    arrays = []
    for leaf_name, (_, leaf) in zip(names, with_paths, strict=True):
        array = np.asarray(leaf)
        if array.dtype.kind in "iub":
            raise TypeError(
                f"{leaf_name} is of dtype {array.dtype}; a derivative needs floating-point parameters: "
                f"give {leaf_name} as floats, 1.0 instead of 1."
            )
        if array.dtype.kind not in "fV" or not jnp.issubdtype(array.dtype, jnp.floating):
            raise TypeError(f"{leaf_name} is of dtype {array.dtype}; parameters have to be real numbers.")
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(f"{leaf_name}{list(place) or ''} is {array[place]}; give finite parameters.")
        arrays.append(jnp.asarray(array))
    if sum(array.size for array in arrays) == 0:
        raise ValueError(f"{name} holds no numbers; there is nothing to differentiate by.")
    vector, restore = ravel_pytree(tree_unflatten(tree, arrays))
    labels = [_element(n, place, a.shape) for n, a in zip(names, arrays, strict=True) for place in np.ndindex(a.shape)]
    leaves = np.repeat(np.arange(len(arrays)), [array.size for array in arrays])
    return Parameters(vector, restore, tuple(labels), leaves, tuple(names), tuple(a.shape for a in arrays))


def arguments(args: Sequence[Tree], names: Sequence[str], *, keep_numbers: bool = False) -> Arguments:
    """The arguments in float64; ``keep_numbers`` leaves Python numbers, for functions that branch on them."""
    leaves, tree = tree_flatten_with_path(list(args), is_leaf=lambda leaf: leaf is None)
    varied, arrays, found = [], [], []
    for place, (path, leaf) in enumerate(leaves):
        value = _array(leaf, keep_numbers)
        if value is not None:
            varied.append(place)
            arrays.append(value)
            found.append(_named(names[path[0].idx], path[1:]))

    def rebuild(values: Sequence[jax.Array]) -> tuple:
        full = [leaf for _, leaf in leaves]
        for place, value in zip(varied, values, strict=True):
            full[place] = value
        return tuple(tree_unflatten(tree, full))

    return Arguments(tuple(arrays), tuple(found), rebuild)


def same_structure(given: Tree, expected: Tree, what: str, name: str) -> None:
    """Refuses a gradient that has not the structure and shapes of the parameters, leaf by leaf.

    Raises:
        ValueError: with every leaf that differs.
    """
    with_paths, tree = tree_flatten_with_path(expected)
    given_paths, given_tree = tree_flatten_with_path(given)
    if str(tree) != str(given_tree):
        have, want = ({keystr(path) for path, _ in paths} for paths in (given_paths, with_paths))
        parts = [f"missing: {_list(name, want - have)}"] if want - have else []
        parts += [f"not asked for: {_list(name, have - want)}"] if have - want else []
        kinds = f"{type(given).__name__} instead of {type(expected).__name__}"
        raise ValueError(f"{what} has another structure than {name} ({'; '.join(parts) or kinds}). Return one like it.")
    wrong = [
        f"{_named(name, path)} is {np.shape(leaf)} instead of {np.shape(like)}"
        for (path, like), (_, leaf) in zip(with_paths, given_paths, strict=True)
        if np.shape(leaf) != np.shape(like)
    ]
    if wrong:
        raise ValueError(f"{what} has the wrong shape: {'; '.join(wrong)}.")


def _array(leaf: object, keep_numbers: bool) -> jax.Array | None:
    """The leaf as a JAX array, or None where it is left alone."""
    if isinstance(leaf, (bool, int, str, type(None))) or callable(leaf):
        return None
    if isinstance(leaf, float):
        return None if keep_numbers else jnp.asarray(leaf, jnp.float64)
    array = np.asarray(leaf)
    if array.dtype.kind in "OUSMmc":
        return None
    return jnp.asarray(array.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array)


def _named(name: str, path: KeyPath) -> str:
    """params.coef → coef: a field or key stands for itself where it is the only step; else name plus path."""
    if len(path) == 1 and hasattr(path[0], "name"):
        return str(path[0].name)
    if len(path) == 1 and isinstance(getattr(path[0], "key", None), str):
        return str(path[0].key)
    return name + keystr(tuple(path))


def _element(name: str, place: tuple[int, ...], shape: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, place))}]" if shape else name


def _list(name: str, keys: set[str]) -> str:
    return ", ".join(sorted(name + key for key in keys))

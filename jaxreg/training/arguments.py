"""What may go wrong with a loss, its parameters, its data and its grid, found before the first step."""

import contextlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr
from jax.typing import ArrayLike

__all__ = [
    "Function",
    "Tree",
    "check_arrays",
    "check_batches",
    "check_grid",
    "check_loss",
    "check_params",
    "check_state",
    "check_steps",
    "check_validation",
    "check_whole_number",
    "names_taken",
    "product",
    "takes_float64",
]


# A pytree; and a function of the user's, or made of one.
Tree = Any
Function = Callable[..., Any]
P = ParamSpec("P")
R = TypeVar("R")

NO_ARRAY = "Leave it out: close over it in the loss, or make it a static field of its pytree."


def takes_float64(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which computes in float64 where it is given numbers of float64, also while 64-bit mode is off.

    The mode is that of this call and this thread alone. Inside a program of the caller it stays as it is.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        leaves = jax.tree.leaves((args, kwargs), is_leaf=lambda value: isinstance(value, Iterator))
        if any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return function(*args, **kwargs)
        double = any(isinstance(v, np.ndarray | jax.Array) and v.dtype == np.float64 for v in leaves)
        with jax.enable_x64(True) if double else contextlib.nullcontext():
            return function(*args, **kwargs)

    return call


def check_arrays(**trees: Tree) -> None:
    """Refuse NumPy float64 that would be rounded, complex numbers, and NaN or inf in values that are at hand.

    Raises:
        TypeError, ValueError: naming the argument and the leaf.
    """
    for name, tree in trees.items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            where = name + jax.tree_util.keystr(path)
            dtype = getattr(leaf, "dtype", None)
            number = isinstance(leaf, (bool, int, float, complex)) or hasattr(leaf, "__jax_array__")
            if dtype is None and not number:
                raise TypeError(f"{where} is {_described(leaf)}, which is no array. {NO_ARRAY}")
            if isinstance(leaf, np.ndarray) and dtype == np.float64 and jnp.result_type(float) != jnp.float64:
                raise TypeError(
                    f"{where} is a NumPy float64 array, but JAX's 64-bit mode is off and would round it to float32. "
                    "Wrap the call in `with jax.enable_x64(True):`, or convert with .astype('float32')."
                )
            if isinstance(leaf, float) and not np.isfinite(leaf):
                raise ValueError(f"{where} is {leaf}, which is not finite.")
            if isinstance(leaf, jax.core.Tracer) or dtype is None:
                continue
            if jnp.issubdtype(dtype, jnp.floating) and not _all_finite(leaf):
                bad = ~np.isfinite(np.asarray(leaf, np.float64))
                index = tuple(int(i) for i in np.argwhere(bad)[0])
                raise ValueError(f"{where} is not finite at index {index} ({int(bad.sum())} such entries).")


def _described(leaf: object) -> str:
    return f"the function {leaf.__name__}" if hasattr(leaf, "__name__") else f"{type(leaf).__name__} {leaf!r:.40}"


def _all_finite(leaf: object) -> bool:
    if not isinstance(leaf, jax.Array) or all(device.platform == "cpu" for device in leaf.devices()):
        return bool(np.all(np.isfinite(leaf)))  # the same memory
    with jax.ensure_compile_time_eval():  # the value is at hand, even where the caller is being traced
        return bool(jnp.all(jnp.isfinite(leaf)))


def check_params(params: Tree) -> None:
    """Every leaf must be a floating array: an integer cannot take a gradient step."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise ValueError("params has no arrays; there is nothing to train.")
    for path, leaf in leaves:
        dtype = jnp.result_type(leaf)
        where = "params" + jax.tree_util.keystr(path)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"{where} has dtype {dtype}; parameters must be floating: use jnp.asarray(..., float).")
        if not np.issubdtype(dtype, np.floating):  # bfloat16 and smaller ones, which are not NumPy's
            raise TypeError(
                f"{where} has dtype {dtype}, in which a step that is small beside its parameter is lost. Keep the "
                f"parameters in float32 and convert them inside the loss: params.astype({dtype})."
            )


def check_whole_number(of: str = "", **value: object) -> None:
    """Refuses what is no whole number of at least 1, such as True; named by its keyword."""
    ((name, number),) = value.items()
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 1:
        amount = f"a whole number of {of}, at least 1" if of else "a whole number of at least 1"
        raise ValueError(f"{name} is {number!r}; it must be {amount}.")


def check_steps(steps: int, record_every: int | None) -> tuple[int, int]:
    """(steps, record_every) as positive whole numbers; record_every None gives about 100 records."""
    check_whole_number(steps=steps)
    if record_every is not None:
        check_whole_number(record_every=record_every)
    return int(steps), max(1, int(steps) // 100) if record_every is None else min(int(record_every), int(steps))


def check_batches(args: tuple, batch_size: int | None, batches: object, key: jax.Array | None) -> None:
    """Either data, with or without mini-batches drawn from them, or a stream of batches."""
    if batches is not None and (args or batch_size is not None):
        raise ValueError("batches replaces the data: give either args (with or without batch_size), or batches.")
    if batch_size is None:
        return
    check_whole_number(batch_size=batch_size)
    if key is None:
        raise ValueError("batch_size needs key=jax.random.key(seed): rows are drawn at random.")
    shapes = [getattr(a, "shape", None) for a in args]
    if not args or any(not shape or shape[0] != shapes[0][0] for shape in shapes):  # type: ignore[index]
        raise ValueError(f"batch_size draws rows, so all args must be arrays with one leading axis; got {shapes}.")
    if isinstance(key, int | np.integer):
        raise TypeError(f"key is {key!r}; a key is made from a number by jax.random.key({key}).")


def check_validation(validation: tuple | None, validation_loss: object, patience: int | None) -> tuple | None:
    """The held-out data as a tuple, () where the loss has them itself; None where there is no validation."""
    if patience is not None:
        check_whole_number("records", patience=patience)
    if validation is None and validation_loss is None:
        if patience is not None:
            raise ValueError("patience waits for a smaller validation loss: give validation=(X_held_out, y_held_out).")
        return None
    if validation is not None and not isinstance(validation, (tuple, list)):
        raise TypeError(f"validation is {type(validation).__name__}; it must be a tuple of arrays, like args.")
    check_arrays(validation=tuple(validation or ()))
    return tuple(validation or ())


def check_grid(grid: Mapping[str, ArrayLike]) -> tuple[dict[str, jax.Array], int]:
    """The grid as arrays with a common leading axis, and its length G.

    Raises:
        TypeError, ValueError: not a dict, empty, arrays of unequal length.
    """
    if not isinstance(grid, Mapping):
        raise TypeError(f"grid is {type(grid).__name__}; it must be a dict of arrays of equal length.")
    if not grid:
        raise ValueError("grid is empty; give at least one array, for example grid={'lam': lams}.")
    check_arrays(grid=dict(grid))
    arrays = {name: jnp.asarray(values) for name, values in grid.items()}
    for name, values in arrays.items():
        if values.ndim == 0:
            raise ValueError(f"grid[{name!r}] is a single number; every entry must have a leading axis of members.")
    lengths = {name: values.shape[0] for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"grid has arrays of unequal length: {lengths}. product(**arrays) makes all combinations.")
    count = next(iter(lengths.values()))
    if count == 0:
        raise ValueError(f"grid[{next(iter(grid))!r}] is empty; there is nothing to train.")
    return arrays, count


def names_taken(function: object, names: Iterable[str]) -> frozenset[str]:
    """Those of ``names`` that ``function`` takes by keyword; none for anything that is not a function."""
    if not callable(function):
        return frozenset()
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return frozenset(names)
    by_keyword = {name for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return frozenset(names) & by_keyword


def check_state(given: Tree, own: Tree) -> None:
    """The state to go on from must be of the optimiser that goes on."""
    shapes = [jax.tree.map(lambda leaf: (jnp.shape(leaf), jnp.result_type(leaf)), state) for state in (given, own)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "the Training to go on from has a state that is not of this optimizer and these params; give the optimizer "
            "that it was trained with, or its params alone to start afresh."
        )


def check_loss(loss: Function, params: Tree, args: tuple, has_aux: bool = False, name: str = "loss") -> np.dtype:
    """The loss must give one floating number, and the same program every time it is called; its dtype is returned.

    Called while tracing, so it costs nothing when the compiled program runs again.

    Raises:
        ValueError: a loss that is no scalar, that draws random numbers, or that keeps values between calls.
        TypeError: an integer loss.
    """
    value = jax.eval_shape(lambda *inputs: loss(*inputs), params, *args)
    if has_aux:
        if not isinstance(value, tuple) or len(value) != 2:
            raise ValueError(f"with has_aux=True, loss must return a pair (loss, aux); it returned {_kind(value)}.")
        value = value[0]
    if not hasattr(value, "shape") or value.shape != ():
        pair = isinstance(value, tuple) and len(value) == 2
        more = " Give has_aux=True if the second is auxiliary." if pair and name == "loss" else ""
        raise ValueError(f"{name} must return one number; it returned {_kind(value)}. Add jnp.mean or jnp.sum.{more}")
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(f"{name} returned {value.dtype}; it must be floating.")
    # JAX keeps the trace of a function object: new ones make it call the loss again.
    first = jax.make_jaxpr(lambda *inputs: loss(*inputs))(params, *args)
    try:
        with jax.checking_leaks():
            second = jax.make_jaxpr(lambda *inputs: loss(*inputs))(params, *args)
    except Exception as error:
        if "leak" not in str(error).lower():
            raise
        raise ValueError(
            f"{name} keeps values of one call for the next (a side effect); make it a pure function."
        ) from None
    same = _without_addresses(first) == _without_addresses(second)
    same = same and len(first.consts) == len(second.consts)
    same = same and all(_same_constant(a, b) for a, b in zip(first.consts, second.consts, strict=True))
    if not same:
        raise ValueError(
            f"{name} is not the same function when it is called twice: it draws random numbers or changes something "
            "outside. Pass random numbers (or a jax.random key) as arguments."
        )
    return value.dtype


def _kind(value: object) -> str:
    return f"shape {value.shape}" if hasattr(value, "shape") else type(value).__name__


def _same_constant(a: ArrayLike, b: ArrayLike) -> bool:
    if a is b or isinstance(a, jax.core.Tracer) or isinstance(b, jax.core.Tracer):
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


def _without_addresses(jaxpr: ClosedJaxpr) -> str:
    return re.sub(r"0x[0-9a-f]+", "", str(jaxpr))


@takes_float64
def product(**arrays: ArrayLike) -> dict[str, jax.Array]:
    """All combinations of the arrays' entries, as a grid; the last array varies fastest.

    Args:
        arrays: (`G₁`, …), (`G₂`, …), … with one leading axis each.

    Returns:
        dict of arrays of length `G₁·G₂·…`.

    Example:
        >>> product(lam=[0.1, 1.0], seed=[0, 1, 2])["seed"]
        Array([0, 1, 2, 0, 1, 2], dtype=int32)
    """
    if not arrays:
        raise ValueError("product() needs at least one array.")
    check_arrays(**arrays)
    values = {name: jnp.asarray(a) for name, a in arrays.items()}
    for name, a in values.items():
        if a.ndim == 0 or a.shape[0] == 0:
            raise ValueError(f"product: {name} must be an array of at least one entry; got shape {a.shape}.")
    places = np.indices([a.shape[0] for a in values.values()]).reshape(len(values), -1)
    return {name: a[place] for (name, a), place in zip(values.items(), places, strict=True)}

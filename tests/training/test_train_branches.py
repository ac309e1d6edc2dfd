"""Without branches a program is the same: conds in loops and compiled functions, nested, with several outcomes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg.training.branches import without_branches


def absolute(x):
    return jax.lax.cond(x > 0, lambda: x, lambda: -x)


def switch(x):
    i = jnp.int32(x) % 4  # 3 is beyond the last branch, which is then taken
    return jax.lax.switch(i, [jnp.sin, jnp.cos, lambda x: x**2], x)


def in_a_while_loop(x):
    def body(carry):
        k, value = carry
        return k + 1, jax.lax.cond(value > 1, lambda: value / 2, lambda: value + 0.3 * k)

    return jax.lax.while_loop(lambda carry: absolute(carry[1]) < 9 - carry[0], body, (0, x))


def in_a_scan(x):
    def body(carry, row):
        return jax.lax.cond(row > carry, lambda: carry + row, lambda: carry - 0.1), carry * row

    return jax.lax.scan(body, x, jnp.linspace(-1.0, 3.0, 7), reverse=True)


def in_a_compiled_function(x):
    return jax.jit(lambda x: {"a": absolute(x), "b": (x, jax.jit(absolute)(x - 1))})(x)


def nested(x):
    return jax.lax.cond(x > 0, lambda: in_a_while_loop(x)[1], lambda: switch(-x))


FUNCTIONS = [absolute, switch, in_a_while_loop, in_a_compiled_function, nested]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_same_function(function, same):
    for x in (-2.5, -1.0, 0.0, 0.7, 1.2, 2.9, 3.4):
        same(without_branches(function)(jnp.asarray(x)), function(jnp.asarray(x)), 1e-15)
    assert "cond[" in str(jax.make_jaxpr(function)(1.0))
    assert "cond[" not in str(jax.make_jaxpr(without_branches(function))(1.0))


def test_a_branch_in_a_scan_stays_and_is_right(same):
    for x in (-1.0, 0.7, 2.9):
        function = lambda x: (in_a_scan(x), absolute(x))
        same(without_branches(function)(jnp.asarray(x)), function(jnp.asarray(x)), 1e-15)


def test_what_has_no_branch_is_left_alone():
    calls = []

    @jax.custom_jvp
    def cube(x):
        return x**3

    cube.defjvp(lambda primals, tangents: (calls.append(1) or primals[0] ** 3, 7.0 * tangents[0]))

    def function(x, y):
        return cube(jax.jit(jnp.sin)(x)) + absolute(y), jax.nn.relu(y)

    plain = without_branches(lambda x: cube(x))
    assert str(jax.make_jaxpr(plain)(2.0)) == str(jax.make_jaxpr(lambda x: cube(x))(2.0))
    # A derivative that the user defined stays so, beside branches that go.
    np.testing.assert_allclose(jax.grad(lambda x: without_branches(function)(x, -3.0)[0])(0.3), 7.0 * np.cos(0.3))

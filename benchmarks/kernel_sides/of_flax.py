"""Flax's recurrent layers under jax.jit, and custom cells in its RNN."""

import flax
import jax
import jax.numpy as jnp
import jax_call
from flax import nnx
from jax_call import EQUATIONS, make_call, shapes_of

CELLS = {"rnn": nnx.SimpleCell, "gru": nnx.GRUCell, "lstm": nnx.OptimizedLSTMCell}


def prepare(threads):
    return {"flax": flax.__version__, **jax_call.prepare(threads)}


def forget():
    jax.clear_caches()


class Cell(nnx.RNNCellBase):
    """A cell of EQUATIONS as Flax's RNN wants it."""

    def __init__(self, cell, I, H):
        self.cell, self.H = cell, H
        glorot, key = nnx.initializers.glorot_uniform(), jax.random.key(0)
        for name, shape in shapes_of(cell, I, H).items():
            value = glorot(key, shape) if len(shape) > 1 else jnp.zeros(shape)
            setattr(self, name, nnx.Param(value + 1 if name.startswith("gain") else value))
        self.names = tuple(shapes_of(cell, I, H))

    def __call__(self, carry, x):
        now = {name: getattr(self, name)[...] for name in self.names}
        h, c = EQUATIONS[self.cell](x, *carry, now)
        return (h, c), h

    def initialize_carry(self, input_shape, rngs=None, carry_init=None):
        zero = jnp.zeros((*input_shape[:-1], self.H))
        return zero, zero

    @property
    def num_feature_axes(self):
        return 1


def build(side):
    B, _, I, H = side["shape"]
    if side["cell"] in CELLS:
        cell = CELLS[side["cell"]](I, H, rngs=nnx.Rngs(0))
    else:
        cell = Cell(side["cell"], I, H)
    initial = cell.initialize_carry((B, I), rngs=nnx.Rngs(0))
    definition, parameters, others = nnx.split(nnx.RNN(cell), nnx.Param, ...)

    def apply(parameters, x):
        return nnx.merge(definition, parameters, others)(x, initial_carry=initial)

    return make_call(apply, parameters, side)

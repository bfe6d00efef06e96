"""Keras's layers on JAX, and custom cells in its RNN layer."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax_call
import keras
from jax_call import EQUATIONS, make_call, shapes_of

LAYERS = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


def prepare(threads):
    return {"keras": keras.__version__, **jax_call.prepare(threads)}


def forget():
    keras.backend.clear_session()


class Cell(keras.layers.Layer):
    """A cell of EQUATIONS as Keras's RNN layer wants it."""

    def __init__(self, cell, H):
        super().__init__()
        self.cell, self.H = cell, H
        self.state_size, self.output_size = [H, H], H

    def build(self, shape):
        self.parameters = {}
        for name, wanted in shapes_of(self.cell, shape[-1], self.H).items():
            start = "ones" if name.startswith("gain") else "zeros"
            start = "glorot_uniform" if len(wanted) > 1 else start
            self.parameters[name] = self.add_weight(shape=wanted, initializer=start, name=name)

    def call(self, x, states, training=False):
        now = {name: variable.value for name, variable in self.parameters.items()}
        h, c = EQUATIONS[self.cell](x, *states, now)
        return h, [h, c]


def build(side):
    B, T, I, H = side["shape"]
    if side["cell"] in LAYERS:
        layer = LAYERS[side["cell"]](H, return_sequences=True)
    else:
        layer = keras.layers.RNN(Cell(side["cell"], H), return_sequences=True)
    layer.build((B, T, I))
    parameters = [variable.value for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]

    def apply(parameters, x):
        return layer.stateless_call(parameters, others, x)[0]

    return make_call(apply, parameters, side)

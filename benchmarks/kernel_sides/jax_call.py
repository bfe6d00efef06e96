"""What the sides on JAX share: one compiled call, and equations of cells that they lack.

Letters: B batch, T time, I input size, H hidden size.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid

EPSILON = 1e-5


def prepare(threads):
    """Keep XLA's pool to so many threads; it is made with the first computation."""
    os.environ["NPROC"] = str(threads)
    return {"jax": jax.__version__, "devices": str(jax.devices("cpu"))}


def make_call(apply, parameters, side):
    """Return a call of `apply(parameters, x)`, (B, T, H), with the gradients if it trains."""
    B, T, I, H = side["shape"]
    random = np.random.default_rng(0)
    x = jnp.asarray(random.standard_normal((B, T, I), np.float32))
    gradient = jnp.asarray(random.standard_normal((B, T, H), np.float32))

    def loss(parameters, x):
        return jnp.sum(apply(parameters, x) * gradient)

    if side["trains"]:
        compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    else:
        compiled = jax.jit(apply)
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))
    return lambda: jax.block_until_ready(compiled(parameters, x)), {"parameters": count}


def layer_norm(z, gain, bias):
    centred = z - z.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    return gain * (centred * jax.lax.rsqrt(variance + EPSILON)) + bias


def layer_norm_lstm(x, h, c, p):
    fed = layer_norm(x @ p["W_F"], p["gain_x"], p["bias_x"])
    i, f, g, o = jnp.split(fed + layer_norm(h @ p["W_R"], p["gain_h"], p["bias_h"]), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
    return sigmoid(o) * jnp.tanh(layer_norm(c, p["gain_c"], p["bias_c"])), c


def peephole_lstm(x, h, c, p):
    i, f, g, o = jnp.split(x @ p["W_F"] + h @ p["W_R"] + p["bias"], 4, -1)
    c = sigmoid(f + p["see_f"] * c) * c + sigmoid(i + p["see_i"] * c) * jnp.tanh(g)
    return sigmoid(o + p["see_o"] * c) * jnp.tanh(c), c


def mgu(x, h, c, p):
    of_forget, of_candidate = jnp.split(x @ p["W_F"] + p["bias"], 2, -1)
    f = sigmoid(of_forget + h @ p["W_R_forget"])
    n = jnp.tanh(of_candidate + (f * h) @ p["W_R_candidate"])
    return (1 - f) * h + f * n, c


EQUATIONS = {"layer_norm_lstm": layer_norm_lstm, "peephole_lstm": peephole_lstm, "mgu": mgu}


def shapes_of(cell, I, H):
    """Return the shape of each parameter of a cell in EQUATIONS."""
    if cell == "mgu":
        recurrent = {"W_R_forget": (H, H), "W_R_candidate": (H, H)}
        return {"W_F": (I, 2 * H), "bias": (2 * H,)} | recurrent
    matrices = {"W_F": (I, 4 * H), "W_R": (H, 4 * H)}
    if cell == "peephole_lstm":
        return matrices | {"bias": (4 * H,)} | {f"see_{gate}": (H,) for gate in "ifo"}
    norms = {"x": 4 * H, "h": 4 * H, "c": H}
    return matrices | {f"{part}_{of}": (n,) for of, n in norms.items() for part in ("gain", "bias")}

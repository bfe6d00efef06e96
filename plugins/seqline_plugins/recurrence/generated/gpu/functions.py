"""What the generated Triton source is made of: functions, operations, frames of kernels."""

from __future__ import annotations

HEADER = """# Generated from the equations of a cell; the names are the cell's own.
#   x_… W_F x + b of a gate   h_… W_R v of a gate   d_… a gradient
import triton
import triton.language as tl


@triton.jit
def read(place, inside):
    return tl.load(place, mask=inside, other=0.0)


@triton.jit
def write(place, value, inside):
    tl.store(place, value, mask=inside)


@triton.jit
def total(value, inside):
    return tl.sum(tl.where(inside, value, 0.0), axis=1, keep_dims=True)


@triton.jit
def product(a, b, REAL: tl.constexpr, WIDEN: tl.constexpr):
    if WIDEN:  # the interpreter multiplies no bfloat16
        a, b = a.to(REAL), b.to(REAL)
    return tl.dot(a, b, input_precision="ieee", out_dtype=REAL)


@triton.jit
def tanh(x):  # near zero by Lambert's continued fraction, which loses no digits there
    z = x * x
    over = 135135.0 + z * (62370.0 + z * (3150.0 + z * 28.0))
    near = x * (135135.0 + z * (17325.0 + z * (378.0 + z))) / over
    far = 1.0 - 2.0 / (tl.exp(2.0 * tl.abs(x)) + 1.0)
    return tl.where(tl.abs(x) < 0.4, near, tl.where(x < 0.0, -far, far))


@triton.jit
def log1p(x):  # what 1 + x was rounded by is divided out
    u = 1.0 + x
    small = u == 1.0
    rounded = tl.where(small, 1.0, u - 1.0)
    found = tl.log(u) * (x / rounded)
    return tl.where(small, x, tl.where(u == float("inf"), u, found))
"""

OPERATIONS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "abs": "tl.abs({0})",
    "exp": "tl.exp({0})",
    "tanh": "tanh({0})",
    "sigmoid": "tl.sigmoid({0})",
    "log": "tl.log({0})",
    "log1p": "log1p({0})",
    "sqrt": "tl.sqrt({0})",
    "sin": "tl.sin({0})",
    "cos": "tl.cos({0})",
    "erf": "tl.erf({0})",
    "max": "tl.maximum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "min": "tl.minimum({0}, {1}, propagate_nan=tl.PropagateNan.ALL)",
    "less": "({0} < {1}).to(REAL)",
    "at_most": "({0} <= {1}).to(REAL)",
    "equal": "({0} == {1}).to(REAL)",
    "where": "tl.where({0} != 0.0, {1}, {2})",
    "stop": "{0}",
}
"""The pointwise operations, without `power`, as Triton writes them."""

LARGEST_POWER = 16
"""Whole exponents up to which a power is multiplied out."""


def power(base: str, exponent: float) -> str:
    """Return the expression of a power with a constant exponent; Triton has none of its own."""
    size = abs(exponent)
    if size == 0.5:
        found = f"tl.sqrt({base})"
    elif size.is_integer() and size <= LARGEST_POWER:
        found = "(" + " * ".join([base] * int(size) or ["1.0"]) + ")"
    else:
        return f"tl.exp({exponent!r} * tl.log({base}))"
    return f"1.0 / {found}" if exponent < 0 else found


_PLACES = """
    rows = (tl.program_id(0) * ROWS + tl.arange(0, ROWS))[:, None].to(tl.int64)
    units = (tl.program_id(1) * UNITS + tl.arange(0, UNITS))[None, :]
    inside = (rows < B) & (units < H)
    length = tl.load(lengths + rows, mask=rows < B, other=0)
"""
_SIZES = "H: tl.constexpr, ROWS: tl.constexpr, UNITS: tl.constexpr, REAL: tl.constexpr"
_PRODUCTS = "PRODUCT: tl.constexpr, WIDEN: tl.constexpr"

STEP = f"""

@triton.jit(do_not_specialize=["t"])
def NAME(BUFFERS, t, T, B, {_SIZES}, {_PRODUCTS}):{_PLACES}    valid = inside & (t < length)
"""

_LOOP = f"""

@triton.jit
def NAME(BUFFERS, T, B, {_SIZES}, {_PRODUCTS}):{_PLACES}"""

FORWARD_LOOP = f"""{_LOOP}BEFORE    for t in range(T):
        valid = inside & (t < length)
STEPAFTER"""

BACKWARD_LOOP = f"""{_LOOP}BEFORE    for back in range(T):
        t = T - 1 - back
        valid = inside & (t < length)
STEPAFTER"""

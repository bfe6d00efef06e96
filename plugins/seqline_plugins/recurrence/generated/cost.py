"""What a layer will take, in bytes and operations, before it is run or even compiled.

Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from dataclasses import dataclass

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.graph import in_order
from seqline_plugins.recurrence.generated.plan import make_plan
from seqline_plugins.recurrence.generated.run import steps_kept
from seqline_plugins.recurrence.generated.trace import trace

VECTOR_BYTES = 64
"""The widest vectors there are; kept values are rounded up to whole ones."""


@dataclass(frozen=True)
class Cost:
    """Of one layer in one direction.

    kept_bytes      values, gradients and chunks' states of the backward pass, at most at once
    forward_flops   operations of the products in a forward pass, two for a multiplication and sum
    training_flops  the same, forward and backward, with what is computed again
    """

    kept_bytes: int
    forward_flops: int
    training_flops: int


def cost_of(
    cell: GatedCell,
    input_size: int,
    hidden_size: int,
    *,
    batch: int,
    steps: int,
    bytes_each: int = 4,
    budget: int | None = None,
) -> Cost:
    """Return what a layer takes for B rows of T steps; `budget` as in `trainer.activation_bytes`.

    Raises `UntraceableError` for a cell for which no code can be generated.
    """
    plan = make_plan(trace(cell, input_size, hidden_size))
    lanes = VECTOR_BYTES // bytes_each
    padded = _rounded_up(hidden_size, lanes)
    token = plan.slots * padded + _rounded_up(len(plan.numbers), lanes) + lanes
    kept = steps_kept(steps, batch * token * bytes_each, budget)
    chunks = -(-steps // kept)
    states = (chunks - 1) * len(plan.equations.states) * batch * hidden_size
    fed = len(plan.equations.gates) * input_size
    recurrent = sum(n.op == "product" for n in in_order(plan.equations.new.values()))
    forward = 2 * batch * steps * hidden_size * (fed + recurrent * hidden_size)
    again = forward * (steps - kept) // steps if plan.keeps else 0
    return Cost((batch * kept * token + states) * bytes_each, forward, 3 * forward + again)


def _rounded_up(count: int, unit: int) -> int:
    return -(-count // unit) * unit

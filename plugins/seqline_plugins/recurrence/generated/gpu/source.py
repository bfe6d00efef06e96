"""The Triton source of a cell: its pointwise work at one timestep, or the whole loop over time.

    forward_0 …, backward_0 …   a step; a product of a vector that the cell makes starts a new one
    infer_0 …                   a step forward, nothing kept
    forward, infer, backward    all steps in one launch, products included (`fused`)

A program has some rows; where the cell sums over its units it has all units of them, so that a sum
is complete at once and the passes of the C++ code fall together. What is kept, and in which slot,
is the plan's. Letters: B batch, T time, H hidden size, p a product, s a state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from seqline_plugins.recurrence.generated.gpu.backward import Backward
from seqline_plugins.recurrence.generated.gpu.direction import BUFFERS, numbered
from seqline_plugins.recurrence.generated.gpu.forward import Forward
from seqline_plugins.recurrence.generated.gpu.functions import HEADER
from seqline_plugins.recurrence.generated.graph import in_order
from seqline_plugins.recurrence.generated.plan import Plan


@dataclass
class Source:
    """A cell's source, and of every function in it the buffers that it asks for, in their order."""

    text: str
    buffers: dict[str, tuple[str, ...]]
    scratch: int
    scratch_numbers: int
    whole_rows: bool


def write_source(plan: Plan, *, fused: bool = False) -> Source:
    """Return the source of a cell: step by step, or fused over time."""
    directions = [
        Forward(plan, "forward", fused),
        Forward(plan, "infer", fused),
        Backward(plan, "backward", fused),
    ]
    bodies = {name: text for one in directions for name, text in one.functions().items()}
    known = [*BUFFERS.split(), *numbered(plan)]
    buffers = {
        name: tuple(one for one in known if re.search(rf"\b{one}\b", text))
        for name, text in bodies.items()
    }
    text = HEADER + "".join(
        body.replace("BUFFERS", ", ".join(buffers[name])) for name, body in bodies.items()
    )
    nodes = [*plan.forward_order, *in_order(plan.derivative.ends())]
    return Source(
        text,
        buffers,
        max(len(one.scratch) for one in directions),
        max(len(one.scratch_numbers) for one in directions),
        any(node.shape == "number" for node in nodes),
    )


def can_fuse(plan: Plan) -> bool:
    """Say whether every product is of a state, so that no step has to wait for another program."""
    return all(product.operand.op == "state" for product in plan.products)

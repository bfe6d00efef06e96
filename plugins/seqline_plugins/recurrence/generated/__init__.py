"""Equations in, fused kernels out: any gated cell's equations become compiled code.

trace, operations   the equations run once on real tensors, every operation noted → graph
derive              the graph's derivative
plan                which values are kept for it, which computed again; passes; places
source              the cell's passes in C++
compiler            compiled once a machine, kept by digest
native/             the host loop and the matrix products in C++, the same for all cells
library, run        the compiled code behind a function that torch can differentiate
gpu/                the same from the plan on, in Triton
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import torch

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.compiler import CompilerError
from seqline_plugins.recurrence.generated.library import Library
from seqline_plugins.recurrence.generated.operations import UntraceableError
from seqline_plugins.recurrence.generated.plan import Plan, make_plan
from seqline_plugins.recurrence.generated.run import run_generated
from seqline_plugins.recurrence.generated.trace import trace

_libraries: dict[Any, Any] = {}


class UnavailableError(Exception):
    """No code can be generated for a cell here; the message says why."""


def program_for(
    cell: GatedCell, input_size: int, hidden_size: int, dtype: torch.dtype, device: str = "cpu"
) -> Any:
    """Return the function that runs a cell over time by code made from its equations.

    `dtype` is the precision of the products: float32, float64, or bfloat16 with all else float32;
    `device` the type of device: "cpu" for C++, "cuda" for Triton.
    Raises `UnavailableError`, naming the operation or the compiler that stands in the way.
    """
    try:
        equations = trace(cell, input_size, hidden_size)
        key = (equations.text(), dtype, device)
        if key not in _libraries:
            on_gpu = device == "cuda"
            plan = make_plan(equations, reads_output=not on_gpu)
            _libraries[key] = (_of_gpu if on_gpu else _of_processor)(plan, dtype)
    except (UntraceableError, CompilerError) as reason:
        raise UnavailableError(str(reason)) from reason
    return _libraries[key]


def _of_processor(plan: Plan, dtype: torch.dtype) -> Any:
    return partial(run_generated, Library(plan, dtype))


def _of_gpu(plan: Plan, dtype: torch.dtype) -> Any:
    if find_spec("triton") is None:
        raise UnavailableError("Triton is not installed (the extra 'gpu')")
    from seqline_plugins.recurrence.generated.gpu.program import Program
    from seqline_plugins.recurrence.generated.gpu.run import run_on_gpu

    return partial(run_on_gpu, Program(plan, dtype))

"""Equations in, fused kernels out: any gated cell's equations become compiled code.

trace, operations   the equations run once on real tensors, every operation noted → graph
derive              the graph's derivative
plan                which values are kept for it, which computed again; passes; places
source              the cell's passes in C++
compiler            compiled once a machine, kept by digest
native/             the host loop and the matrix products in C++, the same for all cells
library, run        the compiled code behind a function that torch can differentiate
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from seqline_plugins.cell import GatedCell
from seqline_plugins.recurrence.generated.compiler import CompilerError
from seqline_plugins.recurrence.generated.library import Library
from seqline_plugins.recurrence.generated.operations import UntraceableError
from seqline_plugins.recurrence.generated.plan import make_plan
from seqline_plugins.recurrence.generated.run import run_generated
from seqline_plugins.recurrence.generated.trace import trace

_libraries: dict[Any, Library] = {}


class UnavailableError(Exception):
    """No code can be generated for a cell here; the message says why."""


def program_for(cell: GatedCell, input_size: int, hidden_size: int, dtype: torch.dtype) -> Any:
    """Return the function that runs a cell over time by code made from its equations.

    Raises `UnavailableError`, naming the operation or the compiler that stands in the way.
    """
    try:
        equations = trace(cell, input_size, hidden_size)
        key = (equations.text(), dtype)
        if key not in _libraries:
            _libraries[key] = Library(make_plan(equations), dtype)
    except (UntraceableError, CompilerError) as reason:
        raise UnavailableError(str(reason)) from reason
    return partial(run_generated, _libraries[key])

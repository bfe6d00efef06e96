"""A cell's Triton kernels, ready to launch, for one precision of products.

Letters: B batch, T time, H hidden size.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from seqline_plugins.recurrence.generated.gpu.source import Source, can_fuse, write_source
from seqline_plugins.recurrence.generated.plan import Plan

TYPES = {torch.float32: tl.float32, torch.float64: tl.float64, torch.bfloat16: tl.bfloat16}
FUSED_BYTES = 128 * 1024
"""What all recurrent matrices may take for a program to hold them over time: they live in its
registers and pass through shared memory, of which an H100 has 227 KiB and an A100 163."""
FUSED_UNITS = {torch.bfloat16: 128, torch.float32: 64, torch.float64: 64}
"""Units of a program that multiplies; with more, compiled for an H100, its registers overflow."""
FUSED_ROWS = 16
"""The fewest rows that a product in Triton takes."""
TILE = 256
"""Units of a program whose cell never sums over them."""


class Program:
    """The kernels of a cell; `dtype` is the precision of products, with bfloat16 all else float.

    `fused_bytes` is what recurrent matrices may take for the whole loop to be one launch.
    """

    def __init__(self, plan: Plan, dtype: torch.dtype, fused_bytes: int = FUSED_BYTES) -> None:
        self.plan, self.product, self.fused_bytes = plan, dtype, fused_bytes
        self.real = torch.float32 if dtype == torch.bfloat16 else dtype

    def fuses(self, hidden_size: int) -> bool:
        """Say whether the whole loop runs in one launch: products of states only, that fit."""
        gates = sum(len(product.gates) for product in self.plan.products)
        if not gates:
            return True
        if not can_fuse(self.plan):
            return False
        units = _units(hidden_size)
        fits = gates * units * units * self.product.itemsize <= self.fused_bytes
        return fits and units <= FUSED_UNITS[self.product]

    def source(self, fused: bool) -> Source:
        """Return the source, step by step or fused over time."""
        return self._fused[0] if fused else self._stepwise[0]

    def launch(
        self, name: str, buffers: Mapping[str, Tensor], t: int | None, T: int, B: int, H: int
    ) -> None:
        """Run a function on all rows and units, at step t, or with t None over all steps."""
        source, kernels = self._fused if t is None else self._stepwise
        rows, units, warps = self.tile(H, fused=t is None)
        grid = (-(-B // rows), -(-H // units))
        if not grid[0]:
            return
        given = [buffers[one] for one in source.buffers[name]]
        steps = (T, B) if t is None else (t, T, B)
        kernels[name][grid](*given, *steps, num_warps=warps, **self.constants(H, rows, units))

    def tile(self, hidden_size: int, *, fused: bool) -> tuple[int, int, int]:
        """Return the rows and units of a program, and its warps."""
        multiplies = fused and bool(self.plan.products)
        whole = multiplies or self.source(fused).whole_rows
        units = _units(hidden_size) if whole else min(_units(hidden_size), TILE)
        if multiplies:
            return FUSED_ROWS, units, 8 if units >= 64 else 4
        return 1, units, min(16, max(1, units // 128))

    def constants(self, hidden_size: int, rows: int, units: int) -> dict[str, Any]:
        """Return what a kernel is compiled for, by name."""
        widens = interpreted() and self.product == torch.bfloat16
        types = {"REAL": TYPES[self.real], "PRODUCT": TYPES[self.product]}
        return {"H": hidden_size, "ROWS": rows, "UNITS": units, "WIDEN": widens} | types

    @cached_property
    def _stepwise(self) -> tuple[Source, dict[str, Any]]:
        source = write_source(self.plan)
        return source, load(source)

    @cached_property
    def _fused(self) -> tuple[Source, dict[str, Any]]:
        source = write_source(self.plan, fused=True)
        return source, load(source)


def interpreted() -> bool:
    """Say whether Triton runs kernels in its interpreter, which works on any tensor, slowly."""
    return bool(triton.knobs.runtime.interpret)


def load(source: Source) -> dict[str, Any]:
    """Return the functions of a source, its text kept where Triton reads it again."""
    name = f"<seqline {hashlib.sha256(source.text.encode()).hexdigest()[:16]}>"
    linecache.cache[name] = (len(source.text), None, source.text.splitlines(True), name)
    space: dict[str, Any] = {"__name__": name}
    exec(compile(source.text, name, "exec"), space)
    return {function: space[function] for function in source.buffers}


def _units(hidden_size: int) -> int:
    return max(16, triton.next_power_of_2(hidden_size))

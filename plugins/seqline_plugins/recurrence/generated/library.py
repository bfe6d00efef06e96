"""The engine and a cell's passes as ctypes sees them: structures, numbers, pointers.

The structures mirror `Program`, `Product` and `Call` of native/program.h, field for field.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.recurrence.generated.compiler import NATIVE, load_library
from seqline_plugins.recurrence.generated.plan import Plan
from seqline_plugins.recurrence.generated.source import Source, write_source

DEFINES = {
    torch.float32: ("REAL=float",),
    torch.float64: ("REAL=double",),
    torch.bfloat16: ("REAL=float", "HALF"),
}
"""By the precision of the products; with bfloat16 all else is float."""


class ProductFields(Structure):
    """Mirrors `Product`."""

    _fields_ = (
        ("gates", c_int64),
        ("state", c_int64),
        ("forward_part", c_int64),
        ("backward_part", c_int64),
        ("operand_slot", c_int64),
        ("grad_slots", POINTER(c_int64)),
    )


class ProgramFields(Structure):
    """Mirrors `Program`."""

    _fields_ = (
        ("states", c_int64),
        ("gates", c_int64),
        ("products", c_int64),
        ("owns", c_int64),
        ("noises", c_int64),
        ("slots", c_int64),
        ("kept_numbers", c_int64),
        ("fed_slot", c_int64),
        ("fed_grad_slot", c_int64),
        ("scratch", c_int64),
        ("numbers", c_int64),
        ("input_has_grad", c_int64),
        ("forward_parts", c_int64),
        ("backward_parts", c_int64),
        ("apart", c_int64),
        ("state_slots", POINTER(c_int64)),
        ("product", POINTER(ProductFields)),
        ("forward", POINTER(c_void_p)),
        ("infer", POINTER(c_void_p)),
        ("backward", POINTER(c_void_p)),
    )


class CallFields(Structure):
    """Mirrors `Call`."""

    _fields_ = (
        *((name, c_int64) for name in ("B", "T", "I", "H", "reverse", "threads")),
        *((name, c_int64) for name in ("all", "start", "stop", "adds", "adds_to_x", "is_packed")),
        *((name, c_void_p) for name in ("packed", "parallel", "lengths", "x", "W_F", "bias")),
        *((name, POINTER(c_void_p)) for name in ("W_R", "own", "noise", "initial")),
        ("output", c_void_p),
        ("last", POINTER(c_void_p)),
        *((name, c_void_p) for name in ("tape", "output_grad")),
        ("last_grad", POINTER(c_void_p)),
        *((name, c_void_p) for name in ("x_grad", "W_F_grad", "bias_grad")),
        *((name, POINTER(c_void_p)) for name in ("W_R_grad", "own_grad", "initial_grad")),
    )


def pointers(tensors: Sequence[Tensor | None]) -> Any:
    """Return an array of the tensors' addresses, null for None."""
    addresses = [None if t is None else t.data_ptr() for t in tensors]
    return (c_void_p * max(1, len(addresses)))(*addresses)


def address(tensor: Tensor | None) -> int | None:
    """Return a tensor's address."""
    return None if tensor is None else tensor.data_ptr()


class Library:
    """A cell's compiled passes with the engine that runs them, for one precision of products."""

    def __init__(self, plan: Plan, dtype: torch.dtype) -> None:
        self.plan, self.source = plan, write_source(plan)
        self._engine = engine(dtype)
        self._passes = load_library([self.source.text], DEFINES[dtype][:1])
        self._keep: list[Any] = []
        self.program = self._program(self.source)

    def tape_stride(self, input_size: int, hidden_size: int) -> int:
        """Return the numbers that a token takes on the tape."""
        program = ctypes.byref(self.program)
        return int(self._engine.seqline_tape_stride(program, input_size, hidden_size))

    def packed_size(self, call: CallFields) -> int:
        """Return the bytes that a call's weights take when they are packed for its products."""
        size = self._engine.seqline_packed_size(ctypes.byref(self.program), ctypes.byref(call))
        return int(size)

    def forward(self, call: CallFields) -> None:
        """Run forward. Raises `MemoryError`."""
        self._run(self._engine.seqline_forward, call)

    def backward(self, call: CallFields) -> None:
        """Run backward. Raises `MemoryError`."""
        self._run(self._engine.seqline_backward, call)

    def _run(self, function: Any, call: CallFields) -> None:
        if function(ctypes.byref(self.program), ctypes.byref(call)):
            raise MemoryError("there is not enough memory for the recurrence's buffers")

    def _program(self, source: Source) -> ProgramFields:
        plan = self.plan
        equations = plan.equations
        products = (ProductFields * max(1, len(plan.products)))()
        for number, product in enumerate(plan.products):
            operand = product.operand
            is_state = operand.op == "state"
            slots = self._numbers(plan.grad_slots[number])
            products[number] = ProductFields(
                len(product.gates),
                equations.states.index(str(operand.value)) if is_state else -1,
                plan.forward_part_of(product),
                plan.backward_part_of(number),
                plan.operand_slots[number],
                slots,
            )
        self._keep.append(products)
        forward_parts, backward_parts = 1 + len(plan.forward_breaks), 1 + len(plan.backward_breaks)
        return ProgramFields(
            states=len(equations.states),
            gates=len(equations.gates),
            products=len(plan.products),
            owns=len(equations.owns),
            noises=len(equations.noises),
            slots=plan.slots,
            kept_numbers=len(plan.numbers),
            fed_slot=plan.fed_slot,
            fed_grad_slot=plan.fed_grad_slot,
            scratch=max(source.forward_scratch, source.backward_scratch),
            numbers=max(source.forward_numbers, source.backward_numbers),
            input_has_grad=int(plan.derivative.input is not None),
            forward_parts=forward_parts,
            backward_parts=backward_parts,
            apart=int(plan.is_apart),
            state_slots=self._numbers(plan.state_slots),
            product=products,
            forward=self._functions("forward", forward_parts),
            infer=self._functions("infer", forward_parts),
            backward=self._functions("backward", backward_parts),
        )

    def _numbers(self, values: Sequence[int]) -> Any:
        array = (c_int64 * max(1, len(values)))(*values)
        self._keep.append(array)
        return array

    def _functions(self, name: str, count: int) -> Any:
        found = [ctypes.cast(getattr(self._passes, f"{name}_{n}"), c_void_p) for n in range(count)]
        array = (c_void_p * count)(*(pointer.value for pointer in found))
        self._keep.append(array)
        return array


@cache
def engine(dtype: torch.dtype) -> ctypes.CDLL:
    """Return the engine for a precision of products, compiled or from the cache."""
    source = (NATIVE / "engine.cpp").read_text(encoding="utf-8")
    library = load_library([source], DEFINES[dtype])
    library.seqline_tape_stride.restype = c_int64
    library.seqline_tape_stride.argtypes = (c_void_p, c_int64, c_int64)
    for function in (
        library.seqline_packed_size,
        library.seqline_forward,
        library.seqline_backward,
    ):
        function.restype, function.argtypes = c_int64, (c_void_p, c_void_p)
    return library


@cache
def openmp() -> int | None:
    """Return the address of the function that runs a team of torch's own threads, if it is there.

    Threads of our own would fight with torch's, which spin a while after each of its operations.
    """
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*"):
        try:
            runner = ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL).GOMP_parallel
        except (OSError, AttributeError):
            continue
        return ctypes.cast(runner, c_void_p).value
    return None

"""The memory of one call in flight and the loop over time in it, replayed as a CUDA graph.

A graph remembers addresses: so each call borrows a session, and one of the same shape is used again
when the call before has given it back. Its first use launches kernel by kernel, the second records.
Buffers are in the order of time. Letters: B batch, T time, H hidden size, S states.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.recurrence.generated.gpu.program import Program, interpreted


@dataclass(frozen=True)
class Size:
    """What a session is made for; `keeps` says that a backward pass follows."""

    B: int
    T: int
    H: int
    device: torch.device
    keeps: bool


class Session:
    """Buffers by the names in the source, and what runs on them."""

    def __init__(self, program: Program, size: Size) -> None:
        self.program, self.plan, self.size = program, program.plan, size
        self.fused = program.fuses(size.H)
        names = ["forward", "backward"] if size.keeps else ["infer"]
        source = program.source(self.fused)
        asked = {"tape", "history", "initial", "states", "lengths"}
        for function, buffers in source.buffers.items():
            if function.rsplit("_", 1)[0] in names or function in names:
                asked.update(buffers)
        for p in range(len(self.plan.products)):
            asked.add(f"W_{p}")
            if not self.fused:
                asked |= {f"operand_{p}", f"product_{p}"}
                asked |= {f"product_grad_{p}", f"operand_grad_{p}"} if size.keeps else set()
        if size.keeps:
            asked |= {"grads", "output_grad", "own_grads"}
        self.buffers = {name: self._buffer(name) for name in sorted(asked)}
        self._graphs: dict[str, Any] = {}

    def _buffer(self, name: str) -> Tensor:
        plan, (B, T, H) = self.plan, (self.size.B, self.size.T, self.size.H)
        S, source = len(plan.equations.states), self.program.source(self.fused)
        kind, _, number = name.rpartition("_")
        gates = len(plan.products[int(number)].gates) if number.isdigit() else 0
        shapes = {
            "tape": (T, B, plan.slots * H),
            "numbers": (T, B, len(plan.numbers)),
            "history": (T + 1, B, H),
            "initial": (S, B, H),
            "states": (2, S, B, H),
            "owns": (len(plan.equations.owns), H),
            "noises": (len(plan.equations.noises), T, B, H),
            "input": (T, B, H),
            "lengths": (B, 1),
            "scratch": (source.scratch, B, H),
            "scratch_numbers": (source.scratch_numbers, B),
            "output_grad": (T, B, H),
            "grads": (2, S, B, H),
            "own_grads": (len(plan.equations.owns), B, H),
            "input_grad": (T, B, H),
            "W": (gates * H, H),
            "operand": (B, H),
            "product": (B, gates * H),
            "product_grad": (B, gates * H),
            "operand_grad": (B, H),
        }
        multiplied = kind in ("W", "operand", "product_grad") and number.isdigit()
        dtype = self.program.product if multiplied else self.program.real
        shape = shapes[kind if number.isdigit() else name]
        dtype = torch.int64 if name == "lengths" else dtype
        return torch.empty(shape, dtype=dtype, device=self.size.device)

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers."""
        return sum(buffer.nbytes for buffer in self.buffers.values())

    def slots(self, first: int, count: int = 1) -> Tensor:
        """Return some slots of the tape, (T·B, count·H)."""
        B, T, H = self.size.B, self.size.T, self.size.H
        return self.buffers["tape"].view(T * B, -1)[:, first * H : (first + count) * H]

    def last(self) -> Tensor:
        """Return the states after the last step, (S, B, H)."""
        return self.buffers["states"][self.size.T % 2]

    def forward(self) -> None:
        """Run all steps; everything that is read stands in the buffers."""
        self._run("forward" if self.size.keeps else "infer", self._forward)

    def backward(self) -> None:
        """Run all steps back; `grads` holds dL/d last states and then dL/d initial states."""
        self._run("backward", self._backward)

    def _run(self, name: str, loop: Callable[[str], None]) -> None:
        if (
            self.fused
            or self.size.device.type != "cuda"
            or interpreted()
            or torch.cuda.is_current_stream_capturing()
        ):
            loop(name)
        elif name not in self._graphs:
            self._graphs[name] = None
            loop(name)
        else:
            if self._graphs[name] is None:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                    loop(name)
                self._graphs[name] = graph
            self._graphs[name].replay()

    def _forward(self, name: str) -> None:
        of, plan = self.buffers, self.plan
        of["history"][0].copy_(of["initial"][0])
        if self.fused:
            self._launch(name, None)
            return
        of["states"][0].copy_(of["initial"])
        parts: list[list[int]] = [[] for _ in range(1 + len(plan.forward_breaks))]
        for p, product in enumerate(plan.products):
            parts[plan.forward_part_of(product)].append(p)
            if product.operand.op == "state":
                of[f"operand_{p}"].copy_(of["initial"][self._state(p)])
        for t in range(self.size.T):
            for part, products in enumerate(parts):
                for p in products:
                    multiply(of[f"operand_{p}"], of[f"W_{p}"].T, of[f"product_{p}"])
                self._launch(f"{name}_{part}", t)

    def _backward(self, name: str) -> None:
        of, plan, T = self.buffers, self.plan, self.size.T
        if self.fused:
            self._launch(name, None)
            return
        of["own_grads"].zero_()
        parts: list[list[int]] = [[] for _ in range(1 + len(plan.backward_breaks))]
        of_states = []
        for p, product in enumerate(plan.products):
            of[f"operand_grad_{p}"].zero_()
            if product.operand.op == "state":
                of_states.append(p)
            elif plan.backward_part_of(p):
                parts[plan.backward_part_of(p)].append(p)
        for t in reversed(range(T)):
            for part, products in enumerate(parts):
                self._multiply_back(products)
                self._launch(f"{name}_{part}", t)
            self._multiply_back(of_states)
        for p in of_states:
            of["grads"][0, self._state(p)].add_(of[f"operand_grad_{p}"])

    def _multiply_back(self, products: Sequence[int]) -> None:
        of = self.buffers
        for p in products:
            multiply(of[f"product_grad_{p}"], of[f"W_{p}"], of[f"operand_grad_{p}"])

    def _state(self, p: int) -> int:
        return self.plan.equations.states.index(str(self.plan.products[p].operand.value))

    def _launch(self, name: str, t: int | None) -> None:
        self.program.launch(name, self.buffers, t, self.size.T, self.size.B, self.size.H)


def multiply(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Write the product of two matrices, summed in the precision of `out`."""
    if a.dtype == out.dtype:
        torch.mm(a, b, out=out)
    elif a.is_cuda:
        torch.mm(a, b, out.dtype, out=out)
    else:
        torch.mm(a.to(out.dtype), b.to(out.dtype), out=out)


class Lease:
    """A session in use, given back when nobody holds it any more."""

    def __init__(self, program: Program, size: Size) -> None:
        self.session = _store.take(program, size)

    def __del__(self) -> None:
        if hasattr(self, "session"):
            _store.give(self.session)


SPARE = 2
"""Sessions waiting for their shape to come again take as much memory as were in use at once."""


class _Store:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.free: list[Session] = []
        self.used = self.most = 0

    def take(self, program: Program, size: Size) -> Session:
        with self.lock:
            fitting = [s for s in self.free if s.program is program and s.size == size]
            if fitting:
                self.free.remove(fitting[0])
        found = fitting[0] if fitting else Session(program, size)
        with self.lock:
            self.used += found.nbytes
            self.most = max(self.most, self.used)
            self._shrink()
        return found

    def give(self, session: Session) -> None:
        with self.lock:
            self.used -= session.nbytes
            self.free.append(session)
            self._shrink()

    def _shrink(self) -> None:
        while self.free and sum(s.nbytes for s in self.free) + self.used > SPARE * self.most:
            self.free.pop(0)


_store = _Store()

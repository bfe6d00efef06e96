"""Tracing: a cell's equations run once on real tensors, every operation of torch noted down.

What torch is asked to do is seen below its own composite functions, so that any of them made of
known operations (`softplus`, `layer_norm`, `lerp`) is known too.
Letters: B batch, I input size, H hidden size.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from seqline_plugins.cell import GatedCell, Parts, Timestep, gate_called
from seqline_plugins.declarations import check_settable, gates_of, new_state, owns_of, place_of
from seqline_plugins.errors import DeclarationError, UserError
from seqline_plugins.gate import blocks_of
from seqline_plugins.recurrence.generated.graph import LEAVES, Equations, Graph, Node
from seqline_plugins.recurrence.generated.operations import OPERATIONS, UntraceableError

ROWS = 2
STRANGER = "a tensor that is neither declared nor computed in the equations"


def trace(cell: GatedCell, input_size: int, hidden_size: int) -> Equations:
    """Return a cell's equations as a graph.

    Raises `UntraceableError`, naming what stands in the way: an operation that is not known, a
    choice that depends on a tensor's values, a tensor that the cell did not declare.
    """
    tracer = _Tracer(cell, input_size, hidden_size, seed=1)
    with tracer.names_noted() as names:
        first = tracer.equations()
    again = _Tracer(cell, input_size, hidden_size, seed=2).equations()
    if first.text() != again.text():
        raise UntraceableError("what is computed depends on a tensor's values")
    return replace(first, names=names)


def try_equations(cell: GatedCell) -> None:
    """Run a cell's equations once on small tensors, whether or not code can be made of them.

    Raises `DeclarationError`, with file and line, for declarations that contradict themselves and
    equations that do not keep to them or fail.
    """
    try:
        owns_of(cell)
        check_settable(cell)
        size = 2 * blocks_of(gates_of(cell))
        _Tracer(cell, size, size, seed=1).equations()
    except UserError:
        raise  # it says what is wrong itself
    except UntraceableError:
        pass
    except Exception as error:  # whatever a plugin's own code raises
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DeclarationError(f"{place_of(cell, 'equations', error)}: {what}") from error


class _Tracer(TorchDispatchMode):
    """Runs the equations on random tensors and keeps the node of each."""

    def __init__(self, cell: GatedCell, input_size: int, hidden_size: int, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cell, self.input_size, self.hidden_size = cell, input_size, hidden_size
        self.graph, self.gates = Graph(), gates_of(cell)
        self.draw = torch.Generator().manual_seed(seed)
        self.node_of: dict[int, tuple[Node, Tensor]] = {}
        self.owns: dict[str, None] = {}
        self.asleep = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say no: torch would import its compiler, which takes a second."""
        return False

    def equations(self) -> Equations:
        state_names = tuple(self.cell.state)
        timestep = self._timestep(state_names)
        with torch.no_grad(), self:
            new = new_state(self.cell, timestep)
        return Equations(
            graph=self.graph,
            gates=tuple(gate.name for gate in self._fed_gates),
            recurrent=tuple(gate.name for gate in self.gates),
            noises=tuple(self.cell.noise),
            states=state_names,
            owns=tuple(self.owns),
            new={name: self._node(new[name]) for name in state_names},
        )

    @contextmanager
    def names_noted(self) -> Iterator[dict[Node, str]]:
        """Note what the local variables of the equations, and of functions beside them, are called.

        They are read when a function returns: the outer one's names, which come last, count.
        """
        code = getattr(inspect.unwrap(type(self.cell).equations), "__code__", None)
        names: dict[Node, str] = {}

        def note(frame: FrameType, event: str, _: Any) -> None:
            ours = code is not None and frame.f_code.co_filename == code.co_filename
            if event != "return" or not ours or frame.f_code.co_name.startswith("<"):
                return
            found: dict[Node, str] = {}
            for name, value in frame.f_locals.items():
                for one, tensor in _named(name, value):
                    node, _ = self.node_of.get(id(tensor), (None, None))
                    if node is not None and node.op not in LEAVES:
                        found.setdefault(node, one)
            names.update(found)

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            yield names
        finally:
            sys.setprofile(before)

    def _timestep(self, states: tuple[str, ...]) -> Timestep:
        names = tuple(gate.name for gate in self.gates)
        state = {name: self._leaf(self.graph.leaf("state", name)) for name in states}
        kept: dict[tuple[str, str], Tensor] = {}

        def once(kind: str, make: Callable[[str], Node]) -> Callable[[str], Tensor]:
            def of(name: str) -> Tensor:
                if (kind, name) not in kept:
                    kept[kind, name] = self._leaf(make(name))
                return kept[kind, name]

            return of

        self._fed_gates = [g for g in self.gates if g.columns(self.input_size, self.hidden_size)]
        noise = once("noise", lambda name: self.graph.leaf("noise", name))
        previous = self.graph.leaf("state", states[0])
        return Timestep(
            x=Parts(names, once("fed", self._fed), "gate"),
            h=Parts(names, once("h", lambda name: self._recurrent(name, previous)), "gate"),
            state=Parts(states, state.__getitem__, "state"),
            own=Parts(tuple(self.cell.own), once("own", self._own), "own parameter"),
            noise=Parts(tuple(self.cell.noise), noise, "noise"),
            input=self._leaf(self.graph.leaf("input"), self.input_size),
            recurrent=lambda name, v: self._leaf(self._recurrent(name, self._node(v))),
        )

    def _fed(self, name: str) -> Node:
        """W_F x + b; the host adds b where no other gate shares W_F, and gives x_t itself."""
        gate = gate_called(name, self.gates)
        owner = gate.shares or name
        if any(one.name == owner for one in self._fed_gates):
            product = self.graph.leaf("fed", owner)
            if not any(one.shares == owner for one in self.gates):
                return product
        else:
            product = self.graph.leaf("input")
        return self.graph.node("add", product, self._own(f"{BIAS}{name}")) if gate.bias else product

    def _own(self, name: str) -> Node:
        self.owns[name] = None
        return self.graph.leaf("own", name)

    def _recurrent(self, name: str, v: Node) -> Node:
        """W_R v by the gate's form, its recurrent bias added."""
        gate = gate_called(name, self.gates)
        owner = gate.shares or name
        if gate.form.name == "none":
            product = self.graph.constant(0)
        elif gate.form.name == "diagonal":
            product = self.graph.node("mul", self._own(f"{DIAGONAL}{owner}"), v)
        else:
            product = self.graph.node("product", v, value=owner)
        if gate.recurrent_bias:
            product = self.graph.node("add", product, self._own(f"{RECURRENT_BIAS}{name}"))
        return product

    def _leaf(self, node: Node, size: int | None = None) -> Tensor:
        size = size or self.hidden_size
        shape = (size,) if node.op == "own" else (ROWS, size)
        self.asleep = True
        value = torch.rand(shape, generator=self.draw, dtype=torch.float64) + 0.1
        self.asleep = False
        self.node_of[id(value)] = (node, value)
        return value

    def _node(self, value: Any) -> Node:
        if isinstance(value, int | float):
            return self.graph.constant(value)
        if not isinstance(value, Tensor):
            raise UntraceableError(f"a {type(value).__name__} among the operands")
        if id(value) in self.node_of:
            node = self.node_of[id(value)][0]
            if node.op == "input" and self.input_size != self.hidden_size:
                raise UntraceableError("x_t itself, whose size is not the hidden size")
            return node
        if value.numel() == 1 and value.dim() == 0:
            return self.graph.constant(float(value))
        raise UntraceableError(STRANGER)

    def __torch_dispatch__(
        self,
        function: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if self.asleep:
            return function(*args, **(kwargs or {}))
        name = str(function.overloadpacket).removeprefix("aten.")
        options = dict(kwargs or {})
        rule = OPERATIONS.get(name)
        if rule is None:
            raise UntraceableError(f"the operation '{name}'")
        if any(isinstance(a, Tensor) and id(a) not in self.node_of and a.dim() for a in args):
            raise UntraceableError(STRANGER)
        given = [self._node(a) if isinstance(a, Tensor) else a for a in args]
        found = rule(self.graph, *given, **options)
        result = function(*args, **options)
        many = result if isinstance(result, tuple | list) else (result,)
        nodes = found if isinstance(found, tuple) else (found,)
        for node, value in zip(nodes, many, strict=True):
            self.node_of[id(value)] = (node, value)
        return result


DIAGONAL, BIAS, RECURRENT_BIAS = "W_R of ", "bias of ", "recurrent bias of "
"""What stands before a gate's name where its weights are a vector, as a parameter of its own is."""


def _named(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of a local variable, or of a mapping by its keys, with their names."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, one in value.items():
            if isinstance(one, Tensor) and str(key).isidentifier():
                yield str(key), one

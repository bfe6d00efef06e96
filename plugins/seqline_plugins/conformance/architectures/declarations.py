"""Checks of what an architecture declares: its kind, its shapes, its cells, its parameters.

Letters: B batch, T time, I features per step, H hidden features.
"""

from __future__ import annotations

from typing import Any

import torch

from seqline_plugins.architecture import Kind
from seqline_plugins.conformance.architectures.reading import read
from seqline_plugins.conformance.subject import ArchitectureSubject, inputs
from seqline_plugins.conformance.verdict import Checks, WrongError
from seqline_plugins.options import slots

CHECKS = Checks()
CELLS: tuple[dict[str, Any], ...] = (
    {"name": "gru"},
    {"name": "peephole_lstm"},
    {"name": "qrnn"},
)
"""Cells with one state, with two and with a window of inputs."""


@CHECKS.add
def kind_is_declared(one: ArchitectureSubject) -> None:
    """`kind` says what goes in and out, in words that tasks know."""
    kind = getattr(one.plugin, "kind", None)
    inputs_known, outputs_known = ("sequence", "entity"), ("aligned", "entity", "sequence")
    if (
        not isinstance(kind, Kind)
        or kind.input not in inputs_known
        or kind.output not in outputs_known
    ):
        raise WrongError(
            f"kind is {kind!r}, expected Kind(input, output) with input one of "
            f"{', '.join(inputs_known)} and output one of {', '.join(outputs_known)}."
        )


@CHECKS.add
def shapes_are_those_of_its_kind(one: ArchitectureSubject) -> None:
    """Outputs are (B, T, H), or (B, H) of an entity, with H = `output_size`; B, T of 1 and odd."""
    for B, T, size in ((1, 1, 1), (3, 5, 2), (5, 1, 7)):
        net = one.build(size)
        output, state = read(one, net, inputs(B, one.steps(T), size))
        written = 5 if one.writes else T
        wanted: tuple[int, ...] = (B, written, net.output_size)
        if one.plugin.kind.output == "entity":
            wanted = (B, net.output_size)
        if output.shape != wanted:
            raise WrongError(
                f"B={B}, T={T}: the output has the shape {tuple(output.shape)}, expected {wanted} "
                f"of {one.plugin.kind.input} → {one.plugin.kind.output} and its output_size."
            )
        bad = [name for name, tensor in state.items() if tensor.shape[:1] != (B,)]
        if bad:
            raise WrongError(
                f"B={B}: the state '{bad[0]}' has the shape {tuple(state[bad[0]].shape)}, expected "
                "the batch's rows first: a search keeps, copies and drops rows."
            )
        given = net.initial_state(B)
        if any(tensor.shape[:1] != (B,) for tensor in given.values()):
            raise WrongError(f"initial_state({B}) must give tensors with {B} rows.")


@CHECKS.add
def cells_come_from_its_slots(one: ArchitectureSubject) -> None:
    """It has a cell slot, and every cell that is put there runs."""
    if "cell" not in slots(one.plugin.Config).values():
        raise WrongError(
            "its Config has no cell slot, so `cell=` changes nothing: declare one, as in "
            'cell: Any = slot("cell", "the cell of every layer"), and build it by RecurrentStack.'
        )
    sizes = {}
    for cell in CELLS:
        net = one.build(cell=cell)
        output, _ = read(one, net, inputs(2, one.steps(4), 3), [one.steps(4), 1])
        if not bool(output.isfinite().all()):
            raise WrongError(f"with cell={cell['name']} the output is not finite.")
        sizes[cell["name"]] = sum(p.numel() for p in net.parameters())
    if len(set(sizes.values())) == 1:
        raise WrongError(
            f"with every cell it has the same {sizes['gru']} parameters: what is put into its "
            "slot is not what it builds."
        )


@CHECKS.add
def every_parameter_learns(one: ArchitectureSubject) -> None:
    """The gradient of every parameter is not zero."""
    net, used = one.build(), dict[str, bool]()
    for seed in range(2):
        net.zero_grad()
        output, _ = read(one, net, inputs(3, one.steps(5), 3, seed))
        places = torch.arange(1, output.numel() + 1, dtype=output.dtype).view_as(output)
        (output * torch.cos(places)).sum().backward()
        for name, parameter in net.named_parameters():
            if parameter.numel():
                learns = parameter.grad is not None and bool(parameter.grad.any())
                used[name] = used.get(name, False) or learns
    idle = [name for name, learns in used.items() if not learns]
    if idle:
        raise WrongError(
            f"{idle[0]} never gets a gradient: nothing of the output depends on it. Use it, or do "
            "not make it."
        )

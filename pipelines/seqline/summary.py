"""The model's parameters as a person checks them: every matrix, and the laws they follow.

A layer's W_F is neurons of the layer × of the layer below, W_R is square, b is one a neuron; a
cell of G gates has G of each, so an LSTM has 4 times and a GRU 3 times the plain RNN's
parameters, and a bidirectional layer twice a layer's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from torch import nn

from seqline.model import Ensemble
from seqline_plugins.cell import GatedCell
from seqline_plugins.gate import Gate
from seqline_plugins.recurrence.layer import RecurrentLayer

WIDTH = 79
"""Characters of a line that no terminal breaks."""


@dataclass(frozen=True)
class Row:
    """One line of the summary: a part, what it is made of, its number of parameters."""

    part: str
    made_of: str
    parameters: int


def summarize(model: nn.Module) -> list[Row]:
    """Return a row for every recurrent layer and direction, and for what else has parameters.

    Of an ensemble's members, which are alike, only the first is told row by row.
    """
    if isinstance(model, Ensemble):
        first, *others = model.members
        again = sum(sum(p.numel() for p in member.parameters()) for member in others)
        return [*summarize(first), Row("other members", f"{len(others)} × the same", again)]
    rows: list[Row] = []
    covered: set[int] = set()
    for name, module in model.named_modules():
        if isinstance(module, RecurrentLayer):
            rows.append(Row(_layer_name(name, module), _describe(module), count(module)))
        elif isinstance(module, nn.Embedding):
            made_of = f"{module.num_embeddings:,} vectors of {module.embedding_dim}"
            rows.append(Row(name, made_of, count(module)))
        elif isinstance(module, nn.Linear):
            rows.append(Row(name, f"{module.in_features} → {module.out_features}", count(module)))
        else:
            continue
        covered |= {id(parameter) for parameter in module.parameters()}
    rest = {
        name: parameter.numel()
        for name, parameter in model.named_parameters()
        if id(parameter) not in covered
    }
    return rows + [Row(name, "", size) for name, size in rest.items()]


def count(module: nn.Module) -> int:
    """Return how many numbers training may change."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def render(rows: list[Row]) -> str:
    """Return the summary as aligned plain text with its total, in lines that a terminal has."""
    total = sum(row.parameters for row in rows)
    table = [("part", "gates × (W_F, W_R, b)", "parameters")]
    others = max(len(row.part) for row in rows) + len(f"  {total:,}  ")
    for row in rows:
        first, *more = _folded(row.made_of, max(24, WIDTH - max(others, len("  parameters  "))))
        table.append((row.part, first, f"{row.parameters:,}"))
        table += [("", text, "") for text in more]
    table.append(("total", "", f"{total:,}"))
    widths = [max(len(line[column]) for line in table) for column in range(3)]
    lines = [
        f"{part:<{widths[0]}}  {made_of:<{widths[1]}}  {number:>{widths[2]}}".rstrip()
        for part, made_of, number in table
    ]
    return "\n".join(lines) + "\n"


def _folded(made_of: str, width: int) -> list[str]:
    """Return a description in lines that are no longer, where its parts allow it."""
    lines: list[str] = []
    for part in made_of.split(" + "):
        if lines and len(lines[-1]) + len(f" + {part}") <= width:
            lines[-1] += f" + {part}"
        else:
            lines.append(f"+ {part}" if lines else part)
    return lines


def _layer_name(name: str, layer: RecurrentLayer) -> str:
    """Return "architecture layer 1 →" for the module architecture.recurrence.layers.0.0."""
    part, _, place = name.partition(".layers.")
    part = part.removesuffix(".recurrence")
    arrow = "←" if layer.backward_in_time else "→"
    number = int(place.split(".")[0]) + 1 if place else 1
    return f"{part} layer {number} {arrow}"


def _describe(layer: RecurrentLayer) -> str:
    """Return "LSTM 4 × (256×128, 256×256, 256)": gates × (W_F, W_R, b), then the cell's own."""
    name, H = type(layer.cell).__name__, layer.hidden_size
    if not isinstance(layer.cell, GatedCell):
        return f"{name}, {H} units"
    kinds = Counter(_matrices(gate, layer.weights.input_size, H) for gate in layer.weights.gates)
    parts = [f"{number} × ({kind})" for kind, number in kinds.items() if kind]
    if layer.cell.own:
        parts.append(f"{len(layer.cell.own)} × {H}")
    return f"{name} {' + '.join(parts)}"


def _matrices(gate: Gate, input_size: int, hidden_size: int) -> str:
    """Return "256×128, 256×256, 256", W_F, W_R and biases; nothing for a gate without numbers."""
    if not gate.parameter_count(input_size, hidden_size):
        return ""
    H = hidden_size
    shared = "shared" if gate.shares is not None else None
    columns = gate.columns(input_size, H)
    fed = f"{H}×{columns}" if columns else shared or "x"
    recurrent = f"{H}×{H}" if gate.form.name == "full" else gate.form.name
    biases = [f"{H}"] * (gate.bias + gate.recurrent_bias)
    return ", ".join([fed, shared or recurrent, *biases])

"""The model summary: every matrix's size, the laws, and a total that is the model's own."""

from __future__ import annotations

from math import prod

import pytest
import torch
from torch import nn

from seqline.summary import Row, count, render, summarize
from seqline_plugins.build import build_architecture


class Network(nn.Module):
    def __init__(self, cell: str, bidirectional: bool) -> None:
        super().__init__()
        self.vectors = nn.Embedding(11, 6)
        choice = {"name": "many_to_many", "cell": {"name": cell}, "hidden_size": 5}
        more = {"num_layers": 2, "bidirectional": bidirectional}
        self.architecture = build_architecture(choice | more, 6)
        self.scores = nn.Linear(self.architecture.output_size, 3)
        self.scale = nn.Parameter(torch.ones(4))


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_every_layer_shows_its_gates_times_its_matrices(cell: str, gates: int) -> None:
    rows = [r for r in summarize(Network(cell, bidirectional=False)) if "layer" in r.part]
    assert [row.part for row in rows] == ["architecture layer 1 →", "architecture layer 2 →"]
    for row, below in zip(rows, (6, 5), strict=True):
        assert row.made_of == f"{cell.upper()} {gates} × (5×{below}, 5×5, 5)"
        assert row.parameters == gates * (5 * below + 5 * 5 + 5)


OTHER_KINDS = {
    "qrnn": ("QRNN 3 × (5×12, none, 5)", "QRNN 3 × (5×10, none, 5)"),
    "sru": (
        "SRU 2 × (5×6, none) + 2 × (5×6, none, 5) + 2 × 5",
        "SRU 1 × (5×5, none) + 2 × (5×5, none, 5) + 2 × 5",
    ),
    "peephole_lstm": (
        "PeepholeLSTM 4 × (5×6, 5×5, 5) + 3 × 5",
        "PeepholeLSTM 4 × (5×5, 5×5, 5) + 3 × 5",
    ),
    "layer_norm_lstm": (
        "LayerNormLSTM 4 × (5×6, 5×5) + 18 × 5",
        "LayerNormLSTM 4 × (5×5, 5×5) + 18 × 5",
    ),
}


def numbers_in(made_of: str) -> int:
    """Return the parameters that a row says it is made of."""
    _, _, terms = made_of.partition(" ")
    total = 0
    for term in terms.split(" + "):
        times, _, sizes = term.partition(" × ")
        each = [size.strip("()").split("×") for size in sizes.split(", ")]
        total += int(times) * sum(prod(map(int, size)) for size in each if size[0].isdigit())
    return total


@pytest.mark.parametrize("cell", OTHER_KINDS)
def test_gates_of_other_kinds_show_matrices_that_add_up(cell: str) -> None:
    rows = [r for r in summarize(Network(cell, bidirectional=False)) if "layer" in r.part]
    assert tuple(row.made_of for row in rows) == OTHER_KINDS[cell]
    for row in rows:
        assert numbers_in(row.made_of) == row.parameters


def test_two_directions_are_two_rows_of_one_size() -> None:
    rows = [r for r in summarize(Network("gru", bidirectional=True)) if "layer" in r.part]
    assert [row.part[-1] for row in rows] == ["→", "←", "→", "←"]
    assert rows[0].parameters == rows[1].parameters == 3 * (5 * 6 + 25 + 5)
    assert rows[2].parameters == rows[3].parameters == 3 * (5 * 10 + 25 + 5)
    assert rows[2].made_of == rows[3].made_of == "GRU 3 × (5×10, 5×5, 5)"


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_total_is_every_parameter_once(bidirectional: bool) -> None:
    model = Network("lstm", bidirectional)
    rows = summarize(model)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert sum(row.parameters for row in rows) == count(model) == total
    assert render(rows).splitlines()[-1].split() == ["total", f"{total:,}"]
    assert [row.parameters for row in rows if row.part == "scale"] == [4]


def test_the_summary_is_aligned_plain_text_of_80_columns() -> None:
    lines = render(summarize(Network("lstm", bidirectional=True))).splitlines()
    assert lines[0].split()[0] == "part" and lines[0].endswith("parameters")
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80


def test_the_summary_keeps_its_figures_beside_what_they_count_in_80_columns() -> None:
    made_of = "Ran 1 × (16×528, none) + 2 × (16×528, 16×16, 16)"
    rows = [Row("architecture layer 1 →", made_of, 25_888), Row("head", "32 → 92", 3_036)]
    lines = render(rows).splitlines()
    assert max(map(len, lines)) < 80
    (layer,) = (line for line in lines if line.startswith("architecture"))
    assert layer.split()[-1] == "25,888"
    assert " ".join(" ".join(lines).split()).count("+ 2 × (16×528, 16×16, 16)") == 1

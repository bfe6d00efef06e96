"""What `seqline plugins show` says of a cell: gates, law, equations, derivative, tape, code.

Letters: I input size, H hidden size.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import Any

from seqline_plugins.cell import GatedCell
from seqline_plugins.declarations import gates_of, parameter_count
from seqline_plugins.gate import Gate, blocks_of

I, H = 64, 128
"""The sizes at which figures are given; H becomes a multiple of the blocks that a form asks for."""

LEGEND = (
    "x.G  W_F x_t, + b if G has one   h.G  W_R h_{t-1}   recurrent(G, v)  W_R v",
    "state  before the step        new  after it       own  the cell's parameters",
)


@dataclass(frozen=True)
class Section:
    """A part of the page: its key in JSON, its title, its lines."""

    key: str
    title: str
    lines: list[str]


def cell_sections(plugin: type[Any], config: Any) -> list[Section]:
    """Return the parts of a cell's page; raises `DeclarationError` as `try_equations` does."""
    if not issubclass(plugin, GatedCell):
        lines = [
            "reference: the plain loop. It is a StepCell, a module of one timestep;",
            "there are no equations over gates from which code could be generated.",
        ]
        return [Section("kernel", "Kernel", lines)]
    from seqline_plugins.recurrence.generated.trace import try_equations

    cell = plugin(config)
    try_equations(cell)
    gates = gates_of(cell)
    return [*_declared(cell, gates), *_generated(cell, hidden_size(gates))]


def hidden_size(gates: tuple[Gate, ...]) -> int:
    """Return H: 128, or the next size that every gate's blocks divide."""
    blocks = blocks_of(gates)
    return -(-H // blocks) * blocks


def _declared(cell: GatedCell, gates: tuple[Gate, ...]) -> list[Section]:
    """Return the gates, states and parameters that a cell declares, and the law they follow."""
    rows = [("gate", "W_F", "W_R", "biases"), *(_row(gate) for gate in gates)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    table = [
        "  ".join(f"{part:<{width}}" for part, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    first, *others = cell.state
    beside = [("state", f"{first} (the output)" + "".join(f", {name}" for name in others))]
    beside += [
        ("own", f"{name}, H numbers{_starts_at(own.init)}") for name, own in cell.own.items()
    ]
    beside += [("noise", f"{name}, 1 with chance {one.chance}") for name, one in cell.noise.items()]
    table += ["", *(f"{kind}  {text}" for kind, text in beside)]
    size = hidden_size(gates)
    law = f"{_law(cell, gates)} = {parameter_count(cell, I, size):,} at I = {I}, H = {size}"
    return [
        Section("gates", "Gates", table),
        Section("parameters", "Parameters of a layer in one direction", [law]),
    ]


def _row(gate: Gate) -> tuple[str, str, str, str]:
    """Return a gate's name, its matrices and its biases."""
    wide = f"{gate.window} I" if gate.window > 1 else "I"
    fed = "x_t; H × I where I ≠ H" if gate.direct else f"H × {wide}"
    recurrent = {
        "none": "none",
        "diagonal": "diagonal, H",
        "block_diagonal": f"{gate.form.blocks} blocks, H/{gate.form.blocks} × H/{gate.form.blocks}",
        "function": "a function of H × H",
    }.get(gate.form.name, "H × H")
    if gate.shares is not None:
        fed = recurrent = f"those of {gate.shares}"
    biases = [f"b{_starts_at(gate.bias_init)}"] * gate.bias + ["b_R"] * gate.recurrent_bias
    return gate.name, fed, recurrent, ", ".join(biases) or "none"


def _starts_at(value: float | None) -> str:
    return "" if value is None else f" (starts at {value:g})"


def _law(cell: GatedCell, gates: tuple[Gate, ...]) -> str:
    """Return the number of parameters as a sum of terms, from the declared forms."""
    counts = Counter({"H I": 0, "H H": 0})
    for gate in gates:
        counts["H I"] += gate.columns(I, hidden_size(gates)) // I
        counts["H"] += gate.bias + gate.recurrent_bias
        if gate.shares is None and gate.form.name != "none":
            blocks = f" / {gate.form.blocks}" if gate.form.name == "block_diagonal" else ""
            counts["H" if gate.form.name == "diagonal" else f"H H{blocks}"] += 1
    counts["H"] = counts.pop("H", 0) + len(cell.own)  # the small ones last
    terms = [f"{n} {term}" if n > 1 else term for term, n in counts.items() if n]
    return " + ".join(terms) or "0"


def _generated(cell: GatedCell, size: int) -> list[Section]:
    """Return what the cell's equations become, and the kernel that serves it on this machine."""
    from seqline_plugins.recurrence import vendor
    from seqline_plugins.recurrence.generated.compiler import (
        CompilerError,
        cache_folder,
        find_compiler,
    )
    from seqline_plugins.recurrence.generated.operations import UntraceableError
    from seqline_plugins.recurrence.generated.plan import make_plan
    from seqline_plugins.recurrence.generated.trace import trace

    layer = f"vendor: torch's {cell.vendor} layer" if vendor.refusal(cell) is None else ""
    otherwise = layer or "reference: the plain loop"
    only = ""
    try:
        try:
            plan = make_plan(trace(cell, I, size))
        except UntraceableError as reason:
            plan = make_plan(trace(cell, size, size))
            only = f"where I = H; elsewhere {otherwise}, because of {reason}"
    except UntraceableError as reason:
        lines = [otherwise, f"No code is generated: {reason}."]
        return [Section("kernel", "Kernel", lines)]
    try:
        lines = ["generated: the code below, on a processor in float32 and float64", only]
        lines.append(f"compiled at first use by {find_compiler().path}")
        lines.append(f"kept in {cache_folder()}")
        lines.append(f"elsewhere {otherwise}")
    except CompilerError as reason:
        lines = [otherwise, f"The code below is not compiled: {reason}."]
    kernel = Section("kernel", "Kernel", [line for line in lines if line])
    return [kernel, *_text_of(plan, size)]


def _text_of(plan: Any, size: int) -> list[Section]:
    """Return equations, derivative, what is kept, and code."""
    from seqline_plugins.recurrence.generated.notation import read, wrapped
    from seqline_plugins.recurrence.generated.source import write_source

    reading = read(plan)
    numbers = plan.slots * size + len(plan.numbers)
    products = sum(len(product.gates) for product in plan.products)
    beside = f" and {_count(len(plan.numbers), 'number')}" if plan.numbers else ""
    memory = [
        *wrapped(f"kept         {', '.join(reading.kept) or 'nothing'}", " " * 13),
        *wrapped(f"made again   {', '.join(reading.repeated) or 'sums and products'}", " " * 13),
        f"slots        {_count(plan.slots, 'vector')} of H{beside} a token; the derivatives take",
        "             the places of what they were made from",
        f"bytes        {4 * numbers:,} a token in float32 at H = {size}, beside the output",
        f"a step       W_R of {_count(products, 'gate')} in"
        f" {_count(len(plan.products), 'product')};",
        f"             {_count(plan.forward_passes, 'pass', 'passes')} over the units forward,"
        f" {plan.backward_passes} backward",
    ]
    return [
        Section(
            "equations", "Equations of one timestep, as traced", [*LEGEND, "", *reading.equations]
        ),
        Section("derivative", "Derivative (d y is dL/dy, the loss by y)", reading.derivative),
        Section("tape", "Kept from forward to backward", memory),
        Section(
            "source",
            "Code (C++; the loop over time and the products are the host's)",
            _narrow(write_source(plan).text),
        ),
    ]


def _count(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _narrow(source: str) -> list[str]:
    """Return the source for 80 columns: indented by two, long lines broken, infer left out."""
    parts = source.split('\nextern "C" void ')
    shown = [parts[0], *(f'extern "C" void {p}' for p in parts[1:] if not p.startswith("infer"))]
    lines = []
    for line in "\n".join(part.strip() + "\n" for part in shown).splitlines():
        text = line.lstrip()
        indent = " " * ((len(line) - len(text)) // 2)
        lines += textwrap.wrap(
            text,
            80,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return [*lines, "// infer_0 …: as forward_0 …, but nothing goes onto the tape"]

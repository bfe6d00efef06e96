"""Engine and generated code under sanitizers: no stray access, nothing undefined, no race."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from seqline_plugins.build import build_cell
from seqline_plugins.cell import GatedCell
from seqline_plugins.declarations import gates_of
from seqline_plugins.recurrence.generated.compiler import NATIVE, find_compiler
from seqline_plugins.recurrence.generated.library import Library, ProgramFields
from seqline_plugins.recurrence.generated.plan import Plan, make_plan
from seqline_plugins.recurrence.generated.source import write_source
from seqline_plugins.recurrence.generated.trace import trace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FLAGS = "-std=c++17 -O1 -g -march=native -ffp-contract=fast -D_GLIBCXX_ASSERTIONS -Wno-psabi"
CELLS: list[tuple[dict[str, Any], bool]] = [  # and whether to trace it with I = H
    ({"name": "rnn", "nonlinearity": "relu"}, False),
    ({"name": "lstm"}, False),
    ({"name": "gru", "reset_after": False, "recurrent_bias": True}, False),
    ({"name": "layer_norm_lstm"}, False),
    ({"name": "sru"}, True),
    ({"name": "mixed"}, True),
    ({"name": "sharing"}, False),
    ({"name": "zoneout"}, False),
    ({"name": "ind_rnn"}, False),
]
SHAPES = [  # B, T, I, H, lengths
    (1, 1, 1, 1, []),
    (3, 5, 3, 4, [5, 0, 2]),
    (5, 9, 6, 22, [9, 3, 4, 1, 9]),
    (2, 3, 40, 34, []),
    (17, 6, 20, 70, [6, 1, 2, 3, 6, 0, 5, 5, 4, 3, 2, 1, 0, 6, 6, 2, 1]),
    (16, 5, 7, 64, []),
    (3, 100, 5, 33, [100, 63, 99]),
    (2, 3, 1100, 6, [3, 2]),
    (3, 400, 2100, 70, [400, 150, 400]),  # some units and rows at a time
    (2, 4, 3, 8, [0, 0]),
    (0, 4, 3, 8, []),
]


class Unbuilt(Library):
    """A cell's program as the engine reads it, its passes not compiled."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.source, self._keep = plan, write_source(plan), []
        self.program = self._program(self.source)

    def _functions(self, name: str, count: int) -> Any:
        return (ctypes.c_void_p * count)()


def cell_of(choice: dict[str, Any]) -> GatedCell:
    cell = build_cell(choice, 8, 8)
    assert isinstance(cell, GatedCell)
    return cell


def listed(name: str, kind: str, values: list[Any]) -> str:
    inside = ", ".join(map(str, values)) or "0"
    return f"static const {kind} {name}[] = {{{inside}}};\n"


def program_of(name: str, library: Unbuilt) -> str:
    """Return the C++ of a library's passes and program, as Python hands it to the engine."""
    program = library.program
    text = re.sub(r'extern "C" void (?=\w+_\d)', f"static void {name}_", library.source.text)
    products = []
    for p in range(program.products):
        one = program.product[p]
        slots = [one.grad_slots[g] for g in range(one.gates)]
        text += listed(f"{name}_grad_slots_{p}", "int64_t", slots)
        numbers = [one.gates, one.state, one.forward_part, one.backward_part, one.operand_slot]
        products.append(f"{{{', '.join(map(str, numbers))}, {name}_grad_slots_{p}}}")
    if products:
        text += listed(f"{name}_products", "Product", products)
    state_slots = [program.state_slots[s] for s in range(program.states)]
    text += listed(f"{name}_state_slots", "int64_t", state_slots)
    for part in ("forward", "infer", "backward"):
        count = program.backward_parts if part == "backward" else program.forward_parts
        functions = [f"{name}_{part}_{number}" for number in range(count)]
        text += listed(f"{name}_{part}", "Pass", functions)
    pointers = {
        "state_slots": f"{name}_state_slots",
        "product": f"{name}_products" if products else "nullptr",
        **{part: f"{name}_{part}" for part in ("forward", "infer", "backward")},
    }
    fields = [
        pointers.get(field) or str(getattr(program, field)) for field, _ in ProgramFields._fields_
    ]
    return text + f"static const Program {name}_program = {{{', '.join(fields)}}};\n"


@pytest.fixture(scope="module")
def source(odd_cells: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write one program of engine, cells and driver."""
    text, cells = '#include "engine.cpp"\n', []
    for choice, square in CELLS:
        cell, name = cell_of(choice), choice["name"]
        plan = make_plan(trace(cell, 8 if square else 5, 8))
        text += program_of(name, Unbuilt(plan))
        bias = any(gate.bias for gate in gates_of(cell) if gate.name in plan.equations.gates)
        flags = f"{str(square).lower()}, {str(bias).lower()}"
        cells.append(f'{{"{name}", &{name}_program, {flags}}}')
    text += '#include "sanitized_driver.h"\n'
    shapes = str(SHAPES).translate(str.maketrans("([])", "{{}}"))[1:-1]
    text += f"int main() {{ return run_all({{{', '.join(cells)}}}, {{{shapes}}}); }}\n"
    path = tmp_path_factory.mktemp("sanitized") / "cells.cpp"
    path.write_text(text, encoding="utf-8")
    return path


def run(source: Path, sanitizers: str, real: str = "float") -> None:
    built = source.with_name(f"cells-{sanitizers.replace(',', '-')}-{real}")
    command = [find_compiler().path, *FLAGS.split(), f"-fsanitize={sanitizers}", f"-DREAL={real}"]
    command += ["-fno-sanitize-recover=all", f"-I{NATIVE}", f"-I{Path(__file__).parent}"]
    command += [str(source), "-o", str(built), "-pthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"cannot find .*(asan|ubsan|tsan)", done.stderr):
        pytest.skip(f"the compiler has no runtime for {sanitizers}")
    assert done.returncode == 0, done.stderr[-4000:]
    still = shutil.which("setarch")  # a sanitizer's memory may not fit beside random addresses
    start = [still, "-R"] if still else []
    done = subprocess.run([*start, str(built)], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip(f"{sanitizers}: does not run in this machine's address space")
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
    assert done.stdout == f"{len(CELLS)} cells, {len(SHAPES)} shapes\n"


@pytest.mark.parametrize("real", ["float", "double"])
def test_no_stray_access_and_nothing_undefined(source: Path, real: str) -> None:
    run(source, "address,undefined", real)


def test_no_two_threads_meet(source: Path) -> None:
    run(source, "thread")


def test_what_is_wrong_is_found(tmp_path: Path) -> None:
    text = (
        '#include "engine.cpp"\nint main(int n, char**) { seqline::Room room; room.reserve(64);\n'
    )
    text += "float* p = room.take<float>(16); return (int)p[5000 * n]; }\n"
    path = tmp_path / "cells.cpp"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match="heap-buffer-overflow"):
        run(path, "address,undefined")

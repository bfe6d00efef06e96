"""Compiles a cell's Triton kernels for a GPU that need not be there.

Arguments: the cell as JSON, H, the precision of products, fused or stepwise, the GPU's capability.
Prints, of every kernel, its name and the bytes of shared memory that it asks for.
"""

import json
import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from seqline_plugins.build import build_cell
from seqline_plugins.recurrence.generated.gpu.program import Program
from seqline_plugins.recurrence.generated.plan import make_plan
from seqline_plugins.recurrence.generated.trace import trace

TYPES = {torch.float32: "*fp32", torch.float64: "*fp64", torch.bfloat16: "*bf16"}
MULTIPLIED = ("W", "operand", "product_grad")


def main(cell, hidden_size, dtype, fused, capability):
    plan = make_plan(
        trace(build_cell(json.loads(cell), hidden_size, hidden_size), hidden_size, hidden_size),
        reads_output=False,
    )
    program = Program(plan, getattr(torch, dtype))
    assert program.fuses(hidden_size) or not fused
    source, kernels = program._fused if fused else program._stepwise
    rows, units, warps = program.tile(hidden_size, fused=fused)
    constants = program.constants(hidden_size, rows, units)
    for name, kernel in kernels.items():
        types = {"lengths": "*i64", "t": "i32", "T": "i32", "B": "i32"}
        types |= dict.fromkeys(constants, "constexpr")
        for buffer in source.buffers[name]:
            kind, _, number = buffer.rpartition("_")
            multiplied = kind in MULTIPLIED and number.isdigit()
            types.setdefault(buffer, TYPES[program.product if multiplied else program.real])
        signature = {name: types[name] for name in kernel.arg_names}
        compiled = triton.compile(
            ASTSource(kernel, signature=signature, constexprs=constants),
            target=GPUTarget("cuda", capability, 32),
            options={"num_warps": warps},
        )
        assert compiled.asm["cubin"]
        sys.stdout.write(f"{name} {compiled.metadata.shared}\n")


if __name__ == "__main__":
    cell, hidden_size, dtype, fused, capability = sys.argv[1:]
    main(cell, int(hidden_size), dtype, fused == "fused", int(capability))

"""How long a cell's kernel takes to be there: compiled into an empty cache, and found in it later.

Every gated cell that is installed, each in a process that has run it by the reference loop. What
counts is the first call of its generated kernel, forward and backward, less the second: tracing,
the derivative, the source, the compiler or the cache, checksums and loading. Into the empty cache
the engine that all cells share is compiled too.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from measure import Figure, arguments, conclude, machine_state, median

SHAPE = (4, 8, 32, 64)
"""(B, T, I, H): small, so that a call itself takes next to nothing."""


def gated_cells():
    """Return the names of the installed cells that code is generated for."""
    from seqline_plugins.cell import GatedCell
    from seqline_plugins.discovery import installed, load

    return [name for name in sorted(installed("cell")) if issubclass(load("cell", name), GatedCell)]


def start_of(cell):
    """Return the seconds that the first call of a cell takes more than its second, here."""
    import torch

    from seqline_plugins import RecurrentStack

    B, T, I, H = SHAPE

    def call(stack):
        started = time.perf_counter()
        output, _ = stack(torch.randn(B, T, I))
        output.sum().backward()
        return time.perf_counter() - started

    call(RecurrentStack({"name": cell}, I, H, kernel="reference"))
    started = time.perf_counter()
    stack = RecurrentStack({"name": cell}, I, H, kernel="generated")
    made = time.perf_counter() - started
    return made + call(stack) - call(stack)


def in_a_process(cell, cache):
    command = [sys.executable, __file__, "--cell", cell]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"SEQLINE_KERNELS": cache},
    )
    return json.loads(done.stdout)


def main():
    parser = arguments(__doc__, "kernel_start", overrides=False)
    parser.add_argument("--runs", type=int, default=5, help="later starts of each cell")
    parser.add_argument("--cell", help="only this one, here: what the processes are asked")
    given = parser.parse_args()
    if given.cell:
        json.dump(start_of(given.cell), sys.stdout)
        return
    before, first, later = machine_state(), {}, {}
    for cell in gated_cells():
        with tempfile.TemporaryDirectory() as cache:
            first[cell] = in_a_process(cell, cache)
            later[cell] = [in_a_process(cell, cache) for _ in range(given.runs)]
        print(f"{cell}: {first[cell]:.1f} s, later {median(later[cell]):.3f} s", file=sys.stderr)
    slowest = max(first, key=first.get)
    last = max(later, key=lambda cell: median(later[cell]))
    rows = [
        Figure(
            f"compiled, the slowest of {len(first)} cells ({slowest})",
            first[slowest],
            15,
            "<=",
            " s",
        ),
        Figure("compiled, median of the cells", median(list(first.values())), unit=" s"),
        Figure(
            f"from the cache, the slowest cell ({last})",
            1000 * median(later[last]),
            50,
            "<=",
            " ms",
        ),
        Figure(
            "from the cache, median of the cells",
            1000 * median([median(times) for times in later.values()]),
            unit=" ms",
        ),
    ]
    details = {"compiled": first, "from the cache": later}
    conclude("Start of a kernel", rows, details, given.out, before)


if __name__ == "__main__":
    main()

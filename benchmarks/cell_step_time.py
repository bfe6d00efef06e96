"""A training step of each cell beside the built-in lstm's at equal parameters, by the same host.

One layer, batch first, forward and backward of all weights and of the input, float32, one thread.
Each cell gets the multiple of 8 units, as people choose them, with which it has most nearly the
lstm's number of parameters. The two take turns in one process, and the figure is the ratio of their
medians. The bar is for the
fourteen cells that prove the contract; the other cells are shown beside them.
"""

from __future__ import annotations

import bisect
import json
import sys
import time

from measure import Figure, arguments, conclude, machine_state, median

FOURTEEN = (
    "mgu", "sru", "qrnn", "ind_rnn", "li_gru", "peephole_lstm", "cifg", "layer_norm_lstm",
    "min_gru", "min_lstm", "ugrnn", "fast_grnn", "antisymmetric_rnn", "slstm",
)  # fmt: skip
BAR = 1.2
UNITS = 8


def parameters_of(cell, I, H):
    """Return how many parameters a layer has, None where the cell refuses the size."""
    from seqline_plugins import RecurrentStack
    from seqline_plugins.errors import UserError

    try:
        stack = RecurrentStack({"name": cell}, I, H)
    except (UserError, ValueError):
        return None
    return sum(p.numel() for p in stack.parameters())


def equal_size(cell, I, wanted):
    """Return the hidden size with which a cell has most nearly so many parameters."""
    sizes = range(UNITS, 2 * wanted // I, UNITS)
    place = bisect.bisect_left(sizes, wanted, key=lambda n: parameters_of(cell, I, n) or 0)
    near = {n: parameters_of(cell, I, n) for n in sizes[max(0, place - 1) : place + 1]}
    return min((n for n in near if near[n]), key=lambda n: abs(near[n] - wanted))


def step_of(cell, B, T, I, H):
    """Return a training step of one layer, and the layer."""
    import torch

    from seqline_plugins import RecurrentStack

    torch.manual_seed(0)
    stack = RecurrentStack({"name": cell}, I, H)
    x, gradient = torch.randn(B, T, I, requires_grad=True), torch.randn(B, T, H)

    def step():
        for tensor in (*stack.parameters(), x):
            tensor.grad = None
        stack(x)[0].backward(gradient)

    return step, stack


def measure(cell, shape, calls):
    """Return the seconds of both sides, call by call, and what the cell was."""
    B, T, I, H = shape
    wanted = parameters_of("lstm", I, H)
    size = equal_size(cell, I, wanted)
    (own, stack), (ours, _) = step_of(cell, B, T, I, size), step_of("lstm", *shape)
    seconds = {"cell": [], "lstm": []}
    for number in range(calls + 2):  # the first two warm up and compile
        for name, step in (("cell", own), ("lstm", ours)) if number % 2 else (
            ("lstm", ours), ("cell", own)
        ):  # fmt: skip
            started = time.perf_counter()
            step()
            if number >= 2:
                seconds[name].append(time.perf_counter() - started)
    return {
        "hidden_size": size,
        "parameters": sum(p.numel() for p in stack.parameters()),
        "parameters_of_lstm": wanted,
        "kernel": "+".join(sorted(stack.served)),
        "seconds": seconds,
        "ratio": median(seconds["cell"]) / median(seconds["lstm"]),
    }


def main():
    import torch

    from seqline_plugins.discovery import installed

    parser = arguments(__doc__, "cell_step_time", overrides=False)
    parser.add_argument("--shape", type=int, nargs=4, default=[32, 64, 128, 256],
                        metavar=("B", "T", "I", "H"))  # fmt: skip
    parser.add_argument("--calls", type=int, default=9)
    others = sorted(set(installed("cell")) - {*FOURTEEN, "lstm"})
    parser.add_argument("--cells", nargs="+", default=[*FOURTEEN, *others])
    given = parser.parse_args()
    torch.set_num_threads(1)
    before, details, figures = machine_state(), {}, []
    for cell in given.cells:
        found = details[cell] = measure(cell, given.shape, given.calls)
        what = f"{cell} of {found['hidden_size']} ({found['kernel']}) ÷ lstm of {given.shape[3]}"
        figures.append(Figure(what, found["ratio"], BAR if cell in FOURTEEN else None, "<="))
        print(json.dumps({cell: found["ratio"]}), file=sys.stderr)
    conclude("A training step of each cell", figures, details, given.out, before)


if __name__ == "__main__":
    main()

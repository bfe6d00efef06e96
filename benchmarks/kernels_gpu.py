"""The generated Triton kernels beside cuDNN and FlashRNN. Needs an NVIDIA GPU.

Shapes are (B, T, I, H); one LSTM layer, forward and backward of all weights and the input, products
in bfloat16 (autocast). The sides take turns, and a figure is a ratio of medians. FlashRNN takes
part where it is installed (`pip install flashrnn`), with an input projection, as the others.
"""

import random
import time

import torch
from measure import Figure, arguments, conclude, machine_state, median
from torch import nn

SHAPES = {(32, 512, 256, 256): 1.0, (128, 512, 1024, 1024): 1.2}
"""What our LSTM may take, cuDNN's being 1."""
OF_FLASHRNN = 1.0


class Ours(nn.Module):
    def __init__(self, I, H):
        super().__init__()
        from seqline_plugins import RecurrentStack

        self.layer = RecurrentStack({"name": "lstm"}, I, H, kernel="generated")

    def forward(self, x):
        return self.layer(x)[0]


class CuDNN(nn.Module):
    def __init__(self, I, H):
        super().__init__()
        self.layer = nn.LSTM(I, H, batch_first=True)

    def forward(self, x):
        return self.layer(x)[0]


class FlashRNN(nn.Module):
    def __init__(self, I, H):
        super().__init__()
        from flashrnn import flashrnn

        self.run, self.project = flashrnn, nn.Linear(I, 4 * H, bias=False)
        self.R = nn.Parameter(torch.randn(4, 1, H, H, dtype=torch.bfloat16) / H**0.5)
        self.b = nn.Parameter(torch.zeros(4, 1, H, dtype=torch.bfloat16))

    def forward(self, x):
        B, T, H = *x.shape[:2], self.b.shape[2]
        fed = self.project(x).view(B, T, 4, 1, H).to(torch.bfloat16)
        initial = fed.new_zeros(2, B, 1, 1, H)
        states, _ = self.run(
            fed, self.R, self.b, states=initial, function="lstm", backend="cuda_fused"
        )
        return states[0].view(B, T, H)


def seconds(side, x):
    """Return how long a training step takes."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    with torch.autocast("cuda", torch.bfloat16):
        output = side(x)
    output.float().sum().backward()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def measure(shape, rounds):
    """Return the seconds of each side, and why a side is missing."""
    B, T, I, H = shape
    x = torch.randn(B, T, I, device="cuda", requires_grad=True)
    sides, missing = {}, {}
    for side in (Ours, CuDNN, FlashRNN):
        try:
            sides[side.__name__] = side(I, H).cuda()
        except ImportError as reason:
            missing[side.__name__] = str(reason)
    for side in sides.values():  # compiles, and records graphs
        for _ in range(3):
            seconds(side, x)
    times = {name: [] for name in sides}
    for _ in range(rounds):
        for name in random.sample(list(sides), len(sides)):
            times[name].append(seconds(sides[name], x))
    return times, missing


def main():
    parser = arguments(__doc__, "kernels_gpu", overrides=False)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.exit(1, "kernels_gpu.py needs an NVIDIA GPU; torch finds none here.\n")
    before, figures, details = machine_state(), [], {"gpu": torch.cuda.get_device_name()}
    for shape, bar in SHAPES.items():
        times, missing = measure(shape, options.rounds)
        details[str(shape)] = times
        for peer, most in (("CuDNN", bar), ("FlashRNN", OF_FLASHRNN)):
            what = f"lstm ÷ {peer}'s at {shape}, {details['gpu']}"
            if peer in missing:
                figures.append(Figure(f"{what} ({missing[peer]})", None, most, "<="))
                continue
            ratio = median(times["Ours"]) / median(times[peer])
            figures.append(Figure(what, ratio, most, "<="))
    conclude("Kernels on a GPU", figures, details, options.out, before)


if __name__ == "__main__":
    main()

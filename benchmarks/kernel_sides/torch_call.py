"""One call of a torch layer, as every side in torch makes it.

Letters: B batch, T time, I input size, H hidden size.
"""

import torch


class Inputs:
    """The tensors of a call: the input (B, T, I), lengths (B,) and the output's gradient."""

    def __init__(self, side):
        B, T, I, H = side["shape"]
        torch.manual_seed(0)
        self.x = torch.randn(B, T, I)
        self.lengths = None
        self.gradient = torch.randn(B, T, H)
        if side["lengths"]:
            self.lengths = torch.tensor(side["lengths"])
            self.gradient *= (torch.arange(T) < self.lengths.unsqueeze(1)).unsqueeze(-1)
        self.precision = side["precision"]
        if side["trains"]:
            self.x.requires_grad_()

    def autocast(self):
        return torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16")


def make_call(layer, run, inputs, trains):
    """Return a call of `run`, which gives (B, T, H); with the backward pass if it trains."""
    parameters = [*layer.parameters(), inputs.x]

    def infer():
        with torch.no_grad(), inputs.autocast():
            run()

    def train():
        for parameter in parameters:
            parameter.grad = None
        with inputs.autocast():
            output = run()
        output.backward(inputs.gradient.to(output.dtype))

    return train if trains else infer


def count_parameters(layer):
    return sum(parameter.numel() for parameter in layer.parameters())

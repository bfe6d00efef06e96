"""torch's own layers, for the cells that name one with the same equations and gate order.

The layers know no lengths, short of packing, which makes them several times slower. Here the
batch stays padded: outputs past the end are zeroed and the last state is read where each row
ends. An LSTM's second state c is not among the outputs, so it is made to stand still over the
padding: one more input, 1 on the padding, closes the input gate and opens the forget gate.
Letters: B batch, T time, I input size, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqline_plugins.cell import GatedCell, StepCell
from seqline_plugins.recurrence.weights import GateWeights

State = dict[str, Tensor]

LAYERS: dict[str, Callable[..., Any]] = {
    "rnn_tanh": torch.rnn_tanh,
    "rnn_relu": torch.rnn_relu,
    "gru": torch.gru,
    "lstm": torch.lstm,
}
SATURATED = 1e4  # sigmoid(±1e4) is 1 or 0 exactly, in every precision


def refusal(cell: GatedCell | StepCell) -> str | None:
    """Say why torch's layers cannot serve this cell, or None where they can."""
    if isinstance(cell, StepCell):
        return "it is a StepCell, which has no kernels"
    if cell.vendor is None:
        return "torch has no layer with its equations"
    return None


def run_vendor(
    cell: GatedCell,
    weights: GateWeights,
    x: Float[Tensor, "B T I"],
    lengths: Int[Tensor, "B"] | None,
    state: State,
) -> tuple[Float[Tensor, "B T H"], State]:
    """Run the layer that the cell names; equal to the reference loop."""
    assert cell.vendor is not None  # the choice of kernel asked `refusal`
    is_lstm = cell.vendor == "lstm"
    input_weight: Tensor = weights.W_F
    padding = None if lengths is None else _padding(lengths, x.shape[1])
    if is_lstm and padding is not None:
        x = torch.cat([x, padding.unsqueeze(-1).to(x.dtype)], dim=-1)
        input_weight = torch.cat([input_weight, _standstill(weights)], dim=1)
    flat = [input_weight, weights.W_R, weights.bias_of_all(), weights.recurrent_bias_of_all()]
    initial = [tensor.unsqueeze(0).contiguous() for tensor in state.values()]
    run = LAYERS[cell.vendor]
    output, *last = run(
        x, initial if is_lstm else initial[0], flat, True, 1, 0.0, weights.training, False, True
    )
    final = [tensor.squeeze(0) for tensor in last]
    if padding is not None and lengths is not None:
        output = output.masked_fill(padding.unsqueeze(-1), 0)
        final[0] = _last_output(output, lengths, next(iter(state.values())))
    return output, dict(zip(state, final, strict=True))


def _padding(lengths: Int[Tensor, "B"], steps: int) -> Tensor:
    return torch.arange(steps, device=lengths.device) >= lengths.unsqueeze(-1)


def _standstill(weights: GateWeights) -> Tensor:
    """Return the weights (4H, 1) of the extra input, in torch's order of gates i, f, g, o."""
    H = weights.hidden_size
    column = weights.W_F.new_zeros(4 * H, 1)
    column[:H], column[H : 2 * H] = -SATURATED, SATURATED
    return column


def _last_output(output: Tensor, lengths: Tensor, initial: Tensor) -> Tensor:
    """Return each row's output at its last step, or its initial one where it has no step."""
    place = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, output.shape[-1])
    last = output.gather(1, place.to(output.device)).squeeze(1)
    return torch.where((lengths > 0).unsqueeze(-1), last, initial.to(last.dtype))

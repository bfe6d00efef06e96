"""A decoder that goes step by step makes its weights' gradients once: those of all its steps."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from seqline_plugins.architectures.encoder_decoder import EncoderDecoder, decoder
from seqline_plugins.build import build_architecture

B, S, U, SIZE = 5, 19, 6, 12
CELLS = ["gru", "lstm", "mgu", "layer_norm_lstm", "ind_rnn", "qrnn", "slstm", "clockwork_rnn"]
KINDS: dict[str, dict[str, Any]] = {
    "additive": {"attention": "additive", "input_feeding": True},
    "covering": {"attention": "additive", "coverage": True, "copy": True},
    "both": {"attention": "additive", "coverage": True, "input_feeding": True},
    "general": {"attention": "general", "input_feeding": True},
    "dot": {"attention": "dot", "input_feeding": True, "decoder": {"hidden_size": 74}},
    "first": {"input_feeding": True, "attend_from": "first", "decoder": {"num_layers": 2}},
}


def architecture(cell: str, kind: str) -> EncoderDecoder:
    torch.manual_seed(0)
    options = {"hidden_size": 37, "input_dropout": 0.0, "output_dropout": 0.0, **KINDS[kind]}
    for part in ("encoder", "decoder"):
        options[part] = {**options.get(part, {}), "cell": {"name": cell}}
    built = build_architecture({"name": "encoder_decoder", **options}, SIZE, fed_size=SIZE)
    assert isinstance(built, EncoderDecoder)
    return built.double()


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(1)
    source, target = (
        torch.randn(B, n, SIZE, generator=draw, dtype=torch.float64).requires_grad_()
        for n in (S, U)
    )
    return source, torch.tensor([19, 3, 1, 16, 8]), target, torch.tensor([6, 2, 5, 1, 6])


def losses(model: EncoderDecoder) -> tuple[list[Tensor], list[Tensor]]:
    """Return two losses of all outputs and weights, and all that has a gradient."""
    source, source_lengths, target, lengths = inputs()
    state = model.encode(source, source_lengths)
    found = model.attend(target, lengths, state)
    draw = torch.Generator().manual_seed(2)
    parts = [found.hidden, found.weights, *([] if found.gate is None else [found.gate])]
    two = [
        sum(
            (part * torch.randn(part.shape, generator=draw, dtype=torch.float64)).sum()
            for part in parts
        )
        for _ in range(2)
    ]
    return two, [source, target, *model.parameters()]  # type: ignore[return-value]


def gradients(of: list[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(one) if one.grad is None else one.grad for one in of]


@pytest.mark.parametrize(
    ("cell", "kind"), [*((cell, "both") for cell in CELLS), *(("gru", kind) for kind in KINDS)]
)
def test_gradients_are_those_of_each_step(
    cell: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = architecture(cell, kind)
    found = []
    for way in (decoder.StepsTogether, nullcontext):
        monkeypatch.setattr(decoder, "StepsTogether", way)
        model.zero_grad()
        (one, other), of = losses(model)
        torch.autograd.grad(other, of[:1], retain_graph=True)  # its leavings are nobody's
        one.backward(retain_graph=True)
        other.backward()
        found.append(gradients(of))
    assert all(bool(grad.any()) for grad in found[1][:2])
    for mine, each in zip(*found, strict=True):
        torch.testing.assert_close(mine, each, atol=1e-10, rtol=1e-10)


def test_there_is_no_gradient_of_a_gradient() -> None:
    model = architecture("gru", "additive")
    (loss, _), of = losses(model)
    with pytest.raises(RuntimeError, match=r"differentiate twice|gradient of a gradient"):
        torch.autograd.grad(loss, of[0], create_graph=True)[0].sum().backward()

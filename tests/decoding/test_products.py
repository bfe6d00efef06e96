"""Products and choices whose rows know nothing of their mates are what they say they are."""

from __future__ import annotations

import math
from contextlib import nullcontext

import pytest
import torch

from seqline_plugins.linear import log_softmax, product
from seqline_plugins.recurrence.generated import rows

pytestmark = pytest.mark.debian("g++")

SHAPES = [(1, 1, 1), (3, 37, 21), (64, 256, 500), (129, 70, 33), (300, 64, 130)]
KINDS = {"64": torch.float64, "32": torch.float32, "bf16": torch.bfloat16}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_product_is_that_of_its_rounded_factors(kind: str, shape: tuple[int, int, int]) -> None:
    R, I, O = shape
    draw = torch.Generator().manual_seed(0)
    numbers = torch.float64 if kind == "64" else torch.float32
    x, weight, bias = (
        torch.randn(*size, generator=draw).to(numbers) for size in ((R, I), (O, I), (O,))
    )
    half = torch.autocast("cpu", torch.bfloat16) if kind == "bf16" else nullcontext()
    with torch.inference_mode(), half:
        assert rows.serves(x, weight, bias)
        found = product(x, weight, bias)
        one_by_one = torch.cat([product(row, weight, bias) for row in x.split(1)])
    exact = x.to(KINDS[kind]).double() @ weight.to(KINDS[kind]).double().T + bias.double()
    assert found.dtype == numbers
    bound = 1e-13 if kind == "64" else 1e-5
    assert (found.double() - exact).abs().max() <= bound * (1 + exact.abs().max())
    assert torch.equal(found, one_by_one)


@pytest.mark.parametrize("numbers", [torch.float32, torch.float64])
@pytest.mark.parametrize("choices", [1, 15, 16, 129, 8001])
def test_the_softmax_and_the_best_are_torchs(choices: int, numbers: torch.dtype) -> None:
    draw = torch.Generator().manual_seed(choices)
    scores = 5 * torch.randn(13, choices, generator=draw).to(numbers)
    scores[1] = -1e30
    scores[2, choices // 2] = 1e4
    scores[3, : choices // 2] = -math.inf
    count = min(10, choices)
    with torch.inference_mode():
        exact = scores.double().log_softmax(dim=-1)
        found = log_softmax(scores.clone())
        values, places = rows.best(found, count)
    assert torch.allclose(found.double(), exact, rtol=1e-6, atol=1e-5)
    assert torch.equal(values, found.topk(count, dim=1).values)
    assert torch.equal(found.gather(1, places), values) or not values.isfinite().all()
    assert places[1].tolist() == list(range(count))  # of equals the first


def test_what_is_no_number_is_never_the_best() -> None:
    scores = torch.tensor([[math.nan, 1.0, -math.inf, 3.0, math.nan, 3.0]]).repeat(1, 50)
    with torch.inference_mode():
        values, places = rows.best(scores, 3)
        assert log_softmax(scores.clone()).isnan().all()
    assert places.tolist() == [[3, 5, 9]] and values.tolist() == [[3.0, 3.0, 3.0]]
    with torch.inference_mode():
        values, _ = rows.best(torch.full((2, 4), math.nan), 3)
    assert values.isneginf().all()

"""Products whose rows do not depend on their mates are the products that they say they are."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from seqline_plugins.linear import product
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

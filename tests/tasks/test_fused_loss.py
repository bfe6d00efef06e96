"""The loss that is computed with its gradient equals torch's, gradients included."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from seqline_tasks.heads import fused
from seqline_tasks.heads.softmax import Softmax


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("rows", "at_once"), [(1, 7), (10, 7), (10, 1 << 20), (64, 40)])
def test_it_equals_cross_entropy(monkeypatch, smoothing: float, rows: int, at_once: int) -> None:
    monkeypatch.setattr(fused, "AT_ONCE", at_once)
    torch.manual_seed(rows)
    given = [torch.randn(rows, 5), torch.randn(7, 5), torch.randn(7)]
    mine, theirs = ([t.double().requires_grad_() for t in given] for _ in range(2))
    targets = torch.randint(7, (rows,))
    found = fused.fused_cross_entropy(*mine, targets, smoothing)
    scores = F.linear(*theirs)
    wanted = F.cross_entropy(scores, targets, reduction="sum", label_smoothing=smoothing)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    (found * 3).backward()
    (wanted * 3).backward()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=0, atol=1e-12)


def test_training_and_scoring_have_one_loss() -> None:
    torch.manual_seed(0)
    softmax, hidden = Softmax(5, 7).double(), torch.randn(3, 4, 5).double()
    targets = torch.randint(7, (3, 4))
    for missing in (False, True):
        if missing:
            targets[1, 2:] = -100
        trained, count = softmax.train().loss(hidden, targets)
        scored, same = softmax.eval().loss(hidden, targets)
        assert int(count) == int(same) == int((targets >= 0).sum())
        torch.testing.assert_close(trained, scored, rtol=0, atol=1e-12)


def test_bf16_products_leave_the_loss_in_float32() -> None:
    torch.manual_seed(0)
    softmax, targets = Softmax(16, 9).train(), torch.randint(9, (20,))
    hidden = torch.randn(20, 16)
    exact, _ = softmax.loss(hidden, targets)
    with torch.autocast("cpu", torch.bfloat16):
        rough, _ = softmax.loss(hidden, targets)
    assert rough.dtype == torch.float32
    assert 0 < abs(float(exact - rough)) < 0.05 * float(exact)

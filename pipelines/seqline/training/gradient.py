"""The gradient of one update: of whole batches, of windows in time, of batches taken in pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seqline.model import SequenceModel
from seqline.training.batches import Portion
from seqline.training.inference import to_device
from seqline.training.memory import pieces_of
from seqline_plugins.architecture import State
from seqline_plugins.task.split import Batch, EncodedSplit

USUAL = {"normalize": "tokens", "backward": "batch", "scheduled_sampling": 0.0}
"""How the loss is summed and sent back where the configuration says nothing."""


@dataclass(frozen=True)
class Sums:
    """What the batches of an update come to: the loss summed over their targets, and how many.

    `carried` is the state after the newest window, for the next one of the same rows; None after a
    batch that is not cut.
    """

    loss: float
    targets: int
    tokens: int
    carried: State | None


class Gradient:
    """Sets the gradients of a model's weights; `loss` says how the loss is summed and sent back.

    `forward` is the model as the accelerator has it.
    """

    def __init__(
        self, forward: nn.Module, model: SequenceModel, accelerator: Any, loss: Mapping[str, Any]
    ) -> None:
        self.forward, self.model, self.accelerator = forward, model, accelerator
        self.loss = {**USUAL, **loss}

    def add(
        self,
        portions: Sequence[Portion],
        read: EncodedSplit,
        carried: State | None = None,
        *,
        pieces: int = 1,
        done: float = 0.0,
    ) -> Sums:
        """Add the gradient of the loss of all portions, usually its mean over their targets.

        What was there before must be gone: it would be scaled with the rest.
        A portion that goes on begins with the state `carried`. Each is taken in `pieces`, one
        after the other. `done` is the share of the training that is over.
        """
        self.forward.train()
        for network in self.model.networks:
            network.own_share = self.loss["scheduled_sampling"] * done
        parts = [pieces_of(range(len(one.rows)), pieces) for one in portions]
        group = [
            [portion.batch(read, places) for places in of_portion]
            for portion, of_portion in zip(portions, parts, strict=True)
        ]
        every = [batch for batches in group for batch in batches]
        tokens = sum(int(batch["lengths"].sum()) for batch in every)
        divisor = self._divisor(every, tokens)
        losses, counts = [], []
        for portion, of_portion, batches in zip(portions, parts, group, strict=True):
            before = carried if portion.goes_on else None
            left = []
            for places, batch in zip(of_portion, batches, strict=True):
                own = before
                if before is not None and len(of_portion) > 1:
                    chosen = torch.tensor(list(places), device=self.accelerator.device)
                    own = {name: t.index_select(0, chosen) for name, t in before.items()}
                loss, count, after = self._add_batch(batch, divisor, own)
                losses.append(loss)
                counts.append(count)
                left.append(after)
            carried = None
            if portion.stop is not None:
                carried = {name: torch.cat([one[name] for one in left]) for name in left[0]}
        targets = max(1, int(sum(counts)))
        if self.loss["normalize"] == "tokens" and divisor is not None:
            grads = [p.grad for p in self.model.parameters() if p.grad is not None]
            torch._foreach_mul_(grads, divisor / targets)  # the targets are known only now
        return Sums(float(sum(losses)), targets, tokens, carried)

    def _divisor(self, batches: Sequence[Batch], tokens: int) -> int | None:
        """Return what each loss is divided by; None for the targets of the only batch itself."""
        way = self.loss["normalize"]
        if way == "tokens":
            return None if len(batches) == 1 else tokens
        return 1 if way == "none" else sum(len(batch["lengths"]) for batch in batches)

    def _add_batch(
        self, batch: Batch, divisor: int | None, state: State | None
    ) -> tuple[Tensor, Tensor, State]:
        """Add one batch's gradient; return its summed loss, its number of targets, its state after.

        No gradient goes back beyond `state`.
        """
        batch = to_device(batch, self.accelerator.device)
        hidden, after = self.forward(batch, state)
        after = {name: tensor.detach() for name, tensor in after.items()}
        with self.accelerator.autocast():
            loss, count = self.model.loss(hidden, batch)
            apart = None
            if self.loss["backward"] != "batch":
                apart = self.model.step_losses(hidden, batch)
        by = count.clamp(min=1) if divisor is None else divisor
        if apart is None:
            self.accelerator.backward(loss / by)
            return loss.detach(), count, after
        parts = apart.sum(dim=0) if self.loss["backward"] == "step" else apart.sum(dim=1)
        for number in range(len(parts)):  # each goes all the way back by itself
            self.accelerator.backward(parts[number] / by, retain_graph=number + 1 < len(parts))
        return loss.detach(), count, after

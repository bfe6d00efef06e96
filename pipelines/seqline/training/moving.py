"""Everything that moves in a training, as tensors and JSON for a checkpoint, and put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from seqline.training.checkpoint import random_states, restore_random_states
from seqline.training.progress import Progress
from seqline.training.serving import keep_to, kernels_of

if TYPE_CHECKING:
    from seqline.training.loop import Training


def taken(training: Training) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a training and the rest of its state."""
    generators, random_state = random_states()
    tensors: dict[str, Tensor] = dict(generators)
    tensors |= _named("model.", training.model.state_dict())
    tensors |= _named("best.", training.best)
    for number, kept in training.optimizer.state_dict()["state"].items():
        moments = {name: torch.as_tensor(value) for name, value in kept.items()}
        tensors |= _named(f"optimizer.{number}.", moments)
    tensors |= _named("carried.", training.carried or {})
    if training.average is not None:
        tensors |= _named("average.", training.average.state_dict())
    state = {
        "progress": training.at.to_json(),
        "random": random_state,
        "kernels": kernels_of(training.model),
    }
    return tensors, state


def put_back(training: Training, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Set a training to what was taken; what follows is as if it had never stopped."""
    training.at = Progress.from_json(state["progress"])
    training.model.load_state_dict(_under(tensors, "model."))
    training.best = _under(tensors, "best.")
    training.kernels = dict(state.get("kernels", {}))
    keep_to(training.model, training.kernels)
    if training.average is not None:
        training.average.load_state_dict(_under(tensors, "average."))
        keep_to(training.average.module, training.kernels)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _under(tensors, "optimizer.").items():
        number, key = name.split(".", 1)
        moments.setdefault(int(number), {})[key] = tensor
    described = training.optimizer.state_dict()
    training.optimizer.load_state_dict({**described, "state": moments})
    training.batches = training.batches_of_epoch()
    carried = _under(tensors, "carried.")
    training.carried = {n: t.to(training.device) for n, t in carried.items()} or None
    restore_random_states(tensors, state["random"])


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }

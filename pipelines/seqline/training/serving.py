"""Which kernel serves each recurrence: a training that goes on keeps to those that it had.

Kernels agree but for rounding. A compiler that came or went between two attempts would change the
bits without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import nn

from seqline_plugins.recurrence.layer import RecurrentLayer


def kernels_of(model: nn.Module) -> dict[str, str]:
    """Return the kernel of every recurrence, by its place in the model."""
    return {name: layer.served for name, layer in _layers(model)}


def keep_to(model: nn.Module, kernels: Mapping[str, str]) -> None:
    """Let recurrences be served as they were before, where that kernel can serve still."""
    for name, layer in _layers(model):
        if name in kernels:
            layer.keep_to(kernels[name])


def other_kernels(model: nn.Module, kernels: Mapping[str, str]) -> list[str]:
    """Say which recurrences are not served as they were before: "generated is now reference"."""
    now = kernels_of(model)
    changed = {(was, now[name]) for name, was in kernels.items() if now.get(name, was) != was}
    return sorted(f"{was} is now {is_now}" for was, is_now in changed)


def _layers(model: nn.Module) -> Iterator[tuple[str, RecurrentLayer]]:
    for name, module in model.named_modules():
        if isinstance(module, RecurrentLayer):
            yield name, module

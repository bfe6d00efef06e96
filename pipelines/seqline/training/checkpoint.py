"""Checkpoints: all that moves in a training, as tensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seqline.durable import sync_folder, sync_tree
from seqline.seal import damage, seal
from seqline_plugins.errors import UserError

FORMAT = 1
KEPT = 2
"""Checkpoints kept of a training, the newest ones."""


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> Path:
    """Write `checkpoint-<step>` into `folder` under a temporary name, sealed and renamed whole."""
    final = folder / f"checkpoint-{step:09d}"
    partial = folder / f".partial-{step:09d}-{os.getpid()}"
    for left in folder.glob(".partial-*"):  # by one that was killed; a run has one process
        shutil.rmtree(left, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save_file(_apart(tensors), partial / "tensors.safetensors")
        written = json.dumps({"format": FORMAT, **state})
        (partial / "state.json").write_text(written, encoding="utf-8")
        seal(partial)
        sync_tree(partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
        sync_folder(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    before = [path for path in checkpoints(folder) if path <= final]
    beyond = [path for path in checkpoints(folder) if path > final]  # of a training given up
    for old in [*before[:-KEPT], *beyond]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that share no memory: weights that two parts have in common twice."""
    seen: set[int] = set()
    found = {}
    for name, tensor in tensors.items():
        own = tensor.detach().contiguous()
        found[name] = own.clone() if own.numel() and own.data_ptr() in seen else own
        seen.add(own.data_ptr())
    return found


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints of a folder, the newest last."""
    return sorted(folder.glob("checkpoint-*"))


def newest_intact(folder: Path, warn: Callable[[str], None]) -> Path | None:
    """Return the newest checkpoint that is as it was written, None if there is none.

    Those found torn or altered are removed, and `warn` is told of each.
    """
    for path in reversed(checkpoints(folder)):
        found = damage(path)
        if found is None:
            return path
        warn(f"{path}: {found}; it is not used, but the one before.")
        shutil.rmtree(path, ignore_errors=True)
    return None


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read back what `save_checkpoint` wrote; raises `UserError` for a newer format."""
    state: dict[str, Any] = json.loads((path / "state.json").read_text(encoding="utf-8"))
    found = state.pop("format", None)
    if found != FORMAT:
        raise UserError(f"{path}: found a checkpoint of format {found}, expected {FORMAT}.")
    return load_file(path / "tensors.safetensors"), state


def random_states() -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the state of every generator: torch's on each device, NumPy's and Python's."""
    tensors = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states = torch.cuda.get_rng_state_all()
        tensors |= {f"random.cuda.{number}": state for number, state in enumerate(states)}
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, numbers, following = random.getstate()
    return tensors, {
        "numpy": [kind, np.asarray(keys).tolist(), int(position), int(has_gauss), float(gauss)],
        "python": [version, list(numbers), following],
    }


def restore_random_states(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Set every generator to what `random_states` returned."""
    torch.set_rng_state(tensors["random.cpu"])
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            state_there = tensors.get(f"random.cuda.{number}")
            if state_there is not None:  # else it was another machine
                torch.cuda.set_rng_state(state_there, number)
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, gauss))
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))

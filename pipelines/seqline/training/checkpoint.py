"""Checkpoints: all that moves in a training, as tensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

KEPT = 2
"""Checkpoints kept of a training, the newest ones."""


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]
) -> Path:
    """Write `checkpoint-<step>` into `folder` under a temporary name, renamed when it is whole."""
    final = folder / f"checkpoint-{step:09d}"
    partial = folder / f".partial-{step:09d}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file(
        {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
        partial / "tensors.safetensors",
    )
    (partial / "state.json").write_text(json.dumps(state), encoding="utf-8")
    for path in partial.iterdir():
        with path.open("rb+") as stream:
            os.fsync(stream.fileno())
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    before = [path for path in checkpoints(folder) if path <= final]
    beyond = [path for path in checkpoints(folder) if path > final]  # of a training given up
    for old in [*before[:-KEPT], *beyond]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """Return the whole checkpoints of a folder, the newest last."""
    return sorted(folder.glob("checkpoint-*"))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read back what `save_checkpoint` wrote."""
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
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
        for name, tensor in tensors.items():
            if name.startswith("random.cuda."):
                torch.cuda.set_rng_state(tensor, int(name.removeprefix("random.cuda.")))
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, gauss))
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))

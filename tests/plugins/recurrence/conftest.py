"""The odd cells as an installed package."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
import torch
from networks import NOISY, ODD

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # read when Triton is imported


@pytest.fixture(scope="module", autouse=True)
def odd_cells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put a package with the odd cells on the path."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "odd_cells-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-cells\nVersion: 1.0\n")
    entries = "".join(f"{name} = odd_cells:{target}\n" for name, target in (ODD | NOISY).items())
    (info / "entry_points.txt").write_text(f"[seqline.cells]\n{entries}")
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))

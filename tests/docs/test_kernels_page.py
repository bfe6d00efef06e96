"""docs/kernels.md does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from newcomer import ROOT, Shell, blocks, follow

PAGE = ROOT / "docs" / "kernels.md"


@pytest.mark.debian("g++")
def test_page_shows_a_cell_and_what_keeps_one_from_its_kernel(tmp_path: Path) -> None:
    said = follow(PAGE, Shell(tmp_path))
    shown = [line.strip() for line in said.splitlines()]
    (excerpt,) = (text for _, language, text in blocks(PAGE) if language == "text")
    assert all(line in shown for line in excerpt.splitlines())
    assert "No code is generated: the operation 'sort'." in shown
    assert shown[-3:-1] == ["fading: generated", "ranked: reference"]
    assert re.search(r"no code is generated for the cell Ranked: the operation 'sort'", shown[-1])

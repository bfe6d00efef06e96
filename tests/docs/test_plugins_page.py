"""docs/plugins.md does what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from newcomer import ROOT, Shell, blocks, follow

PAGE = ROOT / "docs" / "plugins.md"


def test_page_makes_a_package_whose_parts_are_found_and_configured(tmp_path: Path) -> None:
    said = follow(PAGE, Shell(tmp_path), until="seqline run task=parity")
    assert "seqline_mine.residual:Residual" in said
    assert "update_bias: 1.0" in said and said.count("refused, it is no number") == 1
    assert "2 passed" in said
    assert "name: deep" in said


def test_the_task_of_the_page_is_the_example() -> None:
    (task,) = (text for file, _, text in blocks(PAGE) if file == "seqline_mine/parity.py")
    assert task == (ROOT / "examples/seqline-parity/seqline_parity.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_page_trains_and_uses_its_package(tmp_path: Path) -> None:
    said = follow(PAGE, Shell(tmp_path))
    assert len(said.splitlines()[-1].split()) == len("1101")


@pytest.mark.slow
def test_a_cell_in_five_minutes_is_made_checked_and_trained(tmp_path: Path) -> None:
    said = follow(ROOT / "docs" / "first-plugin.md", Shell(tmp_path))
    assert said.count("0 wrong") == 2
    assert "passed" in said and "accuracy" in said

"""docs/plugins.md does what it says."""

from __future__ import annotations

from pathlib import Path

from newcomer import ROOT, Shell, follow


def test_page_makes_a_package_that_works(tmp_path: Path) -> None:
    said = follow(ROOT / "docs" / "plugins.md", Shell(tmp_path))
    assert "seqline_mine.residual:Residual" in said
    assert "forget_bias: 1.0" in said
    assert "2 passed" in said
    assert "name: deep" in said
    assert len(said.splitlines()[-1].split()) == len("1101")

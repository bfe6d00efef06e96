"""docs/music-and-drawing.md: its commands are understood, its options are there."""

from __future__ import annotations

import re
import shlex

import pytest
from newcomer import ROOT, blocks

from seqline.config.compose import compose
from seqline_plugins.errors import UserError

PAGE = ROOT / "docs" / "music-and-drawing.md"


def test_every_run_of_the_page_composes() -> None:
    text = "".join(code for _, language, code in blocks(PAGE) if language == "sh")
    runs = [shlex.split(line, comments=True) for line in text.splitlines()]
    runs = [words[2:] for words in runs if words[:2] == ["seqline", "run"]]
    assert len(runs) == 3
    for overrides in runs:
        assert compose(overrides)["trainer"]["max_minutes"] <= 10


def test_every_option_and_recipe_of_the_page_is_there() -> None:
    named = set(re.findall(r"`((?:task|architecture|decode)\.[\w.]+)", PAGE.read_text()))
    trees = [
        compose(["task=music", "architecture=one_to_many"]),
        compose(["task=drawing", "architecture=one_to_many"]),
        compose(["task=music", "architecture.bidirectional=false"]),
    ]
    for option in named:
        assert any(_has(tree, option) for tree in trees), option
    for recipe in set(re.findall(r"experiment=(\w+)", PAGE.read_text())):
        compose([f"experiment={recipe}"])
    with pytest.raises(UserError):
        compose(["experiment=no_such_recipe"])


def _has(tree: object, option: str) -> bool:
    for part in option.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True

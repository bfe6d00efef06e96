"""docs/sequences.md: its commands are understood, its options and recipes are there."""

from __future__ import annotations

import re
import shlex

from newcomer import ROOT, blocks

from seqline.cli.main import app
from seqline.config.compose import compose

PAGE = ROOT / "docs" / "sequences.md"


def test_every_run_of_the_page_composes() -> None:
    text = "".join(code for _, language, code in blocks(PAGE) if language == "sh")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    runs = [words[2:] for words in lines if words[:2] == ["seqline", "run"]]
    assert len(runs) == 5
    for overrides in runs:
        config = compose(overrides)
        assert config["task"]["name"] in ("text", "c_code")
        if config["architecture"]["name"] == "one_to_many":
            assert config["task"]["entity"] == "class"
            continue
        assert config["trainer"]["bptt_steps"] and config["trainer"]["max_minutes"] <= 20
    made = [words for words in lines if words[:2] == ["seqline", "generate"]]
    assert {"--n", "--from"} < set(made[0]) and all("--from" in words for words in made)
    assert "generate" in {command.callback.__name__ for command in app.registered_commands}


def test_every_option_and_recipe_of_the_page_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    tree = compose(["task=c_code", "architecture=many_to_one"])
    for option in set(re.findall(r"`((?:task|decode|trainer|data)\.\w+)", page)):
        section, key = option.split(".")
        assert key in tree[section] or key in compose(["data=files", "data.file=x"])[section]
    inlines = [shlex.split(inline) for inline in re.findall(r"`seqline run ([^`]+)`", page)]
    by_class, cut = sorted(map(compose, inlines), key=lambda one: one["task"]["name"] != "text")
    assert by_class["task"]["entity"] == "class" and cut["trainer"]["bptt_steps"] == 20

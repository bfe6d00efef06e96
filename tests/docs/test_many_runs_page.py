"""docs/many-runs.md says what there is: its commands, keys and policies."""

from __future__ import annotations

import re
from dataclasses import fields

from newcomer import ROOT, blocks

from seqline.comparison.runs import FinishedRun, select
from seqline.schedules.policy import CATCH_UP, OVERLAP
from seqline.sweep.settings import Settings
from seqline.sweep.space import read_sweep

PAGE = ROOT / "docs" / "many-runs.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_sweep_is_the_nine_runs_that_it_says() -> None:
    (command,) = (t for _, _, t in blocks(PAGE) if t.startswith("seqline sweep"))
    space, settings = read_sweep(command.split()[2:])
    assert space.size == 9 and settings.parallel == 2


def test_every_value_of_its_table_is_read_as_it_says() -> None:
    said = re.findall(r"`([a-z_.]+=(?:\w+\([^`]*\)|[\w]+,[\w,]+))`", TEXT)
    assert len(said) >= 6
    for text in said:
        search = ["sweep.search=optuna"] if "interval" in text else []
        assert read_sweep([text, *search])[0].varied, text


def test_it_names_every_key_and_policy() -> None:
    for field in fields(Settings):
        assert f"sweep.{field.name}" in TEXT
    for word in (*OVERLAP, *CATCH_UP):
        assert f"| `{word}`" in TEXT


def test_its_filters_are_filters() -> None:
    parameters = {"cell.name": "gru", "trainer.seed": "1"}
    run = FinishedRun("id", "name", 0, parameters, {"test/primary": 0.5}, {})
    (block,) = (t for _, _, t in blocks(PAGE) if t.startswith("seqline compare"))
    for line in block.splitlines():
        filters = [word for word in line.split()[2:] if "=" in word]
        assert select([run], filters) == [run]

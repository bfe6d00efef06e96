"""Runs become rows: seeds together, an interval, the best, filters and what fits none."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from seqline.comparison.render import as_csv, as_markdown, show
from seqline.comparison.runs import FinishedRun, select
from seqline.comparison.table import mean_interval, tabulate
from seqline_plugins.errors import UserError


def run(number: int, primary: float, **changes: Any) -> FinishedRun:
    parameters = {
        "task.name": "pos_tagging",
        "architecture.name": "many_to_many",
        "cell.name": "lstm",
        "trainer.seed": "0",
        "trainer.lr": "0.001",
        "tracking.run_name": str(number),
    } | {key.replace("__", "."): value for key, value in changes.items()}
    metrics = {"test/primary": primary, "test/baseline": 0.5, "model/parameters": 1000.0}
    tags = {"primary_metric": "accuracy", "primary_direction": "higher", "data_digest": "ab" * 9}
    return FinishedRun(f"id{number}", f"run {number}", number, parameters, metrics, tags)


def test_the_interval_is_students() -> None:
    mean, half = mean_interval([1.0, 2.0, 3.0])
    assert mean == 2.0
    assert half == pytest.approx(4.302653 / 3**0.5, rel=1e-6)  # t(0.975, 2) s / √n, s = 1
    assert mean_interval([5.0]) == (5.0, None)


def test_runs_that_differ_in_their_seed_are_one_row() -> None:
    rows = tabulate([run(seed, 0.8 + seed / 100, trainer__seed=str(seed)) for seed in range(3)])
    (row,) = rows
    assert (row.seeds, row.baseline, row.settings) == (3, 0.5, "")
    assert row.primary == pytest.approx(0.81)
    assert not row.best  # alone it is no best


def test_of_a_seed_that_ran_twice_the_newer_run_counts() -> None:
    (row,) = tabulate([run(2, 0.9), run(1, 0.1)])
    assert (row.seeds, row.primary, row.runs) == (1, 0.9, ("id2",))


def test_what_tells_rows_of_one_cell_apart_is_named() -> None:
    rows = tabulate([run(1, 0.7, trainer__lr="0.1"), run(2, 0.8), run(3, 0.6, cell__name="gru")])
    assert [(row.cell, row.settings) for row in rows] == [
        ("lstm", "lr 0.001"),
        ("lstm", "lr 0.1"),
        ("gru", "lr 0.001"),
    ]
    assert [row.best for row in rows] == [True, False, False]


def test_a_cell_in_a_slot_is_named_where_it_is_another_than_the_top_levels() -> None:
    slot = "architecture__cell__"
    gru = {"cell__name": "gru", f"{slot}name": "gru", "cell__reset_after": "True"}
    gru[f"{slot}reset_after"] = "True"
    other = {"cell__name": "gru", "cell__reset_after": "True", f"{slot}name": "rnn"}
    lstm = {f"{slot}name": "lstm", "cell__forget_bias": "1", f"{slot}forget_bias": "1"}
    rows = tabulate([run(1, 0.9, **gru), run(2, 0.8, **other), run(3, 0.7, **lstm)])
    assert [(row.cell, row.settings) for row in rows] == [
        ("gru", ""),
        ("gru", "architecture.cell rnn"),
        ("lstm", ""),
    ]


def test_numbers_that_a_search_drew_are_short_to_read_and_whole_in_csv() -> None:
    drawn = [run(1, 0.7, trainer__lr="0.0025766385746135885"), run(1, 0.8, trainer__lr="1e-05")]
    rows = tabulate(drawn)
    assert "| lr 0.002577 |" in as_markdown(rows) and "| lr 1e-05 |" in as_markdown(rows)
    assert "lr 0.0025766385746135885" in as_csv(rows)


def test_lower_is_better_where_the_metric_says_so() -> None:
    runs = [run(1, 3.0), run(2, 2.0, cell__name="gru")]
    for one in runs:
        one.tags["primary_direction"] = "lower"
    assert [row.cell for row in tabulate(runs)] == ["gru", "lstm"]


def test_filters_take_lists_patterns_numbers_and_tags() -> None:
    runs = [run(1, 0.7), run(2, 0.8, cell__name="gru"), run(3, 0.9, trainer__lr="0.1")]
    runs[1].tags["sweep"] = "abc"
    assert [one.run_id for one in select(runs, ["cell=gru,rnn"])] == ["id2"]
    assert [one.run_id for one in select(runs, ["cell=l*", "trainer.lr<0.01"])] == ["id1"]
    assert [one.run_id for one in select(runs, ["test/primary>=0.8"])] == ["id2", "id3"]
    assert [one.run_id for one in select(runs, ["cell!=lstm"])] == ["id2"]
    assert [one.run_id for one in select(runs, ["sweep=abc"])] == ["id2"]


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (["cell=lstn"], "none of 2 finished runs fits cell=lstn.*Did you mean 'cell=lstm'"),
        (["cel=lstm"], "no run has a 'cel'. Did you mean 'cell'"),
        (["lr=0.001"], "Did you mean 'trainer.lr'"),
        (["cell=gru", "trainer.lr=0.001"], "Each by itself fits: cell=gru 1; trainer.lr=0.001 1"),
        (["lstm"], "expected a filter, KEY=VALUE"),
        (["trainer.lr<small"], "expected a number"),
    ],
)
def test_a_comparison_that_matches_nothing_names_the_nearest(filters: list[str], said: str) -> None:
    runs = [run(1, 0.7), run(2, 0.8, cell__name="gru", trainer__lr="0.1")]
    with pytest.raises(UserError, match=said):
        select(runs, filters)


def test_the_table_as_csv_and_markdown() -> None:
    rows = tabulate([run(1, 0.7), run(2, 0.8, cell__name="gru")])
    lines = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert [(line["cell"], line["primary"], line["interval"]) for line in lines] == [
        ("gru", "0.8", ""),
        ("lstm", "0.7", ""),
    ]
    assert "| gru | accuracy | **0.8000** |" in as_markdown(rows)


def test_what_all_rows_share_stands_above_the_table() -> None:
    said = io.StringIO()
    show(tabulate([run(1, 0.7), run(2, 0.8, cell__name="gru")]), Console(file=said, width=80))
    first, head, *_ = said.getvalue().splitlines()
    assert first == "task pos_tagging, architecture many_to_many, metric accuracy"
    assert head.split() == ["cell", "mean", "seeds", "baseline", "parameters"]


def test_a_single_seed_is_said_to_tell_little() -> None:
    def shown(*given: Any) -> str:
        said = io.StringIO()
        show(tabulate(list(given)), Console(file=said, width=80))
        return said.getvalue()

    once = [run(1, 0.7), run(2, 0.8, cell__name="gru")]
    assert "one seed each" in shown(*once)
    assert "one seed each" not in shown(*once, run(3, 0.7, trainer__seed="1"))


@pytest.mark.parametrize("width", [60, 80, 84, 100])
def test_a_terminal_without_room_cuts_no_figure_and_says_what_it_leaves_out(width: int) -> None:
    runs = [run(number, 0.7 + number / 100, trainer__seed=str(number)) for number in range(2)]
    other = [run(2 + n, 0.5, cell__name="layer_norm_lstm", trainer__seed=str(n)) for n in range(2)]
    rows = [
        replace(row, minutes=12.5, tokens_per_second=8095.0, parameters=667_308.0)
        for row in tabulate([*runs, *other])
    ]
    said = io.StringIO()
    show(rows, Console(file=said, width=width, force_terminal=True, color_system=None))
    shown = {"parameters": "667,308", "tokens/s": "8,095", "minutes": "12.50"}
    for column, figure in shown.items():
        left_out = any(
            "no room for" in line and column in line for line in said.getvalue().splitlines()
        )
        assert said.getvalue().count(figure) == (0 if left_out else 2)
    assert ("no room for" in said.getvalue()) == (width < 90)
    assert all(text in said.getvalue() for text in ("layer_norm_lstm", "0.7050", "0.5000"))
    assert max(map(len, said.getvalue().splitlines())) <= width

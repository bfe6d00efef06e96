"""What a finished run leaves on the terminal: one table, a few samples, what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from seqline_plugins.discovery import installed

if TYPE_CHECKING:
    from seqline.flow import RunReport

NO_BREAK = "\u00a0"
SAMPLES = 3


def show(
    report: RunReport, overrides: Sequence[str], cell: str, console: Console | None = None
) -> None:
    """Print the table of metrics beside the baseline, the samples and three useful commands.

    `overrides` and `cell` are the run's own: the last command repeats it with another cell.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, 100), highlight=False)
    console.print(_table(report, plain=not console.is_terminal))
    if not console.is_terminal:
        console.print()
    if report.samples:
        marked = any("**" in sample for sample in report.samples[:SAMPLES])
        _heading(console, "samples, mistakes marked" if marked else "samples")
        for sample in report.samples[:SAMPLES]:
            console.print(_sample(sample, console), soft_wrap=not console.is_terminal)
        console.print()
    _heading(console, "next")
    for command, purpose in next_commands(report, overrides, cell):
        console.print(Text(f"  {command}"), soft_wrap=True)
        console.print(Text(f"      {purpose}", style="dim"), soft_wrap=True)


def _table(report: RunReport, plain: bool) -> Table:
    """Return the metrics, the primary one first, each beside its baseline where it has one."""
    table = Table(box=None if plain else SIMPLE_HEAD, pad_edge=False)
    table.add_column("test", overflow="fold")
    for name in ("model", "baseline", "difference"):
        table.add_column(name, justify="right")
    others = sorted(name for name in report.metrics if name != report.primary)
    for name in (report.primary, *others):
        if name not in report.metrics:
            continue
        value, trivial = report.metrics[name], report.baseline.get(name)
        difference = Text("")
        if trivial is not None:
            better = value > trivial if report.direction == "higher" else value < trivial
            difference = Text(f"{value - trivial:+.4f}", style="green" if better else "red")
        shown = "" if trivial is None else f"{trivial:.4f}"
        style = "bold" if name == report.primary else None
        table.add_row(name, f"{value:.4f}", shown, difference, style=style)
    for name in sorted(set(report.baseline) - set(report.metrics)):  # other things to stand beside
        table.add_row(name, "", f"{report.baseline[name]:.4f}", "")
    return table


def next_commands(report: RunReport, overrides: Sequence[str], cell: str) -> list[tuple[str, str]]:
    """Return three commands that can be pasted, each with its purpose."""
    folder = shlex.quote(_shortest(Path(report.export)))
    again = _another_cell(overrides, cell)
    return [
        (
            f"seqline predict {folder} FILE",
            "use the model on your own file, or on standard input",
        ),
        ("seqline ui", f"look at run {report.run_id} in MLflow and Prefect"),
        (f"seqline run {again}", "the same with another cell, from the same prepared data"),
    ]


def _another_cell(overrides: Sequence[str], used: str) -> str:
    """Return the overrides with a cell that was not the one used."""
    other = next((name for name in ("gru", "lstm", *installed("cell")) if name != used), used)
    kept = [text for text in overrides if not text.startswith(("cell=", "cell."))]
    return " ".join(shlex.quote(text) for text in [*kept, f"cell={other}"])


def _shortest(path: Path) -> str:
    """Return a path as it is shortest to type from here."""
    return min(str(path), os.path.relpath(path), key=len)


def _sample(text: str, console: Console) -> Text:
    """Return a sample, its `**mistakes**` in colour where there is colour."""
    if not console.is_terminal:
        return Text(text)
    shown = Text()
    for number, part in enumerate(text.split("**")):
        marked = number % 2 == 1
        shown.append(
            part.replace(" ", NO_BREAK) if marked else part, "bold red" if marked else None
        )
    return shown


def _heading(console: Console, text: str) -> None:
    console.print(Text(text, style="bold"))

"""The table of a comparison for a terminal, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from seqline.comparison.table import Row
from seqline.tables import has_room

COLUMNS = (
    "task", "architecture", "cell", "settings", "metric", "mean", "±95 %", "seeds", "baseline",
    "parameters", "tokens/s", "minutes",
)  # fmt: skip
LEFT = 5
"""Columns of words, before those of numbers."""
LONG_NUMBER = re.compile(r"(?<![\w.])\d+\.\d{6,}(?:e[+-]?\d+)?(?![\w.])")
"""As a search draws them: 0.0025766385746135885."""


def cells_of(rows: Sequence[Row]) -> Iterator[list[str]]:
    """Yield the cells of every row as text for reading."""
    for row in rows:
        yield [
            row.task,
            row.architecture,
            row.cell,
            LONG_NUMBER.sub(lambda found: f"{float(found[0]):.4g}", row.settings),
            row.metric,
            f"{row.primary:.4f}",
            "" if row.interval is None else f"{row.interval:.4f}",
            str(row.seeds),
            "" if row.baseline is None else f"{row.baseline:.4f}",
            _whole(row.parameters),
            _whole(row.tokens_per_second),
            _minutes(row.minutes),
        ]


def show(rows: Sequence[Row], console: Console) -> None:
    """Print the table without columns that are empty everywhere; no figure is ever cut.

    What is the same in all rows stands above it, what finds no room beside the rest is named below.
    """
    plain = not console.is_terminal
    texts = list(cells_of(rows))
    common, kept = [], []
    for place, name in enumerate(COLUMNS):
        values = {line[place] for line in texts}
        if values == {""}:
            continue
        if len(values) == 1 and place < LEFT and (len(rows) > 1 or name != "cell"):
            common.append(f"{name} {texts[0][place]}")
        else:
            kept.append(place)
    if common:
        console.print(", ".join(common), soft_wrap=True)
    if plain:  # a pipe has no width
        console = Console(file=console.file, width=400, highlight=False)
    left_out: list[str] = []
    table = _table(rows, texts, kept, plain)
    for name in reversed(COLUMNS[LEFT + 2 :]):
        if has_room(table, console):
            break
        if (place := COLUMNS.index(name)) in kept:
            kept.remove(place)
            left_out.insert(0, name)
            table = _table(rows, texts, kept, plain)
    console.print(table)
    if left_out:
        console.print(f"no room for {', '.join(left_out)}: a wider terminal or a pipe shows them")
    if len(rows) > 1 and all(row.seeds == 1 for row in rows):
        console.print("one seed each: a small difference may be chance; trainer.seed=0,1,2 tells")


def _table(
    rows: Sequence[Row], texts: Sequence[Sequence[str]], kept: Sequence[int], plain: bool
) -> Table:
    table = Table(box=None if plain else SIMPLE_HEAD, pad_edge=False)
    for place in kept:
        is_figure = place >= LEFT
        table.add_column(
            COLUMNS[place],
            justify="right" if is_figure else "left",
            no_wrap=plain or is_figure,
            min_width=max(len(text[place]) for text in (COLUMNS, *texts))
            if is_figure or COLUMNS[place] == "cell"
            else None,
        )
    for row, line in zip(rows, texts, strict=True):
        table.add_row(*(line[place] for place in kept), style="bold" if row.best else None)
    return table


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table in Markdown, the best of each task in bold, no column that is empty."""
    texts = list(cells_of(rows))
    kept = [place for place in range(len(COLUMNS)) if any(line[place] for line in texts)]
    rule = ["---" if place < LEFT else "--:" for place in kept]
    lines = [f"| {' | '.join(COLUMNS[place] for place in kept)} |", f"|{'|'.join(rule)}|"]
    for row, line in zip(rows, texts, strict=True):
        shown = [text.replace("|", "\\|") for text in line]
        if row.best:
            shown[LEFT] = f"**{shown[LEFT]}**"
        lines.append(f"| {' | '.join(shown[place] for place in kept)} |")
    return "\n".join(lines) + "\n"


def as_csv(rows: Sequence[Row]) -> str:
    """Return the table as CSV, every figure in full."""
    names = [
        "task", "architecture", "cell", "settings", "metric", "direction", "primary", "interval",
        "seeds", "baseline", "parameters", "tokens_per_second", "minutes", "runs",
    ]  # fmt: skip
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow(as_plain(row) | {"runs": " ".join(row.runs)})
    return text.getvalue()


def as_plain(row: Row) -> dict[str, Any]:
    """Return a row as plain values, for JSON; what is not known is None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in row.__dict__.items()
    }


def _minutes(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _whole(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}"

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
    """Print the table; columns that are empty everywhere, or the same in all rows, are left out.

    What is the same stands above the table.
    """
    plain = not console.is_terminal
    texts = list(cells_of(rows))
    common, kept = [], []
    for place, name in enumerate(COLUMNS):
        values = {line[place] for line in texts}
        if values == {""}:
            continue
        if len(rows) > 1 and len(values) == 1 and place < LEFT:
            common.append(f"{name} {texts[0][place]}")
        else:
            kept.append(place)
    if common:
        console.print(", ".join(common), soft_wrap=True)
    table = Table(box=None if plain else SIMPLE_HEAD, pad_edge=False)
    for place in kept:
        right = place >= LEFT
        table.add_column(COLUMNS[place], justify="right" if right else "left", no_wrap=plain)
    for row, line in zip(rows, texts, strict=True):
        table.add_row(*(line[place] for place in kept), style="bold" if row.best else None)
    if plain:  # a pipe has no width
        console = Console(file=console.file, width=400, highlight=False)
    console.print(table)
    if len(rows) > 1 and all(row.seeds == 1 for row in rows):
        console.print("one seed each: a small difference may be chance; trainer.seed=0,1,2 tells")


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

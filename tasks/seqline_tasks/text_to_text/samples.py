"""Texts that were written, as a person wants to see them."""

from __future__ import annotations

from collections.abc import Sequence

from seqline_plugins.task.source import Example

MOST = 300
"""Letters shown of a text."""


def show_texts(
    examples: Sequence[Example], written: Sequence[Sequence[str]], count: int = 6
) -> list[str]:
    """Return `count` of them, spread over the split: source, reference and what was written."""
    step = max(1, len(examples) // count)
    rows = list(zip(examples, written, strict=True))[::step][:count]
    return [
        "\n".join(
            f"- {name}: {_shown(text)}"
            for name, text in (
                ("source", example["source"]),
                ("reference", example["target"]),
                ("written", answer[0] if answer else ""),
            )
        )
        for example, answer in rows
    ]


def _shown(text: str) -> str:
    return text if len(text) <= MOST else text[: MOST - 1] + "…"

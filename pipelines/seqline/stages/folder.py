"""A stage's folder: made under a temporary name, renamed when it is whole."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from seqline.home import Home
from seqline.reporter import Reporter

SHOWN = 16
"""Hexadecimal digits of a digest that stand in a folder's name."""


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its folder, the digest of what determines it, whether it was there."""

    name: str
    folder: Path
    digest: str
    reused: bool


def digest_of(ingredients: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, whatever the order of the keys."""
    text = json.dumps(ingredients, sort_keys=True, ensure_ascii=False, default=str)
    return sha256(text.encode()).hexdigest()


def make_stage(
    name: str,
    ingredients: Mapping[str, Any],
    make: Callable[[Path], None],
    *,
    home: Home,
    reporter: Reporter,
    fresh: bool,
) -> StageResult:
    """Return the stage's folder, reused where its digest is there, else filled by `make`.

    `make` gets an empty folder under a temporary name. If it fails, nothing is left behind.
    `fresh` makes it again; the old one stays until the new one is whole.
    """
    reporter.stage_started(name)
    started = time.perf_counter()
    digest = digest_of({"stage": name, **ingredients})
    final = home.stages / f"{name}-{digest[:SHOWN]}"
    reused = final.is_dir() and not fresh
    if not reused:
        home.stages.mkdir(parents=True, exist_ok=True)
        partial = home.stages / f".partial-{final.name}-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            make(partial)
            write_json(partial / "ingredients.json", {"stage": name, **ingredients})
            _put_in_place(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    reporter.stage_finished(name, final, reused, time.perf_counter() - started)
    return StageResult(name, final, digest, reused)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that a person can read."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _put_in_place(partial: Path, final: Path) -> None:
    """Rename a whole folder to its name; one that is there already moves aside and goes."""
    old = partial.with_name(partial.name + "-old")
    if final.is_dir():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)

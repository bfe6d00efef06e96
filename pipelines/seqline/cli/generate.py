"""`seqline generate`: what a trained model makes by itself, or from a beginning."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seqline.cli.predict import export_folder
from seqline_plugins.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from seqline.exported import Predictor
    from seqline_plugins.task.generation import Generation, Opening

FOLDER = "generated"


def generate(
    model: str,
    overrides: Sequence[str] = (),
    *,
    n: int = 1,
    beginning: str | None = None,
    to: Path | None = None,
    allow_changed_plugins: bool = False,
    as_json: bool = False,
) -> None:
    """Print `n` texts as they come, a blank line between them, or write files into a folder.

    `model` is an exported folder or a run's id; `overrides` change the section `decode`. With
    `as_json` it prints `{"texts": […]}`, or `{"files": […]}`. Raises `UserError` for a model that
    generates nothing, and for a folder that cannot be written.
    """
    folder = export_folder(model)
    from seqline.exported import load_export

    with contextlib.redirect_stdout(sys.stderr):
        predictor = load_export(folder, overrides, allow_changed_plugins=allow_changed_plugins)
    generation = predictor.generation()
    opening = generation.opening(beginning)
    for warning in opening.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201
    if not generation.shows_text or to is not None:
        files = _write(predictor, generation, opening, n, to or Path(FOLDER))
        named = [str(path) for path in files]
        print(json.dumps({"files": named}) if as_json else "\n".join(named))  # noqa: T201
    elif as_json:
        texts = ["".join(_pieces(predictor, generation, opening, k)) for k in range(n)]
        print(json.dumps({"texts": texts}, ensure_ascii=False))  # noqa: T201
    else:
        for number in range(n):
            for piece in _pieces(predictor, generation, opening, number):
                sys.stdout.write(piece)
                sys.stdout.flush()
            sys.stdout.write("\n" if number + 1 == n else "\n\n")


def _drawn(
    predictor: Predictor, generation: Generation, opening: Opening, number: int
) -> Iterator[Tensor]:
    from seqline.generation import generate as drawing

    options = predictor.config["decode"]
    for samples in drawing(predictor.model, generation, opening, options, number=number):
        yield samples[0]


def _pieces(
    predictor: Predictor, generation: Generation, opening: Opening, number: int
) -> Iterator[str]:
    yield generation.text(_shown(opening))
    for sample in _drawn(predictor, generation, opening, number):
        yield generation.text(sample[None])


def _write(
    predictor: Predictor, generation: Generation, opening: Opening, n: int, folder: Path
) -> list[Path]:
    import torch

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--to {folder}: cannot be made ({error.strerror}).") from error
    files = []
    for number in range(n):
        drawn = list(_drawn(predictor, generation, opening, number))
        whole = torch.cat([_shown(opening), *(sample[None] for sample in drawn)])
        stem = folder / f"{predictor.config['task']['name']}-{number + 1}"
        files += generation.write(whole, stem)
    return files


def _shown(opening: Opening) -> Tensor:
    return opening.written[len(opening.written) - opening.shown :]

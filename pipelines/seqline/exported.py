"""An exported model in use: loaded from its folder alone, the training data gone."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from seqline.config.compose import check
from seqline.seal import SEAL, damage
from seqline_plugins.build import build_task
from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.generation import Generation
from seqline_plugins.task.source import DataSource, Example

FORMAT = 1
MARK = "seqline.json"
FILES = (MARK, "config.json", "weights.safetensors", SEAL)


class Predictor:
    """A trained model with its vocabularies; predicts as the evaluation did."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from seqline.model import build_model
        from seqline.startup import started

        self.config = config
        self.task = build_task(config["task"])
        try:
            self.encoding = self.task.encoding.load(folder / "encoding")
            weights = load_file(folder / "weights.safetensors")
        except (OSError, TypeError, ValueError, SafetensorError) as error:
            raise UserError(f"{folder}: the export is damaged ({error}).") from error
        self.device = torch.device("cpu")
        torch.set_num_threads(config["trainer"]["threads"] or len(os.sched_getaffinity(0)))
        self.model = build_model(config, self.encoding)
        self.model.load_state_dict(weights)
        self.model.eval()
        started()

    def predict(self, examples: Sequence[Example]) -> list[list[Any]]:
        """Return the answer to every example, in the task's own words, in order.

        Where `decode.n_best` asks for several, they stand one after the other, best first. Of a
        task that generates it is what goes on from the example, as text.
        """
        if self.task.decodes and self.config["decode"]["split_sentences"]:
            return self._by_parts(examples)
        return self._whole(examples)

    def _by_parts(self, examples: Sequence[Example]) -> list[list[Any]]:
        """Predict each part of each example by itself and join the texts."""
        parts = [self.task.parts(example) for example in examples]
        said = iter(self._whole([part for those in parts for part in those]))
        joined: list[list[Any]] = []
        for those in parts:
            answers = [next(said) for _ in those]
            texts = zip(*[answer for answer in answers if answer], strict=True)
            joined.append([" ".join(one) for one in texts])
        return joined

    def _whole(self, examples: Sequence[Example]) -> list[list[Any]]:
        from seqline.training.inference import Search, answers

        if self.task.generation is not None:
            return [self._go_on(example) if _size(example) else [] for example in examples]
        read = self.task.together(examples)
        filled = [number for number, example in enumerate(read) if _size(example)]
        said: list[list[Any]] = [[] for _ in read]
        if not filled:
            return self.task.apart(examples, read, said)
        split = self.encoding.encode([read[number] for number in filled])
        search = None
        if self.task.decodes:
            search = Search(self.config["decode"], self.encoding.search_tokens)
        for found in answers(self.model, split, self.device, search):
            own = [read[filled[row]] for row in found.rows]
            for predicted in (found.predicted, *found.others):
                decoded = self.task.answer(self.encoding, predicted, found.batch, own)
                for row, answer in zip(found.rows, decoded, strict=True):
                    said[filled[row]] = [*said[filled[row]], *answer]
        return self.task.apart(examples, read, said)

    def _go_on(self, example: Example) -> list[Any]:
        import torch

        from seqline.generation import generate

        generation = self.generation()
        opening = generation.opening(self.task.text_of(example))
        options = dict(self.config["decode"])
        if not options["sample"]:
            options["temperature"] = 0.0
        drawn = [one[0] for one in generate(self.model, generation, opening, options)]
        return [generation.text(torch.stack(drawn))] if drawn else [""]

    def generation(self) -> Generation:
        """Return how the model generates; raises `UserError` for a task that does not."""
        if self.task.generation is None:
            raise UserError(
                f"task={self.config['task']['name']} makes nothing by itself: it answers what it "
                "is given, with `seqline predict`."
            )
        return self.task.generation(self.task.config, self.encoding)

    def predict_lines(self, lines: Iterable[str]) -> list[list[Any]]:
        """Return the answers to lines of plain text, one sequence a line."""
        return self.predict(self.task.parse(list(lines), "input"))

    def predict_text(self, lines: Iterable[str], place: str) -> str:
        """Return a text's predictions as text, in the format that was read."""
        examples = self.task.parse(list(lines), place)
        data: DataSource = build_config(DataSource, self.config["data"], "data")
        return self.task.render(examples, self.predict(examples), data)


def load_export(
    folder: Path | str, overrides: Sequence[str] = (), *, allow_changed_plugins: bool = False
) -> Predictor:
    """Load an exported model; nothing is used before its checksum is found right.

    `overrides` change how it writes, as in `decode.beam=1`. Raises `UserError` for a folder that is
    no export, saying what is missing or altered, for what is no key of `decode`, and for a plugin's
    part whose source has changed since, unless `allow_changed_plugins`.
    """
    folder = Path(folder)
    if not folder.is_dir():
        found = "this is a file" if folder.exists() else "there is no such folder"
        raise UserError(f"{folder}: {found}; expected the folder of an exported model.")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing and (folder / "model" / MARK).is_file():
        return load_export(folder / "model", overrides, allow_changed_plugins=allow_changed_plugins)
    if missing:
        raise UserError(
            f"{folder}: this is no exported model ({', '.join(missing)} missing); `seqline run` "
            "prints where it leaves one."
        )
    mark = _read_object(folder / MARK)
    if mark.get("format") != FORMAT:
        raise UserError(
            f"{folder}: found an export of format {mark.get('format')}, expected {FORMAT}; it "
            f"was written by seqline {mark.get('seqline')}."
        )
    altered = damage(folder)
    if altered is not None:
        raise UserError(
            f"{folder}: the export is damaged ({altered}); take it again from where it was made."
        )
    config = _read_object(folder / "config.json")
    try:
        checked = check(_overridden(config, overrides))
        if not allow_changed_plugins:
            _refuse_changed_parts(folder, mark.get("parts", {}), checked)
        return Predictor(folder, checked)
    except (KeyError, TypeError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{folder}: the export does not fit together ({first}).") from error


def _refuse_changed_parts(
    folder: Path, trained: Mapping[str, str], config: Mapping[str, Any]
) -> None:
    """Raise `UserError` for a plugin's part that has another source than when it was trained."""
    from seqline.provenance import parts_used

    now = parts_used(config) if trained else {}
    for name, source in trained.items():
        found = now.get(name, "none")
        if found != source:
            raise UserError(
                f"{folder}: {name} has changed since the model was trained (its source was "
                f"{source[:12]}, is {found[:12]}). Install it as it was, train again, or use it as "
                "it is now: --allow-changed-plugins."
            )


def _overridden(config: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a configuration with keys of its section `decode` changed."""
    from seqline.config.grammar import parse

    given = {}
    for override in parse(overrides):
        section, _, key = override.key_or_group.partition(".")
        if section != "decode" or not key:
            raise UserError(
                f"{override.key_or_group}: a trained model's keys cannot be changed but those of "
                "decode, as in decode.beam=1."
            )
        given[key] = override.value()
    return {**config, "decode": {**config.get("decode", {}), **given}} if given else config


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path.parent}: the export is damaged ({error}).") from error
    if not isinstance(value, dict):
        raise UserError(f"{path.parent}: the export is damaged ({path.name} is no object).")
    return value


def predict_file(
    folder: Path | str,
    file: Path | None,
    out: TextIO,
    overrides: Sequence[str] = (),
    *,
    allow_changed_plugins: bool = False,
) -> None:
    """Predict for a file, or standard input, and write the answers in the format read."""
    predictor = load_export(folder, overrides, allow_changed_plugins=allow_changed_plugins)
    out.write(predictor.predict_text(*read_input(file)))


def read_input(file: Path | None) -> tuple[list[str], str]:
    """Return the lines of a file, or of standard input, and the place that messages name.

    Raises `UserError` for what is not there, cannot be read or is not UTF-8.
    """
    from seqline_tasks.data.files import decode_lines, read_lines

    if file is None:
        place = "standard input"
        return [line for _, line in decode_lines(sys.stdin.buffer, place)], place
    if not file.is_file():
        raise UserError(f"{file}: there is no such file.")
    return [line for _, line in read_lines(file)], str(file)


def _size(example: Example) -> int:
    sizes = (len(value) for value in example.values() if isinstance(value, list | str))
    return max(sizes, default=0)

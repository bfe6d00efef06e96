"""`seqline predict`: an exported model on a file or on standard input."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from seqline_plugins.errors import UserError


def predict(
    model: str,
    file: Path | None,
    overrides: Sequence[str] = (),
    *,
    allow_changed_plugins: bool = False,
    as_json: bool = False,
) -> None:
    """Print what a model predicts, in the format of what it reads.

    `model` is an exported folder or a run's id; without `file` standard input is read.
    `overrides` change the section `decode`, as in `decode.beam=1`. With `as_json` it prints
    `{"predictions": […]}`, one list for each sequence.
    Raises `UserError` for what is no export, no run, or a file that is not there.
    """
    if file is not None and str(file).startswith("decode.") and not file.exists():
        file, overrides = None, [str(file), *overrides]
    if file is not None and not file.is_file():
        found = "this is a folder, expected a file" if file.is_dir() else "there is no such file"
        raise UserError(f"{file}: {found}.")
    if file is None and sys.stdin.isatty():
        print("reading standard input; end with Ctrl-D", file=sys.stderr)  # noqa: T201
    folder = export_folder(model)
    from seqline.exported import load_export, predict_file, read_input

    allowed = allow_changed_plugins

    if not as_json:
        predict_file(folder, file, sys.stdout, overrides, allow_changed_plugins=allowed)
        return
    with contextlib.redirect_stdout(sys.stderr):
        predictor = load_export(folder, overrides, allow_changed_plugins=allowed)
        examples = predictor.task.parse(*read_input(file))
        predictions = predictor.predict(examples)
    print(json.dumps({"predictions": predictions}, ensure_ascii=False))  # noqa: T201


def export_folder(model: str) -> Path:
    """Return the folder of an exported model; raises `UserError` for what names none."""
    folder = Path(model)
    if folder.exists():
        return folder
    if re.fullmatch("[0-9a-f]{4,32}", model):
        from seqline.home import home_path, open_home, quiet_environment

        quiet_environment()
        from seqline.runs.claim import find
        from seqline.tracking.run import export_of_run

        found = None
        if home_path().is_dir():
            home = open_home()
            whole = model if len(model) == 32 else find(home, model).run_id
            found = export_of_run(home, whole) if whole else None
        if found is None:
            raise UserError(f"{model}: no run of this id has an exported model in this home.")
        return found
    raise UserError(f"{model}: there is no such folder; expected an exported model or a run's id.")

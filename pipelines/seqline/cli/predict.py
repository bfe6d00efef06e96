"""`seqline predict`: an exported model on a file or on standard input."""

from __future__ import annotations

import sys
from pathlib import Path

from seqline_plugins.errors import UserError


def predict(model: str, file: Path | None, *, as_json: bool = False) -> None:
    """Print what a model predicts, in the format of what it reads.

    `model` is an exported folder or a run's id; without `file` standard input is read.
    Raises `UserError` for what is no export, no run, or a file that is not there.
    """
    if file is not None and not file.is_file():
        raise UserError(f"{file}: {'is a folder' if file.is_dir() else 'there is no such file'}.")
    if file is None and sys.stdin.isatty():
        print("reading standard input; end with Ctrl-D", file=sys.stderr)  # noqa: T201
    from seqline.exported import predict_file

    predict_file(Path(model), file, sys.stdout)

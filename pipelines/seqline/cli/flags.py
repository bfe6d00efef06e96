"""Flags that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Traceback = Annotated[bool, typer.Option("--traceback", help="Show Python's traceback on errors.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress: warnings and the result.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
AllowChanged = Annotated[
    bool,
    typer.Option("--allow-changed-plugins", help="Go on although a plugin's source has changed."),
]

"""`seqline plugins`: what is installed, one of them, its check, a new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from seqline.cli.completion import complete_plugin, complete_plugin_kind
from seqline.cli.failure import WRONG_INPUT, reported
from seqline.cli.flags import Json, Traceback

plugins = typer.Typer(
    help="List, show, check and begin plugins.", no_args_is_help=True, rich_markup_mode=None
)


@plugins.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help="cell, architecture or task; all if absent.",
            autocompletion=complete_plugin_kind,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Import each, in a process of its own.")
    ] = False,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """List the installed plugins.

    It reads their metadata alone: nothing is imported. With --check each is, in a process of its
    own and for a limited time; the status is 2 when one is broken.
    """
    with reported(traceback, as_json):
        from seqline.cli.listing import list_plugins

        good = list_plugins(kind, check=check, as_json=as_json)
    if check and not good:
        raise typer.Exit(WRONG_INPUT)


@plugins.command("show")
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A plugin; cell=NAME where several kinds have the name.",
            autocompletion=complete_plugin,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Its options: cell.recurrent_bias=true"),
    ] = None,
    code: Annotated[bool, typer.Option("--code/--no-code", help="The code of a cell too.")] = True,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Show a plugin's options; of a cell its equations too.

    Their derivative and the code made of them are shown as well.
    """
    with reported(traceback, as_json):
        from seqline.cli.show import show_plugin

        show_plugin(name, overrides or [], code=code, as_json=as_json)


@plugins.command("check")
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|PATH",
            help="A plugin, a plugin package's folder, or a file with the class.",
            autocompletion=complete_plugin,
        ),
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Its options: cell.recurrent_bias=true"),
    ] = None,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Hold a plugin to its contract and say what to mend.

    NAME is an installed one, PATH a package's folder or a file. The status is 2 when something is
    to be mended.
    """
    with reported(traceback, as_json):
        from seqline.cli.check import check_plugins

        good = check_plugins(name, overrides or [], as_json=as_json)
    if not good:
        raise typer.Exit(WRONG_INPUT)


@plugins.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in cell=NAME: my_cell.")],
    kind: Annotated[
        str, typer.Option("--kind", help="cell, step-cell, architecture or task.")
    ] = "cell",
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Write a plugin package that works into a new folder here."""
    with reported(traceback, as_json):
        from seqline.cli.new import new_plugin

        folder = new_plugin(name, kind, Path())
        if as_json:
            typer.echo(json.dumps({"folder": str(folder.resolve())}))
        else:
            next_one = f"`pip install -e ./{folder} pytest`; {folder}/README.md says more."
            typer.echo(f"{folder}: made. Next: {next_one}")

"""`seqline`: the commands and their flags. Nothing heavy is imported until a command runs."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from seqline import __version__
from seqline.cli.completion import complete_override
from seqline.cli.failure import INTERRUPTED, reported
from seqline.cli.flags import AllowChanged, Json, Quiet, Traceback
from seqline.cli.plugins import plugins
from seqline.startup import undisturbed

app = typer.Typer(
    name="seqline",
    help="Name a task, an architecture and a cell; get a trained, evaluated, exported model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(plugins, name="plugins")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"seqline {__version__}")
        raise typer.Exit


@app.callback()
def _seqline(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="What to change: cell=gru architecture.hidden_size=512 trainer.max_epochs=10",
            autocompletion=complete_override,
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Repeat every stage, also those already done.")
    ] = False,
    cfg: Annotated[
        bool, typer.Option("--cfg", help="Print the composed configuration and stop.")
    ] = False,
    traceback: Traceback = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Prepare the data, train, evaluate and export a model.

    The same command again goes on with a run that was interrupted.
    `seqline run --cfg` shows every key that can be given.
    """
    with reported(traceback, as_json):
        if cfg:
            with undisturbed():
                from seqline.cli.configuration import show_configuration

                show_configuration(overrides or [], as_json)
            return
        with undisturbed():
            from seqline.cli.run import run as command

            command(overrides or [], fresh=fresh, quiet=quiet, as_json=as_json)


@app.command()
def sweep(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE,VALUE",
            help="What to vary: cell=rnn,lstm,gru trainer.seed=0,1,2 sweep.parallel=2",
            autocompletion=complete_override,
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew, also where the sweep is finished.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Run more than 1,000 combinations without asking.")
    ] = False,
    cfg: Annotated[
        bool, typer.Option("--cfg", help="Print every child's overrides and stop.")
    ] = False,
    traceback: Traceback = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run each combination of values; a table of them.

    The same command again goes on with the children that are missing.
    """
    with reported(traceback, as_json), undisturbed():
        from seqline.cli.sweep import sweep as command

        command(overrides or [], fresh=fresh, yes=yes, cfg=cfg, quiet=quiet, as_json=as_json)


@app.command()
def compare(
    filters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTER", help="Which runs: cell=lstm,gru trainer.lr<=0.01 sweep=KEY"
        ),
    ] = None,
    uri: Annotated[
        str | None, typer.Option("--uri", help="MLflow's store; that of the runs if absent.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write it to a file as CSV, - prints it.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--md", help="Write it to a file in Markdown, - prints it.")
    ] = None,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Compare finished runs: a row a model, its mean over seeds.

    Beside it the interval over the seeds and the trivial baseline.
    """
    with reported(traceback, as_json), undisturbed():
        from seqline.cli.compare import compare as command

        command(filters or [], uri=uri, csv=csv, markdown=markdown, as_json=as_json)


@app.command()
def schedule(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]... | list | pause|resume|remove|run NAME",
            help="What to run, as for `seqline run`; or what to do with a schedule.",
            autocompletion=complete_override,
        ),
    ] = None,
    cron: Annotated[
        str | None, typer.Option("--cron", help="When: '0 3 * * *' is every night at three.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Its time zone; this machine's if absent.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="The schedule's name.")] = None,
    overlap: Annotated[
        str,
        typer.Option("--overlap", help="While one is under way: skip, queue or allow the next."),
    ] = "skip",
    catch_up: Annotated[
        str,
        typer.Option("--catch-up", help="Of runs missed while nothing served: last, all or none."),
    ] = "last",
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Run by the clock; list, pause, resume or remove schedules.

    `seqline serve` runs what is due.
    """
    with reported(traceback, as_json):
        from seqline.cli.schedule import schedule as command

        command(
            words or [],
            cron=cron,
            zone=zone,
            name=name,
            overlap=overlap,
            catch_up=catch_up,
            as_json=as_json,
        )


@app.command()
def serve(traceback: Traceback = False) -> None:
    """Run what schedules are due, until Ctrl-C.

    Stopping it pauses no schedule.
    """
    with reported(traceback):
        from seqline.home import open_home, quiet_environment

        quiet_environment()
        from seqline.services.serve import serve_schedules

        serve_schedules(open_home())


@app.command()
def promote(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The registered model's name.")],
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="The newest if absent.")
    ] = None,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Make a version of a task's model its champion, by hand."""
    with reported(traceback, as_json):
        from seqline.cli.champion import promote as command

        command(task, version, as_json=as_json)


@app.command()
def rollback(
    task: Annotated[str, typer.Argument(metavar="TASK", help="The registered model's name.")],
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Make the champion before the present one champion again."""
    with reported(traceback, as_json):
        from seqline.cli.champion import rollback as command

        command(task, as_json=as_json)


@app.command()
def resume(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="Its id, or the first letters; the newest interrupted if absent."
        ),
    ] = None,
    allow_changed_plugins: AllowChanged = False,
    traceback: Traceback = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Continue a run that was interrupted, killed or has failed."""
    with reported(traceback, as_json):
        from seqline.cli.resume import resume as command

        command(run, allow_changed_plugins=allow_changed_plugins, quiet=quiet, as_json=as_json)


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Free it without asking.")] = False,
    reusable: Annotated[
        bool,
        typer.Option("--reusable", help="Also what finished runs keep only to be used again."),
    ] = False,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Show what the home holds and free what no run needs."""
    with reported(traceback, as_json):
        from seqline.cli.clean import clean as command

        command(yes=yes, reusable=reusable, as_json=as_json)


@app.command()
def predict(
    model: Annotated[
        str, typer.Argument(metavar="FOLDER|RUN", help="An exported model, or a run.")
    ],
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", readable=False, help="What to read; standard input if absent."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="decode.KEY=VALUE…", help="How sequences are written."),
    ] = None,
    allow_changed_plugins: AllowChanged = False,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Use an exported model on a file or on standard input."""
    with reported(traceback, as_json), undisturbed():
        from seqline.cli.predict import predict as command

        allowed = allow_changed_plugins
        command(model, file, overrides or (), allow_changed_plugins=allowed, as_json=as_json)


@app.command()
def generate(
    model: Annotated[
        str, typer.Argument(metavar="FOLDER|RUN", help="An exported model, or a run.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="decode.KEY=VALUE…",
            help="How it is drawn: decode.temperature=0.8 decode.seed=1 decode.max_length=1000",
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", help="How many.", min=1)] = 1,
    beginning: Annotated[
        str | None, typer.Option("--from", metavar="TEXT", help="What it begins with.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            metavar="FOLDER",
            help="Write files there; text goes to the terminal without it, all else to generated/.",
        ),
    ] = None,
    allow_changed_plugins: AllowChanged = False,
    traceback: Traceback = False,
    as_json: Json = False,
) -> None:
    """Let an exported model make something: text, music, drawings.

    The same seed makes the same. A temperature below 1 makes the likely likelier, 0 takes the
    likeliest.
    """
    with reported(traceback, as_json), undisturbed():
        from seqline.cli.generate import generate as command

        command(
            model,
            overrides or (),
            n=n,
            beginning=beginning,
            to=to,
            allow_changed_plugins=allow_changed_plugins,
            as_json=as_json,
        )


@app.command()
def ui(traceback: Traceback = False) -> None:
    """Serve MLflow's and Prefect's pages here, until Ctrl-C."""
    with reported(traceback):
        from seqline.home import open_home, quiet_environment

        quiet_environment()
        from seqline.services.ui import serve_ui

        serve_ui(open_home())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; `arguments` are the process's own if None."""
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="seqline")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def console() -> None:
    """Run `main` as the process's own command and end the process with its status.

    Everything that wants to be told of the end is told; only the tearing down of the libraries,
    module by module, is left out: after torch it takes longer than a short command.
    """
    status = 1
    atexit.register(lambda: os._exit(status))  # registered first, so called last
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()

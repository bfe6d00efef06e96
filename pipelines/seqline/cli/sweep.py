"""`seqline sweep`: many runs as one, and their table."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from seqline.cli.progress import watch
from seqline.cli.sweep_progress import watch_sweep
from seqline.sweep.preparation import (
    check_children,
    done_before,
    made_of,
    plan_of,
    settle_fairness,
    sweep_identity,
    wait_for_orphans,
)
from seqline.sweep.settings import Settings
from seqline.sweep.space import Space, overrides_of, read_sweep
from seqline_plugins.errors import SeqlineError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from seqline.comparison.table import Row
    from seqline.home import Home
    from seqline.sweep.process import Outcome
    from seqline.sweep.record import SweepAttempt, SweepRecord

PATIENCE = 45.0
"""Seconds that children of a sweep that was killed have to end."""


def sweep(
    overrides: Sequence[str], *, fresh: bool, yes: bool, cfg: bool, quiet: bool, as_json: bool
) -> None:
    """Run every child, or continue the sweep that the same command began, and print the table.

    Raises `UserError` before anything is written for what is wrong in any child, `SeqlineError`
    at the end when children failed.
    """
    quiet = quiet or as_json
    with contextlib.redirect_stdout(sys.stderr):
        space, settings = read_sweep(overrides, yes=yes)
        configs = check_children(space, settings)
    if cfg:
        _show_children(space, settings, as_json)
        return
    with contextlib.redirect_stdout(sys.stderr), watch(quiet) as reporter:
        from seqline.home import open_home, quiet_environment

        quiet_environment()
        home = open_home()
        from seqline.sweep.record import SweepRecord, claim_sweep

        asked = sweep_identity(overrides, settings)
        found = claim_sweep(
            home, overrides, asked, made_of(configs), home.tracking_name,
            fresh=fresh, say=reporter.say,
        )  # fmt: skip
        if not isinstance(found, SweepRecord) and not found.record.attempts:
            try:
                settle_fairness(found, space, settings, configs, reporter)
            except BaseException:
                shutil.rmtree(found.folder, ignore_errors=True)
                raise
    if isinstance(found, SweepRecord):
        _show_finished(home, found, as_json)
        return
    try:
        with contextlib.redirect_stdout(sys.stderr), found.held():
            rows, troubles, size = _go_on(found, space, settings, configs, quiet)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; the same command again goes on with sweep {found.record.key}."
        ) from None
    _show(home, found.record, rows, troubles, as_json)
    failed = [title for title, one in troubles.items() if one.status == "failed"]
    if failed:
        raise SeqlineError(
            f"{len(failed)} of {size} children failed; the same command again tries them again. "
            f"Their logs: {found.folder}/children"
        )


def _go_on(
    attempt: SweepAttempt,
    space: Space,
    settings: Settings,
    configs: Sequence[dict[str, Any]],
    quiet: bool,
) -> tuple[list[Row], Mapping[str, Outcome], int]:
    """Run the children that are missing; return the table and what became of the others."""
    from seqline.launch import prefect_api
    from seqline.services.address import check_prefect, check_tracking
    from seqline.sweep.equal import KEY, model_of
    from seqline.sweep.parents import Parents

    def overrides_for(values: Mapping[str, str]) -> list[str]:
        solved = attempt.record.sizes.get(model_of(space, values))
        equal = [f"{KEY}={solved}"] if solved is not None else []
        return [*overrides_of(values), *equal, *attempt.record.added]

    check_tracking()
    check_prefect()
    again = bool(attempt.record.attempts)
    attempt.begin()
    name = settings.name or f"sweep: {space.name}"
    with prefect_api(attempt.home) as server:
        if again:
            wait_for_orphans(attempt, PATIENCE)
        grid = settings.search == "grid"
        done = done_before(attempt, space, overrides_for) if again and grid else set()
        plan = plan_of(attempt, space, settings, configs, done)
        with watch_sweep(plan.size, len(done), settings.parallel, quiet=quiet) as shown:
            if again:
                shown.say(f"continuing sweep {attempt.record.key}: {len(done)} children are done")
            parents = Parents(attempt, space, name, shown.warn)
            if server is not None:
                server.wait()
            import os

            from seqline.sweep.flow import Sweep, run_sweep
            from seqline.tracking.settle import crash_flow_runs, settle_prefect

            url = os.environ["PREFECT_API_URL"]
            settle_prefect(attempt.home, url)
            if again:
                crash_flow_runs(attempt.record, url)
            rows: list[Row] = []

            def conclude() -> tuple[str, Mapping[str, str]]:
                rows.extend(_rows(parents.client, attempt.record.key))
                return _end(attempt, parents, under_way, rows)

            under_way = Sweep(
                attempt, space, plan, parents, shown, name, settings.parallel, url,
                server is None, len(done), conclude, overrides_for,
            )  # fmt: skip
            try:
                run_sweep(under_way)
            except BaseException as error:
                parents.give_up()
                with contextlib.suppress(Exception):
                    parents.end("KILLED", "", {}, str(error) or type(error).__name__)
                raise
    failed = any(one.status == "failed" for one in under_way.troubles.values())
    attempt.note(status="failed" if failed else "finished", unmarked={})
    return rows, under_way.troubles, plan.size


def _rows(client: MlflowClient, key: str) -> list[Row]:
    from seqline.comparison.runs import read_runs
    from seqline.comparison.table import tabulate
    from seqline.tracking.store import SWEEP

    return tabulate(read_runs(client, f"tags.{SWEEP} = '{key}'"))


def _end(
    attempt: SweepAttempt, parents: Any, sweep: Any, rows: Sequence[Row]
) -> tuple[str, Mapping[str, str]]:
    """Give the parents in MLflow their table and end; return what Prefect shows."""
    from seqline.comparison.render import as_markdown
    from seqline.services.ui import tracking_pages

    failed = {t: one for t, one in sweep.troubles.items() if one.status == "failed"}
    table = as_markdown(rows) if rows else "No child has finished.\n"
    if failed:
        lines = [f"- {title}: {one.error}" for title, one in failed.items()]
        table += "\n**Failed**\n\n" + "\n".join(lines) + "\n"
    figures = {"sweep/children": float(sweep.plan.size), "sweep/failed": float(len(failed))}
    why = f"{len(failed)} of {sweep.plan.size} children failed" if failed else ""
    parents.end("FAILED" if failed else "FINISHED", table, figures, why)
    pages = tracking_pages(attempt.home)
    if pages is None:
        return table, {}
    return table, {str(n): pages + page for n, page in enumerate(parents.pages(), start=1)}


def _show_finished(home: Home, record: SweepRecord, as_json: bool) -> None:
    from seqline.tracking.store import open_store

    rows = _rows(open_store(home), record.key)
    if not as_json:
        print("this sweep is finished already; --fresh runs it again.", file=sys.stderr)  # noqa: T201
    _show(home, record, rows, {}, as_json)


def _show(
    home: Home,
    record: SweepRecord,
    rows: Sequence[Row],
    troubles: Mapping[str, Outcome],
    as_json: bool,
) -> None:
    from seqline.comparison.render import as_plain, show
    from seqline.services.ui import tracking_pages
    from seqline.tracking.store import runs_page

    if as_json:
        listed = [
            {"child": title, "status": one.status, "error": one.error}
            for title, one in troubles.items()
        ]
        said = {
            "sweep": record.key,
            "rows": [as_plain(row) for row in rows],
            "not_finished": listed,
            "parents": record.parents,
        }
        print(json.dumps(said, ensure_ascii=False))  # noqa: T201
        return
    console = Console(highlight=False)
    if rows:
        show(rows, console)
    pruned = sum(one.status == "pruned" for one in troubles.values())
    if pruned:
        console.print(f"pruned, since others did better: {pruned}")
    for title, one in troubles.items():
        if one.status != "pruned":
            console.print(f"{title}: {one.status}, {one.error}", style="red", soft_wrap=True)
    console.print(f"the table again: seqline compare sweep={record.key}", soft_wrap=True)
    pages = tracking_pages(home)
    for experiment in record.parents if pages is not None else ():
        console.print(f"in MLflow: {pages}{runs_page(experiment, record.key)}", soft_wrap=True)


def _show_children(space: Space, settings: Settings, as_json: bool) -> None:
    """Print the overrides of every child, one a line; of a search what it draws from."""
    if settings.search != "grid":
        texts = [
            f"{axis.key}={','.join(axis.values) if axis.interval is None else axis.interval}"
            for axis in space.axes
        ]
    else:
        texts = [" ".join(overrides_of(space.values(number))) for number in range(space.size)]
    print(json.dumps({"children": texts}) if as_json else "\n".join(texts))  # noqa: T201

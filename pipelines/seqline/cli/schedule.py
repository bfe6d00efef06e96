"""`seqline schedule`: runs by the clock; `list`, `pause`, `resume`, `remove` and `run` of them."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from seqline.config.compose import compose
from seqline.data import data_fingerprint
from seqline.home import Home, open_home, quiet_environment
from seqline.schedules.policy import CATCH_UP, OVERLAP
from seqline_plugins.errors import UserError, nearest

if TYPE_CHECKING:
    from seqline.schedules.deployment import Schedule

ACTIONS = ("list", "pause", "resume", "remove", "run")


def schedule(
    words: Sequence[str],
    *,
    cron: str | None,
    zone: str | None,
    name: str | None,
    overlap: str,
    catch_up: str,
    as_json: bool,
) -> None:
    """Make a schedule of the overrides `words`, or do what the first word says with one.

    Raises `UserError` before anything is made for overrides that do not compose, data that are
    not there, a wrong cron line, zone, policy or name, and where no server is up.
    """
    if cron is None:
        _act(words, as_json)
        return
    for flag, given, known in (
        ("--overlap", overlap, OVERLAP),
        ("--catch-up", catch_up, CATCH_UP),
    ):
        if given not in known:
            raise UserError(f"{flag} {given}: expected {', '.join(known)}.{nearest(given, known)}")
    with contextlib.redirect_stdout(sys.stderr):
        config = compose(words)
        data_fingerprint(config)
    quiet_environment()
    home = open_home()
    from seqline.schedules.cron import check_cron, own_zone

    due = check_cron(cron, zone or own_zone())
    url = _server(home)
    from seqline.schedules.deployment import (
        find_schedule,
        make_schedule,
        prefect_client,
        workers_online,
    )

    with prefect_client(url) as client:
        made = make_schedule(
            client, home, config, words, due, name=name, overlap=overlap, catch_up=catch_up
        )
        found, workers = find_schedule(client, made), workers_online(client)
    if as_json:
        print(json.dumps(_plain(found) | {"workers": workers}, ensure_ascii=False))  # noqa: T201
        return
    console = Console(highlight=False)
    console.print(f"scheduled as {found.name}: {found.cron} ({found.zone})", soft_wrap=True)
    console.print(f"overlap={overlap}: {OVERLAP[overlap]}", soft_wrap=True)
    console.print(f"catch-up={catch_up}: {CATCH_UP[catch_up]}", soft_wrap=True)
    if not workers:
        console.print(
            "no worker serves the pool `seqline` now, so nothing is run until `seqline serve` "
            "(here) or `prefect worker start --pool seqline` (anywhere) does.",
            style="yellow",
            soft_wrap=True,
        )


def _act(words: Sequence[str], as_json: bool) -> None:
    action, *names = words or ["list"]
    if action not in ACTIONS:
        if "=" in action:
            raise UserError("schedule: when? Give --cron, as in --cron '0 3 * * *'.")
        raise UserError(
            f"schedule {action}: expected one of {', '.join(ACTIONS)}, or --cron LINE and "
            f"overrides.{nearest(action, ACTIONS)}"
        )
    if (action == "list") == bool(names) or len(names) > 1:
        wanted = "no name" if action == "list" else "the name of one schedule"
        raise UserError(f"schedule {action}: expected {wanted}; `seqline schedule list` shows all.")
    quiet_environment()
    url = _server(open_home())
    from seqline.schedules import deployment

    with deployment.prefect_client(url) as client:
        if action == "list":
            _show(deployment.list_schedules(client), as_json)
            return
        found = deployment.find_schedule(client, names[0])
        said = {"name": found.name, "done": action}
        if action == "run":
            said["flow_run"] = deployment.run_now(client, found)
            if not deployment.workers_online(client):
                said["note"] = "no worker serves the pool now; `seqline serve` starts one"
        elif action == "remove":
            deployment.remove_schedule(client, found)
        else:
            deployment.set_active(client, found, active=action == "resume")
    past = {"pause": "paused", "resume": "goes on", "remove": "removed", "run": "is run now"}
    text = f"{found.name}: {past[action]}" + (f"; {said['note']}" if "note" in said else "")
    print(json.dumps(said) if as_json else text)  # noqa: T201


def _server(home: Home) -> str:
    """Return the API's address; raises `UserError` where no server is up."""
    from seqline.services.address import check_prefect
    from seqline.services.lasting import prefect_url

    check_prefect()
    url = prefect_url(home)
    if url is None:
        raise UserError(
            "no Prefect server is up to keep schedules: start `seqline serve`, which also runs "
            "them, or `seqline ui`; or name your team's with PREFECT_API_URL=http://HOST:4200/api."
        )
    return url


def _show(found: Sequence[Schedule], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"schedules": [_plain(one) for one in found]}))  # noqa: T201
        return
    if not found:
        print("no schedule; `seqline schedule --cron '0 3 * * *' cell=gru` makes one.")  # noqa: T201
        return
    console = Console(highlight=False)
    plain = not console.is_terminal
    table = Table(box=None if plain else SIMPLE_HEAD, pad_edge=False)
    for column in ("name", "cron", "zone", "state", "next (UTC)", "last", "overlap", "catch-up"):
        table.add_column(column, no_wrap=plain)
    table.add_column("overrides", overflow="fold", no_wrap=plain)
    for one in found:
        table.add_row(
            one.name,
            one.cron,
            one.zone,
            "active" if one.active else "paused",
            f"{one.due:%Y-%m-%d %H:%M}" if one.due else "",
            one.last,
            one.overlap,
            one.catch_up,
            " ".join(one.overrides),
        )
    if plain:
        console = Console(file=console.file, width=1000, highlight=False)
    console.print(table)


def _plain(one: Schedule) -> dict[str, object]:
    due = one.due.isoformat() if one.due else None
    return {**asdict(one), "due": due, "id": str(one.id)}

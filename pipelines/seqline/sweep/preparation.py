"""What is settled before a sweep's first child starts, and refused before anything is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from seqline.config.compose import compose
from seqline.data import data_fingerprint
from seqline.reporter import Reporter
from seqline.sweep.equal import minutes_for, solve_sizes
from seqline.sweep.plan import Grid, Plan, Search
from seqline.sweep.record import SweepAttempt
from seqline.sweep.settings import CHANGES_NOTHING, Settings
from seqline.sweep.space import Space, overrides_of
from seqline_plugins.errors import UserError

ALL = 200
"""Combinations up to which each is composed; of more, only every value once."""
Config = dict[str, Any]


def check_children(space: Space, settings: Settings) -> list[Config]:
    """Return the children's configurations, of many children some in which each value stands.

    Raises `UserError`, naming the child, for one that does not compose, and for data that are
    not there.
    """
    configs: list[Config] = []
    seen = set()
    for values in _looked_at(space):
        try:
            config = compose(overrides_of(values))
        except UserError as error:
            if not configs:  # it is wrong in all of them
                raise
            raise UserError(f"{error} (in the child {space.title(values)})") from error
        data = json.dumps([config["task"], config["data"]], sort_keys=True)
        if data not in seen:
            seen.add(data)
            data_fingerprint(config)
        configs.append(config)
    if settings.search != "grid":
        _check_search(space)
    return configs


def _looked_at(space: Space) -> Iterator[dict[str, str]]:
    drawn = {axis.key: axis.interval for axis in space.axes if axis.interval is not None}
    ends = [
        {key: str(getattr(one, end)) for key, one in drawn.items()}
        for end in (("low", "high") if drawn else ("low",))
    ]
    named = Space(tuple(axis for axis in space.axes if axis.interval is None))
    looked = (
        [named.values(number) for number in range(named.size)]
        if named.size * len(ends) <= ALL
        else list(named.corners())
    )
    for values in looked:
        for end in ends if values is looked[0] else ends[:1]:
            both = {**values, **end}
            yield {axis.key: both[axis.key] for axis in space.axes}


def _check_search(space: Space) -> None:
    if any(axis.key == "task" for axis in space.varied):
        raise UserError(
            "sweep.search=optuna: the figures of two tasks cannot be compared; search for one "
            "task at a time."
        )


def sweep_identity(texts: Sequence[str], settings: Settings) -> dict[str, Any]:
    """Return what the same sweep has in common: its overrides and settings that count."""
    kept = {key: value for key, value in asdict(settings).items() if key not in CHANGES_NOTHING}
    return {"overrides": [text for text in texts if not text.startswith("sweep.")], **kept}


def made_of(configs: Sequence[Config]) -> dict[str, str]:
    """Return the source hashes of all plugins and of the training, and the data's digests.

    A task's metrics count too: the children of one sweep are scored alike.
    """
    from seqline.provenance import plugins_used
    from seqline.runs.changes import code_of, data_digest

    found: dict[str, str] = {}
    for config in configs:
        found |= code_of(config)
        tasks = (one for one in plugins_used(config) if one["kind"] == "task")
        found |= {f"the task {one['name']}": one["source_hash"] for one in tasks}
    for config in _distinct_data(configs):
        name = f"the data of {config['task']['name']}"
        digest = data_digest(config)
        found[name] = found.get(name, "") + digest
    return found


def _distinct_data(configs: Sequence[Config]) -> Iterator[Config]:
    seen = set()
    for config in configs:
        key = json.dumps([config["task"], config["data"]], sort_keys=True)
        if key not in seen:
            seen.add(key)
            yield config


def settle_fairness(
    attempt: SweepAttempt,
    space: Space,
    settings: Settings,
    configs: Sequence[Config],
    reporter: Reporter,
) -> None:
    """Note what every child gets beside its own values: threads, minutes, hidden sizes.

    Children side by side share the processors; a sweep that goes on keeps what was noted.
    """
    added = []
    own = len(os.sched_getaffinity(0))
    if settings.parallel > 1 and all(one["trainer"]["threads"] is None for one in configs):
        added.append(f"trainer.threads={max(1, own // settings.parallel)}")
    if settings.equal == "minutes":
        added += minutes_for(space, configs)
    sizes = {}
    if settings.equal == "parameters":
        if settings.search != "grid":
            raise UserError("sweep.equal=parameters: goes with sweep.search=grid only.")
        children = [space.values(number) for number in range(space.size)]
        sizes = solve_sizes(space, children, added, attempt.home, reporter)
    attempt.note(added=added, sizes=sizes)


def plan_of(
    attempt: SweepAttempt,
    space: Space,
    settings: Settings,
    configs: Sequence[Config],
    done: set[int],
) -> Plan:
    """Return the plan of the children that are still to run."""
    if settings.search == "grid":
        return Grid(space, done)
    from filelock import FileLock

    from seqline.stages.train import primary_metric
    from seqline_plugins.build import build_task

    config = configs[0]
    metric = primary_metric(build_task(config["task"]), config)
    every = float(config["trainer"]["validate_every"])
    with FileLock(attempt.home.path / "optuna.lock"):  # its database is made once
        url = f"sqlite:///{attempt.home.path / 'optuna.db'}"
        return Search(space, settings, url, attempt.record.key, metric.direction, every)


def done_before(attempt: SweepAttempt, space: Space, overrides_for: Any) -> set[int]:
    """Return the numbers of the children of a grid that have finished."""
    from seqline.runs.claim import identity_of

    finished = {
        identity for identity, one in attempt.children().items() if one.status == "finished"
    }
    if not finished:
        return set()
    found = set()
    for number in range(space.size):
        config = compose(overrides_for(space.values(number)))
        if identity_of(config, attempt.home, attempt.record.key) in finished:
            found.add(number)
    return found


def wait_for_orphans(attempt: SweepAttempt, seconds: float) -> None:
    """Wait for children of a sweep that was killed: each hears of it and writes its checkpoint."""
    from filelock import Timeout

    from seqline.runs.attempt import lock_of

    for record in attempt.children().values():
        if record.status != "running":
            continue
        lock = lock_of(attempt.home, record.key)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            at = record.attempts[-1]
            raise UserError(
                f"the child {record.title} of sweep {attempt.record.key} is still under way: "
                f"process {at['pid']}. Wait for it or end it."
            ) from None
        lock.release()

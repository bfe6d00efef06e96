"""The record of a run: a file in the home that outlives the process and says where it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from seqline.durable import sync_folder, write_whole
from seqline.home import Home
from seqline_plugins.errors import UserError

FORMAT = 1
OPEN = "open"
"""A file beside the record for as long as the run is not finished and marked everywhere."""
KEY = re.compile("[0-9a-f]{12}")
DIGEST = re.compile("[0-9a-f]{64}")
STATUSES = ("running", "interrupted", "killed", "failed", "finished")


@dataclass
class RunRecord:
    """What is known of a run.

    key       its name here; it stands in MLflow and in Prefect as a tag
    identity  the digest of its configuration and tracking store: its twins have the same
    tracking  the tracking store, "home" for the home's own
    run_id    its id in MLflow, None before it has one
    code      the source of every plugin and of the training, by name
    data      the digest of the data's fingerprint, None before they were read
    machine   what of the machine changes the bits, with its name
    stages    the digests of the finished stages
    attempts  host, pid, time and flow run of each
    unmarked  what MLflow and Prefect are still to be told of an attempt that ended
    sweep     the sweep it is a child of, `parent` that sweep's run in MLflow
    title     what tells it from the sweep's other children
    """

    key: str
    identity: str
    config: dict[str, Any]
    overrides: list[str]
    fresh: bool
    folder: str
    tracking: str
    status: str
    code: dict[str, str]
    experiment: str | None = None
    run_id: str | None = None
    data: str | None = None
    machine: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    unmarked: dict[str, str] = field(default_factory=dict)
    sweep: str | None = None
    parent: str | None = None
    title: str | None = None

    @property
    def name(self) -> str:
        """The name by which people know the run: MLflow's id, its own key before it has one."""
        return self.run_id or self.key

    @property
    def tag(self) -> str:
        """The tag of its flow runs in Prefect."""
        return f"seqline:{self.key}"


def place_of(home: Home, key: str) -> Path:
    """Return the folder of a run's record."""
    return home.runs / key


def save(home: Home, record: RunRecord) -> None:
    """Write a record, whole or not at all."""
    folder = place_of(home, record.key)
    values = asdict(record)
    mark = folder / OPEN
    if record.status != "finished" or record.unmarked:
        mark.touch()
    text = json.dumps({"format": FORMAT, "sha256": _sum(values), "record": values}, indent=1)
    write_whole(folder / "run.json", text + "\n")
    if record.status == "finished" and not record.unmarked:
        mark.unlink(missing_ok=True)


def load(home: Home, key: str) -> RunRecord:
    """Read a record; raises `UserError` for one that is not there, damaged or newer."""
    path = place_of(home, key) / "run.json"
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        version, values = written["format"], written["record"]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: the run's record is damaged ({error}).") from error
    if version != FORMAT:
        raise UserError(
            f"{path}: found a record of format {version}, expected {FORMAT}; it was written by a "
            "newer seqline, which can continue it."
        )
    if written.get("sha256") != _sum(values):
        raise UserError(f"{path}: the run's record was altered (its checksum does not fit).")
    record = RunRecord(**values)
    sound = record.key == key and record.status in STATUSES
    if not sound or not all(DIGEST.fullmatch(digest) for digest in record.stages.values()):
        raise UserError(f"{path}: the run's record is damaged.")
    return record


def records(home: Home, *, unfinished: bool = False) -> Iterator[RunRecord]:
    """Yield the records of a home that can be read; `unfinished` leaves out those all done."""
    for key in keys(home):
        if unfinished and not (place_of(home, key) / OPEN).exists():
            continue
        try:
            yield load(home, key)
        except UserError:
            continue  # said when it is asked for by its name


def keys(home: Home) -> list[str]:
    """Return the keys of all records, those that cannot be read too."""
    if not home.runs.is_dir():
        return []
    return sorted(entry.name for entry in os.scandir(home.runs) if KEY.fullmatch(entry.name))


def remove(home: Home, key: str) -> None:
    """Forget a run: its record, its log of figures, its checkpoints."""
    shutil.rmtree(home.checkpoints / key, ignore_errors=True)
    shutil.rmtree(place_of(home, key), ignore_errors=True)
    if home.runs.is_dir():
        sync_folder(home.runs)


def _sum(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

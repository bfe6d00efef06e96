"""A stage's folder: made under a temporary name, renamed when it is whole."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seqline.digest import digest_of
from seqline.durable import sync_folder, sync_tree
from seqline.home import Home
from seqline.reporter import Reporter
from seqline.seal import damage, seal

SHOWN = 16
"""Hexadecimal digits of a digest that stand in a folder's name."""
DAMAGED = ".damaged-"
AT_ONCE = 0.5
"""Seconds after which waiting for another run is worth a line."""


@dataclass(frozen=True)
class StageResult:
    """A finished stage: its folder, the digest of what determines it, whether it was there."""

    name: str
    folder: Path
    digest: str
    reused: bool


@dataclass(frozen=True)
class Workspace:
    """What the stages of a run share.

    home, reporter  where folders are kept, and who hears of them
    fresh           make again what others have left
    done            the digests of the stages that the run itself has finished, by name
    note            told of a stage's name and digest when it is finished, before anyone may free it
    """

    home: Home
    reporter: Reporter
    fresh: bool = False
    done: Mapping[str, str] = field(default_factory=dict)
    note: Callable[[str, str], None] = lambda name, digest: None


def make_stage(
    name: str,
    ingredients: Mapping[str, Any],
    make: Callable[[Path], None],
    workspace: Workspace,
) -> StageResult:
    """Return the stage's folder, reused where its digest is there, else filled by `make`.

    `make` gets an empty folder under a temporary name; if it fails, nothing is left behind. Of
    two processes that ask for one digest the second waits and finds it. A folder that is not as
    it was written is set aside and made again, saying so.
    """
    workspace.reporter.stage_started(name)
    started = time.perf_counter()
    digest = digest_of({"stage": name, **ingredients})
    done = workspace.done.get(name)
    if done is not None and stage_folder(workspace.home, name, done).is_dir():
        digest = done  # on another machine, or with plugins changed, it would have another name
    final = stage_folder(workspace.home, name, digest)
    with _locked(final, workspace):
        _clear_up(final)
        reused = _usable(final, workspace) and (digest == done or not workspace.fresh)
        if not reused:
            partial = final.with_name(f".partial-{final.name}-{os.getpid()}")
            partial.mkdir()
            try:
                make(partial)
                write_json(partial / "ingredients.json", {"stage": name, **ingredients})
                seal(partial)
                sync_tree(partial)
                _put_in_place(partial, final)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        workspace.note(name, digest)
    workspace.reporter.stage_finished(name, final, reused, time.perf_counter() - started)
    return StageResult(name, final, digest, reused)


def stage_folder(home: Home, name: str, digest: str) -> Path:
    """Return where the folder of a stage lies, whether or not it is there."""
    return home.stages / f"{name}-{digest[:SHOWN]}"


def lock_of_stage(home: Home, folder: str) -> FileLock:
    """Return the lock of a stage's folder: whoever makes, notes or frees it holds it."""
    home.locks.mkdir(parents=True, exist_ok=True)
    return FileLock(home.locks / f"{folder}.lock")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that a person can read."""
    text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def _locked(final: Path, workspace: Workspace) -> Iterator[None]:
    final.parent.mkdir(parents=True, exist_ok=True)
    lock = lock_of_stage(workspace.home, final.name)
    try:
        lock.acquire(timeout=AT_ONCE)
    except Timeout:
        workspace.reporter.say(f"{final.name}: another run is making it; waiting to use the same")
        lock.acquire(poll_interval=0.2)
    try:
        yield
    finally:
        lock.release()


def _clear_up(final: Path) -> None:
    """Finish or remove what a process that was killed has left of a folder."""
    whole = _whole(final)
    if whole.is_dir():
        shutil.rmtree(final, ignore_errors=True)
        whole.rename(final)
    for left in final.parent.glob(f".partial-{final.name}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _usable(final: Path, workspace: Workspace) -> bool:
    if not final.is_dir():
        return False
    found = damage(final)
    if found is None:
        return True
    aside = final.with_name(f"{DAMAGED}{final.name}-{time.time_ns():x}")
    final.rename(aside)
    workspace.reporter.warn(
        f"{final}: {found}; it is not used but made again, and the altered one is kept as "
        f"{aside.name}."
    )
    return False


def _put_in_place(partial: Path, final: Path) -> None:
    """Rename a whole folder to its name; one that is there already goes.

    A kill between the two is made good by the next process: `_clear_up` finds the whole one.
    """
    if final.is_dir():
        whole = _whole(final)
        partial.rename(whole)
        shutil.rmtree(final)
        whole.rename(final)
    else:
        partial.rename(final)
    sync_folder(final.parent)


def _whole(final: Path) -> Path:
    return final.with_name(f".whole-{final.name}")

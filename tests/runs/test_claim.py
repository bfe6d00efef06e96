"""Which run a command is: a new one, an interrupted twin, or none while a twin is running."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_language import conllu, sentences, write_splits

from seqline.config.compose import compose
from seqline.home import Home, open_home
from seqline.reporter import SilentReporter
from seqline.runs.attempt import Attempt
from seqline.runs.changes import data_digest
from seqline.runs.claim import claim, find, reclaim
from seqline.runs.record import RunRecord, keys, load, place_of, records, save
from seqline_plugins.errors import UserError

FORK = multiprocessing.get_context("fork")
DIGEST = "0" * 64


class Notes(SilentReporter):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def home() -> Home:
    return open_home()


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return compose(["trainer.seed=3"])


def interrupt(attempt: Attempt, error: BaseException | None = None, run_id: str = "") -> None:
    """End an attempt that has come to something."""
    with contextlib.suppress(KeyboardInterrupt, OSError), attempt.held():
        attempt.note(run_id=run_id or "f" * 32)
        raise error or KeyboardInterrupt


@contextlib.contextmanager
def elsewhere(home: Home, seed: int) -> Iterator[subprocess.Popen[str]]:
    """Hold a run in a process of its own, until it is killed."""
    code = (
        "import sys, time; from seqline.home import *; from seqline.runs.claim import claim\n"
        "from seqline.config.compose import compose; from seqline.reporter import SilentReporter\n"
        f"a = claim(compose(['trainer.seed={seed}']), open_home(), SilentReporter())\n"
        "a.note(run_id='e' * 32); print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_same_again_continues_an_interrupted_run(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    first = claim(config, home, notes)
    interrupt(first)
    assert load(home, first.record.key).status == "interrupted"
    again = claim(config, home, notes)
    assert again.record.key == first.record.key and again.number == 2
    assert "it was interrupted" in notes.said[-1]
    again.let_be()


@pytest.mark.parametrize("error", [OSError(28, "No space left"), KeyboardInterrupt()])
def test_what_came_to_nothing_leaves_no_record(
    home: Home, config: dict[str, Any], notes: Notes, error: BaseException
) -> None:
    with contextlib.suppress(KeyboardInterrupt, OSError), claim(config, home, notes).held():
        raise error
    assert keys(home) == []


def test_a_failed_run_is_continued_a_finished_one_is_not(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    first = claim(config, home, notes)
    interrupt(first, OSError(28, "No space left"))
    again = claim(config, home, notes)
    assert again.record.key == first.record.key
    with again.held():
        again.marked("mlflow")
    assert load(home, first.record.key).status == "finished"
    new = claim(config, home, notes)
    assert new.record.key != first.record.key
    new.let_be()


def test_fresh_and_another_configuration_begin_runs_of_their_own(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    first = claim(config, home, notes)
    interrupt(first)
    fresh = claim(config, home, notes, fresh=True)
    other = claim(compose(["trainer.seed=4"]), home, notes)
    assert len({first.record.key, fresh.record.key, other.record.key}) == 3
    fresh.let_be()
    other.let_be()


def test_a_running_twin_is_named_until_its_process_is_gone(home: Home, notes: Notes) -> None:
    config = compose(["trainer.seed=5"])
    with elsewhere(home, seed=5) as process:
        for refused in (
            lambda: claim(config, home, notes),
            lambda: claim(config, home, notes, fresh=True),
            lambda: reclaim(home, "e" * 32, notes),
        ):
            with pytest.raises(UserError, match=rf"e{{32}} is under way .*process {process.pid}"):
                refused()
        assert reclaim(home, None, notes) is None
    attempt = reclaim(home, None, notes)
    assert isinstance(attempt, Attempt) and attempt.number == 2
    assert "it was killed" in notes.said[-1]
    attempt.let_be()


def test_of_two_resumes_at_once_the_second_is_refused_naming_the_first(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    key = claim_and_interrupt(home, config, notes)
    start, said, end = FORK.Barrier(2), FORK.Queue(), FORK.Event()

    def resume() -> None:
        start.wait()
        try:
            attempt = reclaim(home, key, SilentReporter())
        except UserError as refused:
            said.put((os.getpid(), str(refused)))
        else:
            assert isinstance(attempt, Attempt)
            said.put((os.getpid(), attempt.number))
            end.wait(30)

    both = [FORK.Process(target=resume) for _ in range(2)]
    for process in both:
        process.start()
    found = [said.get(timeout=30) for _ in both]
    end.set()
    for process in both:
        process.join(30)
    (first,) = [pid for pid, number in found if number == 2]
    (refused,) = [text for _, text in found if isinstance(text, str)]
    assert f"is under way already: process {first}" in refused
    assert len(load(home, key).attempts) == 2


def claim_and_interrupt(home: Home, config: dict[str, Any], notes: Notes) -> str:
    attempt = claim(config, home, notes)
    interrupt(attempt)
    return attempt.record.key


def test_a_changed_plugin_begins_a_new_run_and_stops_a_resume(
    home: Home, notes: Notes, install: Any
) -> None:
    source = "from seqline_plugins.cells.gru import GRU\nclass Cell(GRU):\n    pass\n"
    folder = install("theirs", source, cells={"theirs": "theirs:Cell"})
    config = compose(["cell=theirs"])
    first = claim(config, home, notes)
    interrupt(first)
    (folder / "theirs.py").write_text(source + "CHANGED = True\n")
    from seqline import provenance

    provenance.hash_of_module.cache_clear()
    provenance._read.cache_clear()
    with pytest.raises(UserError, match=r"the cell theirs .*changed .*--allow-changed-plugins"):
        reclaim(home, None, notes)
    new = claim(config, home, notes)
    assert new.record.key != first.record.key
    assert "is not continued: the cell theirs changed" in notes.said[-1]
    new.let_be()
    going_on = reclaim(home, first.record.key, notes, allow_changed_plugins=True)
    assert isinstance(going_on, Attempt) and going_on.record.key == first.record.key
    going_on.let_be()


def test_changed_data_begin_a_new_run_and_stop_a_resume(
    home: Home, notes: Notes, tmp_path: Path
) -> None:
    config = compose(write_splits(tmp_path, 5, 5))
    first = claim(config, home, notes)
    first.note(data=data_digest(config))
    interrupt(first)
    (tmp_path / "train.conllu").write_text(conllu(sentences(6, seed=9)))
    with pytest.raises(UserError, match="the data changed"):
        reclaim(home, None, notes)
    new = claim(config, home, notes)
    assert new.record.key != first.record.key
    new.let_be()


def test_an_unknown_run_is_refused_with_the_nearest(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    interrupt(claim(config, home, notes), run_id="ab12" * 8)
    with pytest.raises(UserError, match=r"no such run .* Did you mean 'ab12ab12.*interrupted"):
        find(home, "ab12" * 7 + "ab13")
    assert find(home, "ab12").run_id == "ab12" * 8
    interrupt(claim(compose(["trainer.seed=8"]), home, notes), run_id="ab12" + "c" * 28)
    with pytest.raises(UserError, match="2 runs begin so"):
        find(home, "ab12")


def test_a_finished_run_is_given_back_as_its_record(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    attempt = claim(config, home, notes)
    with attempt.held():
        attempt.note(run_id="d" * 32)
    found = reclaim(home, "d" * 32, notes)
    assert isinstance(found, RunRecord) and found.status == "finished"
    assert reclaim(home, None, notes) is None


def test_a_run_of_another_tracking_store_is_refused(
    home: Home, config: dict[str, Any], notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(claim(config, home, notes))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(UserError, match="unset MLFLOW_TRACKING_URI"):
        reclaim(home, None, notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"format": 1', '"format": 2'), "newer seqline"),
        (lambda text: text.replace('"fresh": false', '"fresh": true'), "was altered"),
        (lambda text: text[:200], "damaged"),
        (lambda text: "[]", "damaged"),
    ],
)
def test_a_record_that_is_not_as_it_was_written_is_refused(
    home: Home, config: dict[str, Any], notes: Notes, change: Any, said: str
) -> None:
    attempt = claim(config, home, notes)
    interrupt(attempt)
    path = place_of(home, attempt.record.key) / "run.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=said):
        reclaim(home, attempt.record.key, notes)
    assert list(records(home)) == []  # and no other run is disturbed


def test_a_stage_named_in_a_record_cannot_lead_elsewhere(
    home: Home, config: dict[str, Any], notes: Notes
) -> None:
    attempt = claim(config, home, notes)
    interrupt(attempt)
    attempt.record.stages = {"prepare": "../../etc"}
    save(home, attempt.record)
    with pytest.raises(UserError, match="damaged"):
        load(home, attempt.record.key)


def test_a_home_of_a_newer_version_is_refused(home: Home) -> None:
    (home.path / "format.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(UserError, match="newer seqline"):
        open_home()

"""Stages between processes and attempts: made once by two at a time, mended after a kill."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

from seqline.home import Home
from seqline.reporter import SilentReporter
from seqline.stages.folder import Workspace, make_stage, stage_folder

FORK = multiprocessing.get_context("fork")


class Notes(SilentReporter):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.said.append(text)


class Maker:
    """A process of its own that makes the stage in so many seconds."""

    def __init__(self, home: Home, seconds: float) -> None:
        self._home, self._seconds = home, seconds
        self._making, self._reused = FORK.Event(), FORK.Value("i", -1)
        self.process = FORK.Process(target=self._run)
        self.process.start()

    def _run(self) -> None:
        def make(folder: Path) -> None:
            (folder / "half").touch()
            self._making.set()
            time.sleep(self._seconds)
            (folder / "whole").write_text("theirs")

        result = make_stage("demo", {"a": 1}, make, Workspace(self._home, SilentReporter()))
        self._reused.value = int(result.reused)

    def wait_until_it_makes(self) -> None:
        assert self._making.wait(30)

    def reused(self) -> bool:
        self.process.join(30)
        return bool(self._reused.value)


def stage(home: Home, text: str = "ours", **options: Any) -> Any:
    def make(folder: Path) -> None:
        (folder / "whole").write_text(text)

    options.setdefault("reporter", SilentReporter())
    return make_stage("demo", {"a": 1}, make, Workspace(home, **options))


def test_of_two_that_start_together_one_makes_it_and_the_other_waits(tmp_path: Path) -> None:
    home = Home(tmp_path)
    both = [Maker(home, 0.5), Maker(home, 0.5)]
    assert sorted(one.reused() for one in both) == [False, True]
    assert [path.name[:5] for path in home.stages.iterdir()] == ["demo-"]


def test_one_that_waits_says_so(tmp_path: Path) -> None:
    home, notes = Home(tmp_path), Notes()
    other = Maker(home, 1.0)
    other.wait_until_it_makes()
    assert stage(home, reporter=notes).reused
    assert "another run is making it" in notes.said[0]
    assert not other.reused()


def test_what_a_killed_process_left_is_removed_and_the_stage_made(tmp_path: Path) -> None:
    home = Home(tmp_path)
    other = Maker(home, 60)
    other.wait_until_it_makes()
    other.process.kill()
    other.process.join()
    assert list(home.stages.glob(".partial-*"))
    result = stage(home)
    assert not result.reused and list(home.stages.iterdir()) == [result.folder]


def test_a_kill_between_two_renames_loses_neither_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    final = stage(home, "old").folder
    new = stage(Home(tmp_path / "elsewhere"), "new").folder
    new.rename(final.with_name(f".whole-{final.name}"))
    for remains in (True, False):
        again = stage(home)
        assert again.reused and (again.folder / "whole").read_text() == "new"
        if remains:  # killed a moment later: the old one is gone already
            final.rename(final.with_name(f".whole-{final.name}"))


def test_a_folder_with_a_changed_byte_is_set_aside_named_and_made_again(tmp_path: Path) -> None:
    home, notes = Home(tmp_path), Notes()
    folder = stage(home).folder
    (folder / "whole").write_text("ours!")
    again = stage(home, reporter=notes)
    assert not again.reused and (again.folder / "whole").read_text() == "ours"
    assert len(notes.said) == 1 and f"{folder}: whole was altered" in notes.said[0]
    (aside,) = home.stages.glob(".damaged-*")
    assert (aside / "whole").read_text() == "ours!"


def test_what_the_run_itself_has_done_is_not_made_again_by_fresh(tmp_path: Path) -> None:
    home, noted = Home(tmp_path), []
    first = stage(home, fresh=True, note=lambda *done: noted.append(done))
    assert noted == [("demo", first.digest)]
    assert stage(home, fresh=True, done=dict(noted)).reused
    assert not stage(home, fresh=True).reused


def test_a_finished_stage_of_another_machine_is_used_under_its_own_digest(tmp_path: Path) -> None:
    home = Home(tmp_path)
    digest = "ab" * 32
    made = stage(home)
    made.folder.rename(stage_folder(home, "demo", digest))
    again = stage(home, done={"demo": digest})
    assert again.reused and again.digest == digest


@pytest.mark.parametrize("name", ["prepare", "train", "evaluate", "export"])
def test_an_altered_stage_is_made_again_and_the_others_are_kept(pipeline, name: str) -> None:
    before = pipeline.run()
    file = {
        "prepare": "encoding/vocabulary.json",
        "train": "weights.safetensors",
        "evaluate": "metrics.json",
        "export": "model/config.json",
    }[name]
    path = before[name].folder / file
    whole = path.read_bytes()
    path.write_bytes(whole[:-2] + bytes([whole[-2] ^ 1]) + whole[-1:])
    pipeline.notes.warned.clear()
    assert pipeline.made_anew() == [name]
    assert any(f"{file} was altered" in text for text in pipeline.notes.warned)
    assert pipeline.run()[name].digest == before[name].digest


def test_the_time_of_a_reused_stage_is_a_moment(pipeline) -> None:
    started = time.monotonic()
    assert pipeline.made_anew() == []
    assert time.monotonic() - started < 3
    for result in pipeline.run().values():
        assert set(json.loads((result.folder / "sums.json").read_text())) == {"format", "sha256"}

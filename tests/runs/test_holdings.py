"""What a home holds: nothing goes that a run needs, the rest does, also after a kill."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from seqline.cli.clean import size
from seqline.cli.main import main
from seqline.config.compose import compose
from seqline.home import Home, open_home
from seqline.reporter import SilentReporter
from seqline.runs.attempt import Attempt
from seqline.runs.claim import InSweep, claim
from seqline.runs.holdings import Holding, free, holdings
from seqline.runs.record import records
from seqline.stages.folder import Workspace, make_stage
from seqline.sweep.record import SweepAttempt, SweepRecord, claim_sweep

NAMES = ("prepare", "train", "evaluate", "export")


@pytest.fixture
def home() -> Home:
    return open_home()


def begin(home: Home, seed: int, child: InSweep | None = None) -> Attempt:
    """Begin a run whose four stages are done, of which the first is shared by all."""
    attempt = claim(compose([f"trainer.seed={seed}"]), home, SilentReporter(), child=child)
    workspace = Workspace(home, SilentReporter(), note=attempt.note_stage)
    for name in NAMES:
        ingredients = {} if name == "prepare" else {"seed": seed}
        make_stage(name, ingredients, lambda folder: (folder / "x").write_text("x"), workspace)
    attempt.checkpoints.mkdir(parents=True)
    return attempt


def begin_sweep(home: Home, name: str) -> SweepAttempt:
    found = claim_sweep(home, [], {"asked": name}, {}, "home", fresh=False, say=print)
    assert not isinstance(found, SweepRecord)
    found.begin()
    return found


def sweeps_of(found: list[Holding]) -> dict[str, bool]:
    """Return whether each sweep would be freed, by its key."""
    return {one.path.name: one.free for one in found if one.kind in ("sweep", "leftover")}


def finish(attempt: Attempt) -> None:
    with attempt.held():
        attempt.marked("mlflow")


def stop(attempt: Attempt) -> None:
    with contextlib.suppress(KeyboardInterrupt), attempt.held():
        raise KeyboardInterrupt


def clean(*flags: str) -> int:
    return main(["clean", "--yes", *flags])


def left(home: Home) -> list[str]:
    return sorted(path.name.split("-")[0] for path in home.stages.iterdir())


def test_what_runs_need_stays(home: Home, capsys: Any) -> None:
    finish(begin(home, 1))
    stop(begin(home, 2))
    running = begin(home, 3)
    assert clean() == 0
    assert "freed" in capsys.readouterr().out  # the finished run's checkpoints
    assert left(home) == sorted(["prepare"] + 3 * ["train", "evaluate", "export"])
    waiting = {one.key for one in records(home) if one.status != "finished"}
    assert {path.name for path in home.checkpoints.iterdir()} == waiting
    running.let_be()


def test_reusable_frees_of_a_finished_run_all_but_its_export(home: Home) -> None:
    finish(begin(home, 1))
    stop(begin(home, 2))
    assert clean("--reusable") == 0
    assert left(home) == ["evaluate", "export", "export", "prepare", "train"]
    assert clean("--reusable") == 0 and len(list(records(home))) == 2


def test_what_no_run_has_and_what_a_kill_left_goes(home: Home) -> None:
    finish(begin(home, 1))
    lost = home.stages / "train-0123456789abcdef"
    for name in (lost.name, f".partial-{lost.name}-17", f".damaged-{lost.name}-17ab"):
        (home.stages / name).mkdir()
    (home.checkpoints / "0123456789ab").mkdir(parents=True)
    assert clean() == 0
    assert left(home) == sorted(NAMES)
    assert list(home.checkpoints.iterdir()) == []


def test_a_run_deleted_in_mlflow_needs_nothing(home: Home) -> None:
    finish(begin(home, 1))
    finish(begin(home, 2))
    (first, second) = records(home)
    found = holdings(home, deleted=lambda record: record.key == first.key)
    freed = [one for one in found if one.free]
    assert sorted(one.kind for one in freed) == [
        "checkpoints",
        "checkpoints",
        "evaluate",
        "export",
        "record",
        "train",
    ]
    assert all(free(home, one, lambda _: False) for one in freed)
    assert [one.key for one in records(home)] == [second.key]
    assert left(home) == sorted(NAMES)


def test_what_a_run_came_to_need_meanwhile_stays(home: Home) -> None:
    make_stage(
        "train",
        {"seed": 1},
        lambda folder: (folder / "x").write_text("x"),
        Workspace(home, SilentReporter()),
    )
    (found,) = [one for one in holdings(home) if one.kind == "train"]
    assert found.free
    attempt = begin(home, 1)

    def needed(path: Path) -> bool:
        return any(one.path == path and not one.free for one in holdings(home))

    assert not free(home, found, needed) and found.path.is_dir()
    attempt.let_be()


def test_a_sweep_stays_until_it_is_finished_and_its_runs_are_deleted(home: Home) -> None:
    attempt = begin_sweep(home, "a")
    key = attempt.record.key
    finish(begin(home, 1, InSweep(key, "parent", "one")))
    (child,) = records(home)

    def after_deletion() -> list[Holding]:
        return holdings(home, deleted=lambda record: record.key == child.key)

    assert sweeps_of(after_deletion()) == {key: False}  # it is under way
    attempt.note(status="finished")
    assert sweeps_of(holdings(home)) == {key: False}
    assert sweeps_of(after_deletion()) == {key: True}
    (found,) = [one for one in after_deletion() if one.kind == "sweep"]
    assert not free(home, found, lambda _: False)  # its process is still there
    with attempt.held():
        pass
    assert not free(home, found, lambda _: True) and found.path.is_dir()
    assert free(home, found, lambda _: False) and not found.path.exists()


def test_what_a_kill_left_of_a_sweep_goes_and_an_interrupted_one_stays(home: Home) -> None:
    attempt = begin_sweep(home, "a")
    with contextlib.suppress(KeyboardInterrupt), attempt.held():
        raise KeyboardInterrupt
    (home.sweeps / "0123456789ab").mkdir()
    assert clean() == 0
    assert [path.name for path in home.sweeps.iterdir()] == [attempt.record.key]


def test_what_mlflow_and_prefect_keep_is_shown_and_never_freed(home: Home, capsys: Any) -> None:
    (home.artifacts / "1").mkdir(parents=True)
    (home.artifacts / "1" / "picture.png").write_bytes(bytes(1000))
    home.database.write_bytes(bytes(500))
    home.prefect.mkdir()
    (home.prefect / "prefect.db").write_bytes(bytes(100))
    assert clean() == 0
    assert "everything here is needed" in capsys.readouterr().out
    shown = {one.kind: (one.bytes, one.free) for one in holdings(home)}
    assert shown == {"mlflow": (1500, False), "prefect": (100, False)}
    assert home.database.stat().st_size == 500


def test_nothing_is_freed_without_a_word(home: Home, capsys: Any) -> None:
    finish(begin(home, 1))
    (home.stages / "train-0123456789abcdef").mkdir()
    assert main(["clean"]) == 0
    assert "nothing freed; `seqline clean --yes`" in capsys.readouterr().out
    assert main(["clean", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    kinds = sorted(one["kind"] for one in said["holdings"])
    assert said["freed"] == [] and kinds == sorted([*NAMES, "train", "checkpoints", "record"])
    assert (home.stages / "train-0123456789abcdef").is_dir()


def test_without_a_home_there_is_nothing_to_clean(capsys: Any, home_folder: Path) -> None:
    assert main(["clean"]) == 2
    assert str(home_folder) in capsys.readouterr().err and not home_folder.exists()


def test_sizes_are_for_reading() -> None:
    assert [size(n) for n in (0, 999, 1000, 12_345_678)] == ["0 B", "999 B", "1.0 kB", "12.3 MB"]

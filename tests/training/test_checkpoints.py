"""Checkpoints: written whole or not at all; a restored training goes on to the same bits."""

from __future__ import annotations

import os
import random
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqline.runs.points import PointLog
from seqline.seal import seal
from seqline.training import checkpoint
from seqline.training.checkpoint import (
    checkpoints,
    load_checkpoint,
    newest_intact,
    random_states,
    restore_random_states,
    save_checkpoint,
)
from seqline.training.interrupt import Interruptible
from seqline.training.loop import Training
from seqline_plugins.errors import UserError

# The checker of shapes looks at entries that it draws, from Python's own generator.
pytestmark = pytest.mark.usefixtures("shapes_unchecked")

MOVING = {"max_epochs": 3, "average": 0.9, "validate_every": 0.5, "schedule": "cosine"}


def everything(training: Training) -> dict[str, Any]:
    """Return all that moves, the times left out."""
    tensors, states = random_states()
    progress = training.at.to_json()
    for name in ("seconds", "busy_seconds"):
        progress.pop(name)
    for point in progress["history"]:
        point.pop("timestamp_ms")
    moments = training.optimizer.state_dict()["state"]
    return {
        "weights": training.model.state_dict(),
        "best": training.best,
        "average": {} if training.average is None else training.average.state_dict(),
        "moments": {f"{n}.{k}": t for n, kept in moments.items() for k, t in kept.items()},
        "carried": training.carried or {},
        "generators": tensors,
        "progress": progress,
        "random": states,
    }


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found["progress"] == wanted["progress"]
    assert found["random"] == wanted["random"]
    for part in ("weights", "best", "average", "moments", "carried", "generators"):
        assert found[part].keys() == wanted[part].keys()
        for name, tensor in wanted[part].items():
            assert torch.equal(found[part][name], tensor), f"{part} {name}"


def interrupt_at(step: int) -> Any:
    pressed = []

    def heard(at: int, *_: Any) -> None:
        if at == step and not pressed:
            pressed.append(at)
            os.kill(os.getpid(), signal.SIGINT)

    return heard


@pytest.mark.parametrize(
    ("step", "more"),
    [
        (1, {}),
        (10, {}),
        (7, {"accumulate": 2}),
        (7, {"members": 2}),
        (7, {"causal": True, "bptt_steps": 3}),
        (7, {"kernel": "reference"}),
        (7, {"kernel": "vendor"}),
        (7, {"kernel": "generated"}),
        (7, {"kernel": "generated", "activation_bytes": 0}),
        (7, {"kernel": "generated", "precision": "bf16"}),
    ],
    ids=str,
)
def test_a_restored_training_goes_on_to_the_same_bits(
    make_training, tmp_path: Path, step: int, more: dict[str, Any]
) -> None:
    options = {**MOVING, **more}
    undisturbed = make_training(**options, checkpoints=tmp_path / "undisturbed")
    undisturbed.run()
    wanted = everything(undisturbed)

    stopped = make_training(**options, on_metrics=interrupt_at(step))
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    assert stopped.at.step == step
    (path,) = checkpoints(tmp_path / "checkpoints")

    torch.manual_seed(999)  # another process, another day
    np.random.seed(999)
    random.seed(999)
    resumed = make_training(**options)
    resumed.restore(path)
    resumed.run()
    assert_same(everything(resumed), wanted)


def test_saving_disturbs_nothing(make_training, tmp_path: Path) -> None:
    quiet = make_training(**MOVING)
    quiet.run()
    wanted = everything(quiet)
    busy = make_training(**MOVING, checkpoint_minutes=1e-9, checkpoints=tmp_path / "busy")
    busy.run()
    assert len(checkpoints(tmp_path / "busy")) == 2
    assert_same(everything(busy), wanted)


def test_ctrl_c_ends_the_training_within_an_update_and_leaves_a_checkpoint(
    make_training, tmp_path: Path
) -> None:
    timers = []

    def press_soon(*_: Any) -> None:
        if not timers:
            timers.append(threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)))
            timers[0].start()

    handler = signal.getsignal(signal.SIGINT)
    training = make_training(max_epochs=100_000, on_metrics=press_soon)
    with pytest.raises(KeyboardInterrupt):
        training.run()
    assert signal.getsignal(signal.SIGINT) is handler
    (path,) = checkpoints(tmp_path / "checkpoints")
    tensors, state = load_checkpoint(path)
    assert state["progress"]["step"] == training.at.step > 0
    for name, tensor in training.model.state_dict().items():
        assert torch.equal(tensors[f"model.{name}"], tensor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_is_noted_and_a_second_interrupts(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), Interruptible() as interrupt:
        assert not interrupt.asked
        signal.raise_signal(number)
        assert interrupt.asked
        signal.raise_signal(number)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    before, entered = signal.getsignal(signal.SIGINT), []

    def enter() -> None:
        with Interruptible() as interrupt:
            entered.append((interrupt.asked, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [(False, True)]


def save(folder: Path, step: int) -> Path:
    return save_checkpoint(folder, step, {"a": torch.tensor([float(step)])}, {"step": step})


def test_the_two_newest_are_kept_in_their_order(tmp_path: Path) -> None:
    for step in (5, 60, 700, 8000):
        path = save(tmp_path, step)
        assert checkpoints(tmp_path)[-1] == path
    assert [load_checkpoint(path)[1] for path in checkpoints(tmp_path)] == [
        {"step": 700},
        {"step": 8000},
    ]


def test_a_training_that_begins_again_keeps_its_own(tmp_path: Path) -> None:
    for step in (800, 900):
        save(tmp_path, step)
    path = save(tmp_path, 10)
    assert checkpoints(tmp_path) == [path]


def test_a_step_saved_twice_is_the_newer_one(tmp_path: Path) -> None:
    save(tmp_path, 3)
    path = save_checkpoint(tmp_path, 3, {"a": torch.tensor([9.0])}, {"step": 3})
    assert load_checkpoint(path)[0]["a"].item() == 9.0


@pytest.mark.parametrize("failing", ["save_file", "json"])
def test_what_was_not_written_whole_is_never_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = save(tmp_path, 1)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if failing == "json":
            patch.setattr(checkpoint.json, "dumps", full)
        else:
            patch.setattr(checkpoint, "save_file", full)
        with pytest.raises(OSError, match="No space"):
            save(tmp_path, 2)
    assert checkpoints(tmp_path) == [path]
    assert [one.name for one in (tmp_path).glob("checkpoint-*")] == [path.name]
    assert save(tmp_path, 2) in checkpoints(tmp_path)


def test_every_generator_is_set_back() -> None:
    tensors, states = random_states()

    def draw() -> tuple[Any, ...]:
        drawn = torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()
        return (*drawn, np.random.normal(), random.gauss(0, 1))

    first = draw()
    assert draw() != first
    restore_random_states(tensors, states)
    assert draw() == first


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json", "sums.json"])
@pytest.mark.parametrize("how", ["altered", "torn", "gone"])
def test_of_two_checkpoints_the_older_is_used_where_the_newer_is_damaged(
    tmp_path: Path, file: str, how: str
) -> None:
    older, newer = save(tmp_path, 3), save(tmp_path, 4)
    damage_file(newer / file, how)
    said: list[str] = []
    assert newest_intact(tmp_path, said.append) == older
    assert len(said) == 1 and str(newer) in said[0]
    assert file in said[0] or file == "sums.json"
    assert checkpoints(tmp_path) == [older]
    damage_file(older / file, how)
    assert newest_intact(tmp_path, said.append) is None and len(said) == 2


def damage_file(path: Path, how: str) -> None:
    whole = path.read_bytes()
    middle = len(whole) // 2
    if how == "gone":
        path.unlink()
    elif how == "torn":
        path.write_bytes(whole[:middle])
    else:
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])


def test_a_training_goes_on_from_the_checkpoint_before_to_the_same_bits(
    make_training, tmp_path: Path
) -> None:
    training = make_training(**MOVING, checkpoint_minutes=1e-9)
    with pytest.raises(StopIteration):
        training.watchers.reporter.training = stop_after(training, 7)
        training.run()
    older, newer = checkpoints(tmp_path / "checkpoints")
    damage_file(newer / "tensors.safetensors", "altered")
    resumed = make_training(**MOVING)
    resumed.resume()
    assert f"checkpoint-{resumed.at.step:09d}" == older.name
    resumed.run()
    undisturbed = make_training(**MOVING, checkpoints=tmp_path / "undisturbed")
    undisturbed.run()
    assert_same(everything(resumed), everything(undisturbed))


def stop_after(training: Training, step: int) -> Any:
    def told(progress: Any) -> None:
        if training.at.step >= step:
            raise StopIteration

    training._told = 0.0
    return told


def test_a_pickle_where_tensors_belong_is_not_read(make_training, tmp_path: Path) -> None:
    path = save(tmp_path / "checkpoints", 3)
    executed = tmp_path / "executed"
    (path / "tensors.safetensors").write_bytes(
        f"cos\nsystem\n(S'touch {executed}'\ntR.".encode()  # touches a file if it is unpickled
    )
    seal(path)  # a careful hand
    training = make_training(**MOVING)
    with pytest.raises(UserError, match="does not fit"):
        training.resume()
    assert not executed.exists()


def test_a_checkpoint_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path, 3)
    (path / "state.json").write_text('{"format": 2}')
    with pytest.raises(UserError, match="format 2, expected 1"):
        load_checkpoint(path)


def test_what_was_measured_before_keeps_its_time(make_training, tmp_path: Path) -> None:
    log = PointLog(tmp_path / "points.jsonl")
    first = make_training(**MOVING, on_metrics=log.add)
    first.run()
    again = make_training(**MOVING, checkpoints=tmp_path / "again")
    again.watchers = replace(again.watchers, time_of=log.time_of)
    again.run()
    assert again.at.history == first.at.history

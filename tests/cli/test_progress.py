"""Progress: a moving line at a terminal, few plain lines in a log, warnings alone when quiet."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from seqline.cli.progress import PlainReporter, TerminalReporter, clock, describe, watch
from seqline.cli.sweep_progress import SweepLog, SweepProgress
from seqline.reporter import Reporter, TrainingProgress
from seqline.sweep.process import Outcome


def progress(epoch: float) -> TrainingProgress:
    return TrainingProgress(epoch, 10, int(epoch * 100), 0.5, "accuracy", 0.93, 123_456.0, 95.0)


def watch_a_run(reporter: Reporter) -> None:
    reporter.stage_started("prepare")
    reporter.stage_finished("prepare", Path("folder"), True, 0.1)
    reporter.stage_started("train")
    for step in range(30):
        reporter.training(progress(step / 10))
    reporter.warn("train and test share sentences")
    reporter.stage_finished("train", Path("folder"), False, 185)


def test_log_has_a_line_an_epoch() -> None:
    stream = io.StringIO()
    watch_a_run(PlainReporter(stream))
    lines = stream.getvalue().splitlines()
    assert len([line for line in lines if "epoch" in line]) == 3
    assert "prepare: reused, folder" in lines
    assert "train: done in 3:05, folder" in lines
    assert "warning: train and test share sentences" in lines
    assert "\x1b" not in stream.getvalue()


def test_terminal_fits_80_columns() -> None:
    stream = io.StringIO()
    reporter = TerminalReporter(Console(file=stream, width=80, force_terminal=True))
    with reporter.live:
        watch_a_run(reporter)
        reporter.stage_started("train")
        reporter.training(progress(2.5))
        line = reporter._line()
    assert line.cell_len <= 80
    for word in ("train", "epoch 2.5/10", "loss 0.500", "accuracy 0.9300", "1:35 left", "tokens/s"):
        assert word in line.plain


def test_quiet_shows_what_a_person_should_know_and_nothing_else() -> None:
    stream = io.StringIO()
    with watch(quiet=True, stream=stream) as reporter:
        watch_a_run(reporter)
    assert stream.getvalue() == "warning: train and test share sentences\n"


def test_what_is_not_known_is_left_out() -> None:
    said = describe(TrainingProgress(0.1, None, 3, 2.0, "accuracy", None, 10.0, None))
    assert said == "epoch 0.1  loss 2.000  10 tokens/s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.41, "0.4 s"), (12.3, "12 s"), (59.6, "1:00"), (185, "3:05"), (3727, "1:02:07")],
)
def test_durations_are_read_easily(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_child_that_was_interrupted_is_not_counted_as_done() -> None:
    progress = SweepProgress(4, 1, 2)
    for number, status in ((1, "finished"), (2, "interrupted"), (3, "failed")):
        progress.began(number, f"seed {number}")
        progress.ended(number, Outcome(status, ""))
    assert progress.summary().startswith("3 of 4 done, 1 failed")


def test_children_that_warn_of_the_same_are_heard_once() -> None:
    stream = io.StringIO()
    log = SweepLog(2, 0, 2, stream)
    for number in range(2):
        log.began(number, f"seed {number}")
        log.heard(number, {"kind": "warning", "text": "the scores flatter"})
    assert stream.getvalue().count("the scores flatter") == 1

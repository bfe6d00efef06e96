"""A run that goes on on another machine, or by another compiler, says so and keeps its threads."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch
from mlflow.tracking import MlflowClient

from seqline.flow import Session, _same_machine
from seqline.reporter import SilentReporter
from seqline.runs.attempt import Attempt
from seqline.tracking.background import Tracking


class Notes(SilentReporter):
    def __init__(self) -> None:
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


@pytest.fixture
def session(attempt: Attempt) -> Session:
    """The session of an attempt whose run has noted what this machine is."""
    notes = Notes()
    made = Session(attempt, notes, Tracking(attempt, notes))
    assert _same_machine(made) is None
    assert attempt.record.machine["host"] == socket.gethostname()
    return made


def test_the_same_machine_says_nothing(session: Session) -> None:
    assert _same_machine(session) == torch.get_num_threads()
    assert session.warnings == []


@pytest.mark.parametrize(
    "change", [{"host": "elsewhere"}, {"torch": "1.0"}, {"compiler": "0" * 16}, {"processor": "x"}]
)
def test_another_one_is_said_to_the_person_and_on_the_run(
    session: Session, client: MlflowClient, change: dict[str, Any]
) -> None:
    attempt = session.attempt
    attempt.note(machine={**attempt.record.machine, "threads": 3, **change})
    assert _same_machine(session) == 3
    (warning,) = session.warnings
    assert session.reporter.warned == [warning]  # type: ignore[attr-defined]
    assert f"({next(iter(change))} not the same)" in warning
    session.tracking.begin().result()
    assert client.get_run(str(attempt.record.run_id)).data.tags["other_machine"] == warning

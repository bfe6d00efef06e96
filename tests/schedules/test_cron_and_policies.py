"""When a schedule is due, what it does with runs that were missed, what it stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.states import Cancelled, Scheduled

from seqline.cli.main import main
from seqline.config.compose import compose
from seqline.home import open_home
from seqline.schedules.cron import check_cron
from seqline.schedules.deployment import stored_overrides
from seqline.schedules.policy import GRACE, QUEUED, missed, policy, tags_of
from seqline_plugins.errors import UserError

NOW = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def a_home() -> None:
    open_home()


@pytest.mark.parametrize("line", ["0 3 * * *", "*/5 0-6 1,15 jan-mar mon", "59 23 31 12 7"])
def test_a_cron_line_becomes_prefects_schedule(line: str) -> None:
    schedule = check_cron(line, "Europe/Berlin")
    assert (schedule.cron, schedule.timezone) == (line, "Europe/Berlin")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("60 3 * * *", r"found '60' as the minute \(field 1\), expected 0-59"),
        ("0 25 * * *", r"found '25' as the hour \(field 2\)"),
        ("0 3 32 * *", r"the day of the month \(field 3\)"),
        ("0 3 * foo *", r"found 'foo' as the month \(field 4\)"),
        ("0 3 * * 9", r"the day of the week \(field 5\)"),
        ("0 3 * *", "found 4 of five fields, expected: minute, hour"),
        ("", "found 0 of five fields"),
        ("0 3 30 2 *", "never comes: no month '2' has a day of the month '30'"),
    ],
)
def test_a_wrong_cron_line_names_its_field(line: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_cron(line, "UTC")


def test_an_unknown_time_zone_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'Europe/Berlin'"):
        check_cron("0 3 * * *", "Berlin")
    with pytest.raises(UserError, match="Did you mean 'Europe/Paris'"):
        check_cron("0 3 * * *", "Europe/Pariss")


class Server:
    """What of Prefect's client the policy asks: other runs that are due, and a run's states."""

    def __init__(
        self, due: list[datetime], states: list[tuple[str, datetime]], cancelled: bool
    ) -> None:
        self._due, self._states, self._cancelled = due, states, cancelled

    def read_flow_runs(self, flow_run_filter: Any) -> list[Any]:
        state = Cancelled() if self._cancelled else Scheduled()
        return [SimpleNamespace(expected_start_time=one, state=state) for one in self._due]

    def read_flow_run_states(self, flow_run_id: str) -> list[Any]:
        return [SimpleNamespace(name=name, timestamp=when) for name, when in self._states]


def asked(
    catch_up: str,
    late: float,
    due: list[datetime],
    *,
    auto: bool = True,
    queued: float | None = None,
    cancelled: bool = False,
) -> str | None:
    run = SimpleNamespace(
        id="run",
        deployment_id=uuid4(),
        tags=tags_of("skip", catch_up),
        auto_scheduled=auto,
        expected_start_time=NOW - timedelta(seconds=late),
    )
    states = [("Scheduled", run.expected_start_time - timedelta(hours=1))]
    if queued is not None:
        states.append((QUEUED, run.expected_start_time + timedelta(seconds=queued)))
    return missed(run, Server(due, states, cancelled), NOW)


def test_of_runs_that_were_missed_the_policy_says_which_are_run() -> None:
    late, newer = GRACE + 600, [NOW - timedelta(seconds=60)]
    assert "a newer one is due too" in (asked("last", late, newer) or "")
    assert asked("last", late, []) is None
    assert "missed by 12 min (catch-up=none)" in (asked("none", late, []) or "")
    assert asked("all", late, newer) is None
    assert asked("last", late, newer, cancelled=True) is None  # no other one is run then


def test_a_run_that_is_in_time_waited_its_turn_or_was_asked_for_is_not_missed() -> None:
    assert asked("none", GRACE - 1, []) is None
    assert asked("none", GRACE + 600, [], queued=1) is None
    assert asked("none", GRACE + 600, [], auto=False) is None


def test_one_that_was_missed_is_so_though_it_waits_for_another_that_was() -> None:
    assert asked("none", GRACE + 600, [], queued=GRACE + 590) is not None
    assert asked("last", GRACE + 600, [NOW], queued=GRACE + 590) is not None
    assert asked("all", GRACE + 600, [NOW], queued=GRACE + 590) is None


def test_policies_are_read_from_tags() -> None:
    assert policy(["x", *tags_of("queue", "all")], "overlap") == "queue"
    assert policy(["x"], "overlap") is None


def test_a_schedule_stores_absolute_paths_and_lets_the_champion_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ["cell=gru", "data=files", "data.train=[a.conllu,b.conllu]", "data.test=t.conllu"]
    given += ["trainer.lr=0.1"]
    kept = stored_overrides(compose(given), given)
    assert kept == [
        "data=files",
        "trainer.lr=0.1",
        f"data.train=['{tmp_path}/a.conllu','{tmp_path}/b.conllu']",
        f"data.test='{tmp_path}/t.conllu'",
        "tracking.promote=better",
    ]
    again = compose(kept)
    assert again["data"]["train"] == [f"{tmp_path}/a.conllu", f"{tmp_path}/b.conllu"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["schedule", "--cron", "0 3 * * *", "cell=lstn"], "Did you mean 'lstm'"),
        (["schedule", "--cron", "0 3 * * *", "cell=rnn,gru"], "One run trains one model"),
        (["schedule", "--cron", "0 3 * * *", "--overlap", "skp"], "Did you mean 'skip'"),
        (["schedule", "--cron", "0 3 * * *", "--catch-up", "some"], "expected last, all, none"),
        (["schedule", "cell=gru"], "Give --cron"),
        (["schedule", "pasue", "x"], "Did you mean 'pause'"),
        (["schedule", "pause"], "expected the name of one schedule"),
        (["schedule", "list"], "no Prefect server is up"),
        (["schedule", "--cron", "0 3 * * *", "cell=gru"], "start `seqline serve`"),
        (["promote", "pos_tagging"], "no such store"),
        (["rollback", "pos_tagging"], "no such store"),
        (["compare"], "no such store"),
    ],
)
def test_wrong_words_end_with_status_2_and_one_message(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and len(error.splitlines()) == 1

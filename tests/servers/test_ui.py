from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import COMMAND, Served, environment, processors_are_free, wait_until

from seqline.home import Home
from seqline.services.address import answers, free_port
from seqline.services.ui import running_ui, serve_ui
from seqline_plugins.errors import UserError


def test_both_pages_answer_and_a_taken_port_is_said(served: Served) -> None:
    assert answers(f"{served.mlflow}/") and answers(f"{served.prefect}/api/health")
    assert f"port {served.wanted[0]} is taken; MLflow uses" in served.said
    assert served.mlflow in served.said and served.prefect in served.said
    assert served.prefect == f"http://127.0.0.1:{served.wanted[1]}"


def test_a_second_one_for_the_same_home_is_refused(served: Served) -> None:
    with pytest.raises(UserError, match=served.mlflow):
        serve_ui(Home(served.home))


def test_a_note_of_one_that_is_gone_is_ignored(tmp_path: Path) -> None:
    gone = f"http://127.0.0.1:{free_port(0)}"
    note = {"pid": 1, "mlflow": gone, "prefect": gone}
    (tmp_path / "ui.json").write_text(json.dumps(note))
    assert running_ui(Home(tmp_path)) is None
    (tmp_path / "ui.json").write_text("{")
    assert running_ui(Home(tmp_path)) is None


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_its_servers_end_with_it(how: signal.Signals, tmp_path: Path) -> None:
    ports = [str(free_port(0)), str(free_port(0))]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *ports],
        env=environment(tmp_path / "home"),
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background
    )
    wait_until((tmp_path / "home" / "ui.json").is_file, 90, "seqline ui")
    started = time.monotonic()
    os.kill(process.pid, how)
    process.wait(60)
    for port in ports:
        wait_until(lambda port=port: not answers(f"http://127.0.0.1:{port}"), 30, "the end")
    if processors_are_free():
        assert time.monotonic() - started < 5

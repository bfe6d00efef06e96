"""A sweep's own process, which may live for days, keeps no garbage."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

from seqline.startup import undisturbed
from seqline.sweep import flow


def test_the_collector_of_cycles_is_on_while_children_run(monkeypatch) -> None:
    seen = []

    def recorded(*given: Any, **named: Any) -> None:
        seen.append(gc.isenabled())

    monkeypatch.setattr(flow, "call_tagged", recorded)
    record = SimpleNamespace(tag="a sweep", overrides=[])
    sweep: Any = SimpleNamespace(
        attempt=SimpleNamespace(record=record), parallel=1, name="", error=None
    )
    with undisturbed():  # as the command line starts it
        flow.run_sweep(sweep)
    assert seen == [True]

"""A sweep's own process, which may live for days, keeps no garbage."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

from seqline.startup import undisturbed
from seqline.sweep import flow


def test_the_collector_of_cycles_is_on_while_children_run(monkeypatch) -> None:
    seen = []

    class Recorded:
        def with_options(self, **options: Any) -> Any:
            return lambda *given, **named: seen.append(gc.isenabled())

    monkeypatch.setattr(flow, "sweep_flow", Recorded())
    record = SimpleNamespace(tag="a sweep", overrides=[])
    sweep: Any = SimpleNamespace(
        attempt=SimpleNamespace(record=record), parallel=1, name="", error=None
    )
    with undisturbed():  # as the command line starts it
        flow.run_sweep(sweep)
    assert seen == [True]

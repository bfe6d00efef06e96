"""Every built-in plugin holds to the contract that others are held to."""

from __future__ import annotations

import pytest

from seqline.cli.check import check
from seqline_plugins.discovery import installed, load

FAST = ("lstm", "qrnn", "clockwork_rnn", "many_to_many", "encoder_decoder", "adding")
"""One of each kind of cell, two architectures and a task: for `make test`."""
OURS = [
    pytest.param(kind, name, id=f"{kind}-{name}", marks=() if name in FAST else pytest.mark.slow)
    for kind in ("cell", "architecture", "task")
    for name, entries in sorted(installed(kind).items())
    if entries[0].dist is not None and entries[0].dist.name == "seqline"
]


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize(("kind", "name"), OURS)
def test_built_in_plugin_passes_the_whole_kit(kind: str, name: str) -> None:
    outcomes = check(load(kind, name))
    wrong = {one.check.name: one.said for one in outcomes if one.status == "wrong"}
    assert not wrong
    assert sum(one.status == "right" for one in outcomes) >= 12


def test_all_built_in_plugins_are_here() -> None:
    assert len(OURS) >= 19 + 4 + 13

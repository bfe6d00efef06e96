"""A broken plugin disturbs nobody until it is selected, and then it is named."""

from __future__ import annotations

import sys

import pytest

from seqline.config.compose import compose
from seqline_plugins.discovery import installed, load
from seqline_plugins.errors import PluginError

GOOD = """
from seqline_plugins import GatedCell
class Cell(GatedCell):
    gates = ("candidate",)
    def equations(self, t): return {"h": t.x.candidate}
"""
WITH_CONFIG = GOOD + "    Config = {}\n"

BROKEN = {
    "missing_import": ("import nowhere_to_be_found", "ModuleNotFoundError"),
    "syntax": ("def (:", "SyntaxError"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "raises": ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
    "wrong_type": ("Cell = 3", "expected a subclass of GatedCell or StepCell"),
    "other_class": ("class Cell: pass", "expected a subclass of GatedCell or StepCell"),
    "no_class": ("x = 1", "has no attribute 'Cell'; name the class so, or mend the entry"),
    "no_config": (GOOD + "    Config = {}\n", "expected a dataclass"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_plugin_is_named_with_its_origin_and_cause(install, name: str) -> None:
    module, cause = BROKEN[name]
    install(f"plug_{name}", module, cells={name: f"plug_{name}:Cell"})
    assert name in installed("cell")
    assert compose(["cell=gru"])["cell"]["name"] == "gru"
    with pytest.raises(PluginError) as refused:
        compose([f"cell={name}"])
    message = str(refused.value)
    for word in (name, "seqline.cells", f"plug_{name}:Cell", f"plug_{name} 1.0", cause):
        assert word in message
    assert "\n" not in message
    assert refused.value.status == 2


def test_target_that_is_no_target(install) -> None:
    install("untargeted", GOOD, cells={"untargeted": "not a target"})
    with pytest.raises(PluginError, match="module:Class"):
        load("cell", "untargeted")


def test_two_plugins_of_one_name_are_both_named(install) -> None:
    install("one", GOOD, cells={"twin": "one:Cell"})
    install("two", GOOD, version="2.0", cells={"twin": "two:Cell"})
    with pytest.raises(PluginError, match=r"(?s)one 1.0.*two 2.0|two 2.0.*one 1.0"):
        compose(["cell=twin"])
    assert "one" not in sys.modules and "two" not in sys.modules


def test_built_in_name_cannot_be_taken_silently(install) -> None:
    install("usurper", GOOD, cells={"gru": "usurper:Cell"})
    with pytest.raises(PluginError, match="two plugins have this name"):
        compose(["cell=gru"])
    assert compose(["cell=lstm"])


def test_unreadable_metadata_hide_only_their_own_plugins(install) -> None:
    install("fine", GOOD, cells={"fine": "fine:Cell"})
    folder = install("garbled", GOOD, cells={"garbled": "garbled:Cell"})
    file = folder / "garbled-1.0.dist-info" / "entry_points.txt"
    file.write_text("[seqline.cells]\nno equals sign here\n", encoding="utf-8")
    assert "fine" in installed("cell") and "gru" in installed("cell")
    assert "garbled" not in installed("cell")


def test_plugin_without_metadata_file_works(install) -> None:
    install("bare", GOOD, metadata=False, cells={"bare": "bare:Cell"})
    assert compose(["cell=bare"])["cell"] == {"name": "bare"}

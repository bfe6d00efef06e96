"""The conformance kit: what a plugin must hold to, as named checks that say what to do.

verdict        a check, what it may say, running it
subject        a plugin built small, its outputs compared
options        checks of every plugin: help, options
probes         what cells and architectures are both put to: another device, export, many calls
cells          checks of a cell
architectures  checks of an architecture
tasks          checks of a task
suite          the same checks as tests, for a plugin's own package
targets        what `seqline plugins check` is given: a name, a folder, a file

`seqline plugins check NAME` runs them; a package adopts them by a subclass with an empty body.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqline_plugins.conformance.suite import ArchitectureSuite, CellSuite, TaskSuite

__all__ = ["ArchitectureSuite", "CellSuite", "TaskSuite"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'seqline_plugins.conformance' has no attribute '{name}'")
    return getattr(import_module("seqline_plugins.conformance.suite"), name)

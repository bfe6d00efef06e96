"""The same checks for pytest: a plugin adopts them by a subclass with an empty body.

class TestMyCell(CellSuite, plugin=MyCell):
    '''Held to the contract.'''
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from seqline_plugins.conformance import architectures, cells, tasks
from seqline_plugins.conformance.subject import Subject, subject_of
from seqline_plugins.conformance.verdict import Check, Checks, NotApplicableError
from seqline_plugins.discovery import load


class Suite:
    """A test for each check of `checks`; `plugin` is a class or an installed plugin's name."""

    kind: ClassVar[str]
    checks: ClassVar[Checks]
    subject: ClassVar[Subject]

    def __init_subclass__(
        cls,
        plugin: type[Any] | str | None = None,
        options: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> None:
        super().__init_subclass__(**given)
        if plugin is None:
            return
        cls.subject = subject_of(
            load(cls.kind, plugin) if isinstance(plugin, str) else plugin, options
        )
        for check in cls.checks:
            setattr(cls, f"test_{check.name}", _test_of(check))


class CellSuite(Suite):
    """The checks of a cell, gated or not."""

    kind = "cell"
    checks = cells.CHECKS


class ArchitectureSuite(Suite):
    """The checks of an architecture."""

    kind = "architecture"
    checks = architectures.CHECKS


class TaskSuite(Suite):
    """The checks of a task, on its built-in data."""

    kind = "task"
    checks = tasks.CHECKS


def _test_of(check: Check) -> Callable[[Any], None]:
    def test(self: Suite) -> None:
        import pytest

        try:
            check.function(self.subject)
        except NotApplicableError as reason:
            pytest.skip(str(reason))

    test.__name__ = f"test_{check.name}"
    test.__doc__ = check.function.__doc__
    return test

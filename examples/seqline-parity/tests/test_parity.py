"""Held to seqline's contract, every check as a test."""

from __future__ import annotations

from seqline_parity import Parity

from seqline_plugins.conformance import TaskSuite


class TestParity(TaskSuite, plugin=Parity):
    """Nothing of its own."""

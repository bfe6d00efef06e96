"""Held to seqline's contract, every check as a test."""

from __future__ import annotations

from seqline_residual import Residual

from seqline_plugins.conformance import ArchitectureSuite


class TestResidual(ArchitectureSuite, plugin=Residual):
    """Nothing of its own."""

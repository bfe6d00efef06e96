"""Checks of an architecture: in float64 with small built-in cells, on random features.

declarations  kind, shapes, cells, what learns
sequences     padding, causality, parts and steps, rows of a batch
surroundings  seed, precision and device, export, memory, options
reading       an architecture read to its output, whatever its kind
"""

from __future__ import annotations

from seqline_plugins.conformance import options
from seqline_plugins.conformance.architectures import declarations, sequences, surroundings
from seqline_plugins.conformance.verdict import Checks

CHECKS = Checks(options.CHECKS, declarations.CHECKS, sequences.CHECKS, surroundings.CHECKS)

"""Checks of a cell, gated or not: run by the host's plain loop, in float64, on small sizes.

equations     shapes, parameters and gradients, what the kernels give
sequences     padding, parts and steps, rows of a batch
surroundings  seed, precision and device, export, memory, options
stack         a built stack as these read it
"""

from __future__ import annotations

from seqline_plugins.conformance import options
from seqline_plugins.conformance.cells import equations, sequences, surroundings
from seqline_plugins.conformance.verdict import Checks

CHECKS = Checks(options.CHECKS, equations.CHECKS, sequences.CHECKS, surroundings.CHECKS)

"""Checks of a task, on some of its built-in data.

material  what a task makes of its built-in data
data      its parts, its examples, their encoding
learning  batches, losses, metrics, answers
"""

from __future__ import annotations

from seqline_plugins.conformance import options
from seqline_plugins.conformance.tasks import data, learning
from seqline_plugins.conformance.verdict import Checks

CHECKS = Checks(options.CHECKS, data.CHECKS, learning.CHECKS)

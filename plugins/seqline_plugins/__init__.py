"""The contracts a plugin implements, and what it needs to do so.

    from seqline_plugins import GatedCell, option

Names are imported when they are first asked for, so that listing plugins stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqline_plugins.architecture import Architecture, Kind, State
    from seqline_plugins.cell import GatedCell, Noise, Own, StepCell, Timestep
    from seqline_plugins.errors import PluginError, SeqlineError, ServiceError, UserError
    from seqline_plugins.gate import Gate, block_diagonal, of_matrix
    from seqline_plugins.options import NoOptions, option, slot
    from seqline_plugins.recurrence import RecurrentStack
    from seqline_plugins.task.encoding import Encoding, SearchTokens
    from seqline_plugins.task.head import Head
    from seqline_plugins.task.inputs import Inputs
    from seqline_plugins.task.metrics import Metric, Metrics
    from seqline_plugins.task.rows import Rows
    from seqline_plugins.task.source import DataSource, Example, Source
    from seqline_plugins.task.split import Batch, EncodedSplit
    from seqline_plugins.task.task import Task

_HOME = {
    "architecture": ("Architecture", "Kind", "State"),
    "cell": ("GatedCell", "Noise", "Own", "StepCell", "Timestep"),
    "errors": ("PluginError", "SeqlineError", "ServiceError", "UserError"),
    "gate": ("Gate", "block_diagonal", "of_matrix"),
    "options": ("NoOptions", "option", "slot"),
    "recurrence": ("RecurrentStack",),
    "task.encoding": ("Encoding", "SearchTokens"),
    "task.head": ("Head",),
    "task.inputs": ("Inputs",),
    "task.metrics": ("Metric", "Metrics"),
    "task.rows": ("Rows",),
    "task.source": ("DataSource", "Example", "Source"),
    "task.split": ("Batch", "EncodedSplit"),
    "task.task": ("Task",),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "Architecture",
    "Batch",
    "DataSource",
    "EncodedSplit",
    "Encoding",
    "Example",
    "Gate",
    "GatedCell",
    "Head",
    "Inputs",
    "Kind",
    "Metric",
    "Metrics",
    "NoOptions",
    "Noise",
    "Own",
    "PluginError",
    "RecurrentStack",
    "Rows",
    "SearchTokens",
    "SeqlineError",
    "ServiceError",
    "Source",
    "State",
    "StepCell",
    "Task",
    "Timestep",
    "UserError",
    "block_diagonal",
    "of_matrix",
    "option",
    "slot",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'seqline_plugins' has no attribute '{name}'")
    return getattr(import_module(f"seqline_plugins.{_MODULE[name]}"), name)

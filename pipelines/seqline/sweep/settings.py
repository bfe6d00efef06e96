"""The keys of `seqline sweep` itself, `sweep.parallel=4`."""

from __future__ import annotations

from dataclasses import dataclass

from seqline_plugins.options import option


@dataclass
class Settings:
    """How a sweep goes about its children."""

    parallel: int = option(1, "children that run at the same time", low=1)
    search: str = option(
        "grid", "every combination, or the likeliest by Optuna", choices=("grid", "optuna")
    )
    trials: int = option(20, "optuna: children in all, those pruned too", low=1)
    prune: str = option(
        "median",
        "optuna: which children are ended early, after their validations",
        choices=("median", "hyperband", "none"),
    )
    seed: int = option(0, "optuna: of what it draws", low=0, high=2**32 - 1)
    equal: str | None = option(
        None, "what all children have alike", choices=("parameters", "minutes")
    )
    name: str | None = option(None, "the sweep's name; null is what it varies")


CHANGES_NOTHING = ("parallel", "name")
"""Keys with which a sweep remains the same."""

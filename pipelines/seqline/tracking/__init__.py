"""The run in MLflow: its store, what is logged of it, the model that others can load."""

from __future__ import annotations

from pathlib import Path


def served_code() -> str:
    """Return the path of the file that MLflow logs as the model's code."""
    return str(Path(__file__).with_name("served_model.py"))

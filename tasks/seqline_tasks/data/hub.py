"""A public dataset through `datasets`, or a local folder of parquet in its place."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from seqline_plugins.errors import ServiceError, UserError

PATIENCE = 5.0
"""Seconds that the hub has to answer."""
NAMES = {"train": ("train",), "validation": ("validation", "dev", "valid"), "test": ("test",)}


def load_hub(repo: str, subset: str | None, revision: str | None) -> dict[str, Any]:
    """Return the dataset's splits by name: train and, where it has them, validation and test.

    Raises `UserError` for a dataset that cannot be had, naming the other sources.
    """
    import datasets

    others = "Other sources: data=builtin (no download) or data=files data.train=…"
    if not Path(repo).exists():
        _work_without_network()
    try:
        found = datasets.load_dataset(repo, subset, revision=revision)
    except ServiceError:
        raise
    except Exception as error:  # the library raises many kinds; each means it cannot be had
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if datasets.config.HF_HUB_OFFLINE and not Path(repo).exists():
            first = f"no network to {datasets.config.HF_ENDPOINT}, and no copy on this machine"
        raise UserError(f"data.repo={repo}: cannot be loaded ({first}). {others}") from error
    splits = {
        name: found[alias] for name, known in NAMES.items() for alias in known if alias in found
    }
    if "train" not in splits:
        raise UserError(f"data.repo={repo}: has splits {', '.join(found)}, expected train.")
    return splits


def _work_without_network() -> None:
    """Use only what was fetched before where the hub does not answer; nothing retries."""
    import datasets

    try:
        with urllib.request.urlopen(datasets.config.HF_ENDPOINT, timeout=PATIENCE):
            return
    except urllib.error.HTTPError:
        return  # it answers
    except (OSError, ValueError, http.client.HTTPException):
        datasets.config.HF_HUB_OFFLINE = True


def class_names(dataset: Any, column: str) -> list[str] | None:
    """Return the names of a column of class numbers, or None for a column of plain text."""
    feature = dataset.features[column]
    inner = getattr(feature, "feature", feature)
    names = getattr(inner, "names", None)
    return list(names) if names is not None else None


def describe_hub(repo: str, subset: str | None, revision: str | None) -> dict[str, Any]:
    """Return what determines a hub dataset: its name and revision, or a local folder's files."""
    folder = Path(repo)
    if not folder.is_dir():
        return {"repo": repo, "subset": subset, "revision": revision}
    from seqline_tasks.data.files import digest_of

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {"files": {str(path.relative_to(folder)): digest_of(path) for path in files}}

"""What was measured to be faster, kept once a machine: another day must not choose otherwise.

Two kernels agree but for rounding; a run that is continued, or repeated, gets the same bits only
where the same one serves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256

import torch
from filelock import FileLock, Timeout

from seqline_plugins.recurrence.generated.compiler import cache_folder, processor

LONGEST = 60.0
"""Seconds that another process may take to measure the same."""
_known: dict[str, str] = {}


def fastest(what: str, seconds_of: Mapping[str, Callable[[], float]]) -> str:
    """Return the name of the fastest, as it was found when `what` was first asked on this machine.

    `seconds_of` has a function a name, which takes the time. Where nothing can be kept, the choice
    holds for this process.
    """
    machine = [processor(), torch.__version__, torch.get_num_threads(), torch.version.cuda]
    key = sha256(repr([what, *sorted(seconds_of), *machine]).encode()).hexdigest()[:32]
    if key in _known:
        return _known[key]
    path = cache_folder() / f"choice-{key}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=LONGEST):
            if path.is_file():
                kept = json.loads(path.read_text(encoding="utf-8"))
                if kept["fastest"] in seconds_of:
                    _known[key] = kept["fastest"]
                    return _known[key]
            _known[key] = _measured(seconds_of)
            partial = path.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps({"what": what, "fastest": _known[key]}), "utf-8")
            partial.replace(path)
    except (OSError, ValueError, TypeError, KeyError, Timeout):
        _known.setdefault(key, _measured(seconds_of))
    return _known[key]


def _measured(seconds_of: Mapping[str, Callable[[], float]]) -> str:
    seconds = {name: measure() for name, measure in seconds_of.items()}
    return min(seconds, key=lambda name: seconds[name])

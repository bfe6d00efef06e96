"""The tagger's options, small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seqline_plugins.options import build_config
from seqline_tasks.pos_tagging import PosTagging
from seqline_tasks.pos_tagging.encoding import TagEncoding

SMALL: dict[str, Any] = {
    "words": {"size": 6},
    "characters": {"cell": {"name": "gru"}, "size": 3, "hidden_size": 2, "max_length": 8},
    "affixes": {"size": 2, "longest": 2, "min_count": 1},
    "shape": {"size": 4},
}


@pytest.fixture
def options() -> Callable[..., Any]:
    """Options of the task: options(words={"size": 0}) changes keys of one kind."""

    def make(**changed: dict[str, Any]) -> Any:
        values = {kind: SMALL[kind] | changed.get(kind, {}) for kind in SMALL}
        return build_config(PosTagging.Config, values, "task")

    return make


@pytest.fixture
def encode(options: Callable[..., Any]) -> Callable[..., Any]:
    """Return the encoding of examples and those examples in numbers."""

    def make(examples: list[dict[str, Any]], **changed: dict[str, Any]) -> Any:
        encoding = TagEncoding.build(examples, options(**changed))
        return encoding, encoding.encode(examples)

    return make

"""The digest of plain values, by which stages and runs know each other again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any


def digest_of(values: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain values, whatever the order of the keys."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return sha256(text.encode()).hexdigest()

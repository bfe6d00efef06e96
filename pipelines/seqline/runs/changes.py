"""What a run was made of, and what of it is different now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqline.data import data_fingerprint
from seqline.digest import digest_of
from seqline.provenance import hash_of_module, parts_used
from seqline.runs.record import RunRecord

TRAINING = "seqline's training"


def code_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the source hash of every part that determines the weights, and of the training.

    A task's metrics and decoding are none of them: changed ones are used, and the run's tags say
    so.
    """
    return {**parts_used(config, ours=True), TRAINING: hash_of_module("seqline.training.loop")}


def changed_code(record: RunRecord) -> list[str]:
    """Return the names of what has another source now than when the run began."""
    now = code_of(record.config)
    return [name for name, source in record.code.items() if now.get(name) != source]


def data_changed(record: RunRecord) -> bool:
    """Say whether the data that a run has read are others now."""
    return record.data is not None and record.data != data_digest(record.config)


def data_digest(config: Mapping[str, Any]) -> str:
    """Return the digest of the fingerprint of a configuration's data.

    Raises `UserError` when they are not there.
    """
    return digest_of(data_fingerprint(config))

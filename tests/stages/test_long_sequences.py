"""What is very long, very short or rarely seen is trained on as anything else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from toy_language import conllu, sentences

STRANGE = (
    {"words": ["dog"], "tags": ["NOUN"]},
    {"words": ["the", "dog"] * 5000, "tags": ["DET", "NOUN"] * 5000},
    {"words": ["the", "x" * 5000, "sees"], "tags": ["DET", "NOUN", "VERB"]},
    {"words": ["𝄞😀", "𠜎", "e\u0301", "\u200d"], "tags": ["NOUN", "NOUN", "DET", "PUNCT"]},
)


@pytest.mark.parametrize("place", ["train", "validation", "test"])
def test_strange_sentences_are_learned_from_and_scored(pipeline, place: str) -> None:
    path = Path(pipeline.config["data"][place])
    path.write_text(conllu([*sentences(20), *STRANGE]), encoding="utf-8")
    pipeline.config["trainer"] |= {"max_epochs": 1, "max_steps": 3}
    evaluated = pipeline.run()["evaluate"]
    predicted = (evaluated.folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    lengths = [len(tags) for tags in map(json.loads, predicted)]
    examples = sentences(20) + list(STRANGE) if place == "test" else sentences(20, seed=2)
    assert lengths == [len(example["words"]) for example in examples]

"""What is written of a sentence is the same in bits alone, in a batch, and in any order."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from toy_translation import WORDS, pairs

from seqline.config.compose import compose
from seqline.model import SequenceModel, build_model
from seqline.training.inference import Search
from seqline_plugins.build import build_task
from seqline_plugins.task.encoding import SearchTokens
from seqline_tasks.data.subwords import END, PAD, START, UNKNOWN

TOKENS = SearchTokens(START, END, (PAD, UNKNOWN, START))

SIZES = ["architecture.hidden_size=37", "task.embedding.size=21", "task.subwords.joint=true"]
KINDS = {
    "general": ["architecture.attend_from=first", "architecture.decoder.num_layers=2"],
    "additive": ["architecture.attention=additive", "architecture.coverage=true"],
    "feeding": ["architecture.input_feeding=true", "cell@architecture.decoder.cell=lstm"],
    "copying": ["architecture.copy=true", "architecture.attention=additive"],
    "none": ["architecture.attention=none"],
    "tied": ["task.embedding.tied=all", "trainer.members=2"],
}
WAYS: dict[str, dict[str, Any]] = {
    "beam": {"beam": 4, "n_best": 3},
    "greedy": {"beam": 1},
    "covering": {"beam": 3, "coverage_penalty": 0.4},
    "drawn": {"sample": True, "n_best": 2},
    "half": {"beam": 3, "precision": "bf16"},
}


def sentences() -> list[str]:
    draw = random.Random(0)
    words = list(WORDS)
    found = [" ".join(draw.choices(words, k=size)) for size in (1, 2, 15, 16, 17, 33, 70, 5)]
    return found + [source for source, _ in pairs(56)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_alone_in_a_batch_and_shuffled_gives_the_same_bits(kind: str) -> None:
    torch.manual_seed(0)
    choices = ["task=translation", "architecture=encoder_decoder", "cell=gru"]
    config = compose([*choices, *SIZES, *KINDS[kind], "trainer.device=cpu"])
    task = build_task(config["task"])
    examples = [{"source": one, "target": one} for one in sentences()]
    encoding = task.encoding.build(examples, task.config)
    model, split = build_model(config, encoding).eval(), encoding.encode(examples)
    for parameter in model.parameters():
        parameter.data *= 1.5  # so that what is written depends on the sentence
    order = list(range(64))
    random.Random(1).shuffle(order)
    for way, options in WAYS.items():
        if way == "covering" and kind == "none":
            continue
        given = {**config["decode"], "max_length": 12, **options}
        together, mixed = written(model, split, range(64), given), {}
        for part in (order[:11], order[11:]):
            mixed |= written(model, split, part, given)
        for number in (0, 2, 3, 4, 6, 40, 63):
            alone = written(model, split, [number], given)[number]
            for other in (together[number], mixed[number]):
                assert other == alone, f"{way}, sentence {number}"
    assert len({tokens for tokens, _ in together.values()}) > 5


def written(
    model: SequenceModel, split: Any, rows: Any, options: dict[str, Any]
) -> dict[int, tuple[str, list[float]]]:
    """Return the tokens of each row, its ends left out, and the scores."""
    with torch.inference_mode():
        found = Search(options, TOKENS).write(model, split.batch(list(rows)))
    kept = [str([[int(t) for t in one if t != END] for one in row]) for row in found.tokens]
    return dict(zip(rows, zip(kept, found.scores.tolist(), strict=True), strict=True))

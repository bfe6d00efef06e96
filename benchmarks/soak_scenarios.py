"""What the soak runs: small configurations of several tasks, and the data that they need."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SHORT = [
    "architecture.hidden_size=8",
    "trainer.max_epochs=40",
    "trainer.average=0.9",
    "trainer.checkpoint_minutes=0.005",
    "trainer.device=cpu",
    "trainer.threads=1",
]
SMALL = [
    *SHORT,
    "task.words.size=8",
    "task.affixes.size=4",
    "task.characters.size=4",
    "task.characters.hidden_size=4",
    "trainer.batch_size=8",
    "trainer.validate_every=0.5",
]
"""A tagger that trains for a second or two, with a checkpoint every 0.3 s."""
SMALL_PAIRS = [
    *SHORT,
    "task=translation",
    "architecture=encoder_decoder",
    "task.subwords.size=null",
    "task.embedding.size=8",
    "trainer.batch_size=8",
    "trainer.validate_every=5",
]
"""A translator that trains for as long."""


@dataclass(frozen=True)
class Scenario:
    """A configuration, and what writes its data into a folder."""

    overrides: list[str]
    write: Callable[[Path], list[str]]


def tagger(*more: str) -> Scenario:
    return Scenario([*SMALL, *more], write_data)


def translator(*more: str) -> Scenario:
    return Scenario([*SMALL_PAIRS, *more], write_pairs)


def write_data(folder: Path, sentences: int = 60) -> list[str]:
    """Write a small tagged language as CoNLL-U; return the overrides that choose it."""
    draw, overrides = random.Random(0), ["data=files"]
    words = {
        "DET": "the a every",
        "NOUN": "dog cat run walk",
        "VERB": "sees run walk",
        "ADV": "now",
    }
    for name, count in {"train": sentences, "validation": 20, "test": 20}.items():
        blocks = []
        for _ in range(count):
            tags = draw.choice((("DET", "NOUN", "VERB"), ("NOUN", "VERB", "DET", "NOUN", "ADV")))
            rows = [(draw.choice(words[tag].split()), tag) for tag in tags]
            lines = [f"{n}\t{w}\t_\t{t}\t{t}2\t_\t_\t_\t_\t_" for n, (w, t) in enumerate(rows, 1)]
            blocks.append("\n".join(lines))
        path = folder / f"{name}.conllu"
        path.write_text("\n\n".join(blocks) + "\n\n", encoding="utf-8")
        overrides.append(f"data.{name}='{path}'")
    return overrides


WORDS = {
    "the": "le",
    "a": "un",
    "dog": "chien",
    "cat": "chat",
    "sees": "voit",
    "likes": "aime",
    "old": "vieux",
}


def write_pairs(folder: Path, pairs: int = 60) -> list[str]:
    """Write a small language and its translation; return the overrides that choose them."""
    draw, overrides = random.Random(0), ["data=files"]
    for name, count in {"train": pairs, "validation": 20, "test": 20}.items():
        sources = [
            " ".join(
                draw.choice(part.split()) for part in ("the a", "dog cat", "sees likes", "old")
            )
            for _ in range(count)
        ]
        targets = [" ".join(WORDS[word] for word in source.split()) for source in sources]
        paths = [folder / f"{name}.{language}" for language in ("en", "fr")]
        for path, lines in zip(paths, (sources, targets), strict=True):
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        overrides.append(f"data.{name}=['{paths[0]}','{paths[1]}']")
    return overrides


SCENARIOS = (
    tagger("cell=lstm", "trainer.activation_bytes=20000"),
    translator("cell=gru", "decode.beam=3", "loss.label_smoothing=0.1"),
    tagger("cell=gru", "trainer.schedule=cosine", "trainer.optimizer=sgd", "trainer.momentum=0.9"),
    tagger("cell=rnn", "architecture.num_layers=2", "trainer.accumulate=2"),
    translator("cell=lstm", "architecture.attention=additive", "task.subwords.kind=unigram"),
    tagger("cell=lstm", "cell@task.characters.cell=gru", "data.column=xpos", "trainer.members=2"),
    tagger("cell=peephole_lstm", "trainer.optimizer=adamw", "trainer.warmup_steps=50"),
    tagger("cell=layer_norm_lstm", "trainer.activation_bytes=0", "trainer.patience=20"),
    tagger("cell=mgu", "trainer.precision=bf16"),
    tagger("cell=min_gru", "trainer.kernel=scan", "architecture.dropout=0.3"),
    tagger(
        "cell=qrnn", "trainer.batch_size=null", "trainer.batch_tokens=40", "trainer.average=null"
    ),
    tagger("cell=sru", "cell@task.characters.cell=min_lstm", "trainer.schedule=linear"),
)
"""Every cell, two tasks; the kernel is generated where none is named."""

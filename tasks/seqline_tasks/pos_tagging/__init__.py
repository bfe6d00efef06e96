"""Part-of-speech tagging: a tag for every word, many-to-many of equal length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from seqline_plugins.architecture import Kind
from seqline_plugins.task.metrics import Metric
from seqline_plugins.task.source import DataSource, Example
from seqline_plugins.task.split import Batch
from seqline_plugins.task.task import Task
from seqline_tasks.data.conllu import fill_column, read_sentences
from seqline_tasks.pos_tagging.config import Config
from seqline_tasks.pos_tagging.encoding import TagEncoding, TaggedSentences
from seqline_tasks.pos_tagging.head import TagHead
from seqline_tasks.pos_tagging.inputs import WordInputs
from seqline_tasks.pos_tagging.passages import BREAK, deal_out, join, sentences_of
from seqline_tasks.pos_tagging.samples import mark_mistakes
from seqline_tasks.pos_tagging.scoring import TagMetrics
from seqline_tasks.pos_tagging.sources import TaggedSource, column_of

__all__ = ["PosTagging"]


class PosTagging(Task):
    """Tags words with their part of speech; scored against a most-frequent-tag baseline."""

    Config = Config
    kinds = (Kind("sequence", "aligned"),)
    metrics = (
        Metric("accuracy"),
        Metric("unseen_accuracy"),
        Metric("sentence_accuracy"),
        Metric("f1"),
    )
    primary = "accuracy"

    source = TaggedSource
    encoding = TagEncoding
    split = TaggedSentences
    inputs = WordInputs
    head = TagHead
    scoring = TagMetrics

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read CoNLL-U, or plain text: one sentence a line, words apart by spaces."""
        given = list(lines)
        if not any("\t" in line for line in given if not line.startswith("#")):
            return [_unlabelled(line.split()) for line in given]
        sentences = read_sentences(enumerate(given, start=1), (), place)
        return [_unlabelled(sentence.words, sentence.lines) for sentence in sentences]

    def text_of(self, example: Example) -> str:
        """Return the words apart by spaces."""
        return " ".join(word for word in example["words"] if word != BREAK)

    def together(self, examples: Sequence[Example]) -> list[Example]:
        """Return passages of sentences in a row, where `task.passage` asks for them."""
        most = self.config.passage
        return join(examples, most) if most else list(examples)

    def apart(
        self, examples: Sequence[Example], read: Sequence[Example], answers: list[list[Any]]
    ) -> list[list[Any]]:
        """Return each sentence's own tags."""
        return deal_out(examples, read, answers) if self.config.passage else answers

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[str]], data: DataSource
    ) -> str:
        """Return CoNLL-U with the learned column filled, or plain lines of word/TAG."""
        parts = []
        for example, tags in zip(examples, predicted, strict=True):
            if example["lines"]:
                parts.append(fill_column(example["lines"], column_of(data), tags) + "\n")
            else:
                pairs = zip(example["words"], tags, strict=True)
                parts.append(" ".join(f"{word}/{tag}" for word, tag in pairs) + "\n")
        return "".join(parts)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[str]]:
        """Return the tags' names, a list a sentence."""
        rows = zip(predicted.tolist(), batch["lengths"].tolist(), strict=True)
        return [[encoding.tags[tag] for tag in row[:length]] for row, length in rows]

    @staticmethod
    def refusal(config: Any, architecture: Any, loss: Mapping[str, Any], kind: Kind) -> str | None:
        """Refuse a distribution over whole sentences where words are taken one by one."""
        if config.crf and config.online:
            return "task.crf: found true with task.online=true, where no later tag is known."
        if config.crf and loss["backward"] == "step":
            return (
                "loss.backward: found step, but with task.crf=true only whole sentences have a "
                "loss: expected sequence or batch."
            )
        return None

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[str]]) -> list[str]:
        """Return a few tagged sentences, mistakes marked."""
        sentences = list(sentences_of(examples, predicted))
        return mark_mistakes([one for one, _ in sentences], [tags for _, tags in sentences])


def _unlabelled(words: list[str], lines: list[str] | None = None) -> Example:
    return {"words": words, "tags": [None] * len(words), "lines": lines}

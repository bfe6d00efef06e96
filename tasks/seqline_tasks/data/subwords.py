"""Subwords through `tokenizers`: text into numbers and back, learned from the training text.

A word's beginning carries the space before it, punctuation stands apart without one, so that
joining the pieces gives the text again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from seqline_plugins.errors import UserError
from seqline_plugins.options import option

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ("<pad>", "<unknown>", "<s>", "</s>")
SPACE = "\u2581"
"""Stands for the space before a word, as `tokenizers` has it."""
KINDS = ("bpe", "unigram", "word", "character")
RARE_STEP = 1e-4
"""How far apart `tokenizers` scores the characters that are no pieces of a unigram model."""
USUAL = 8000
"""Subwords where no number is asked for, fewer where the text does not hold as many."""


@dataclass
class SubwordOptions:
    """How text is cut into pieces."""

    kind: str = option("bpe", "byte pairs merged, unigram, words or characters", choices=KINDS)
    size: int | None = option(
        None, f"pieces in a vocabulary; null is {USUAL}, or all where there are fewer", low=8
    )
    joint: bool = option(False, "one vocabulary for source and target")
    lowercase: bool = option(False, "all in lower case, the output too")
    normalize: str = option(
        "nfc", "Unicode's forms of one character made one", choices=("none", "nfc", "nfkc")
    )


class Subwords:
    """One vocabulary; numbers 0 to 3 are padding, unknown, start and end."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.tokenizer.encode_special_tokens = True  # "</s>" in a text is text

    def __len__(self) -> int:
        size: int = self.tokenizer.get_vocab_size()
        return size

    @classmethod
    def learn(cls, texts: Iterable[str], options: SubwordOptions, key: str) -> Subwords:
        """Learn a vocabulary from lines of text.

        Raises `UserError`, naming `key`, where more pieces are asked for than the text holds.
        """
        tokenizer = _untrained(options)
        wanted = options.size or USUAL
        before = os.environ.get("TOKENIZERS_PARALLELISM")
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # sums in one order: the same every time
        try:
            tokenizer.train_from_iterator(texts, _trainer(options, wanted))
        finally:
            if before is None:
                del os.environ["TOKENIZERS_PARALLELISM"]
            else:
                os.environ["TOKENIZERS_PARALLELISM"] = before
        made = cls(_settled(tokenizer) if options.kind == "unigram" else tokenizer)
        if options.size is not None and len(made) < options.size:
            raise UserError(
                f"{key}: found {options.size}, but the training text holds {len(made)} pieces; "
                f"set {key}={len(made)} or less, or null for as many as there are."
            )
        return made

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of each text's pieces."""
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [one.ids for one in found]

    def decode(self, rows: Iterable[Sequence[int]]) -> list[str]:
        """Return the text of each row of numbers; what is unknown is left out."""
        return [self.tokenizer.decode(list(row), skip_special_tokens=True) for row in rows]

    def pieces(self, row: Iterable[int]) -> list[str]:
        """Return the pieces themselves, to be shown."""
        return [self.tokenizer.id_to_token(number) for number in row]

    def piece(self, number: int) -> str:
        """Return one piece itself."""
        found: str = self.tokenizer.id_to_token(number)
        return found

    def parts_of(self, text: str) -> list[str]:
        """Return the parts of a text that its pieces stand for, also the unknown ones.

        One that begins a word has the mark of a space before it, as pieces have.
        """
        found = self.tokenizer.encode(text, add_special_tokens=False)
        parts = []
        for start, stop in found.offsets:
            part = text[start:stop]
            begins = start == 0 or text[start - 1].isspace() or part[:1].isspace()
            parts.append((SPACE if begins else "") + part.strip())
        return parts

    def joined(self, pieces: Sequence[str]) -> str:
        """Return the text that pieces make."""
        text: str = self.tokenizer.decoder.decode(list(pieces))
        return text.strip()

    def to_json(self) -> str:
        """Return all of it as JSON."""
        text: str = self.tokenizer.to_str()
        return text

    @classmethod
    def from_json(cls, text: str) -> Subwords:
        """Read back what `to_json` gave."""
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_str(text))
        except Exception as error:  # the library raises this very class
            raise ValueError(f"the subwords cannot be read: {error}") from error


def _untrained(options: SubwordOptions) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    unknown = SPECIAL[UNKNOWN]
    if options.kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=unknown))
    elif options.kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=unknown))
    steps: list[Any] = []
    if options.normalize != "none":
        steps.append(normalizers.NFC() if options.normalize == "nfc" else normalizers.NFKC())
    if options.lowercase:
        steps.append(normalizers.Lowercase())
    if steps:
        tokenizer.normalizer = normalizers.Sequence(steps)
    apart: Any = pre_tokenizers.Punctuation("isolated")
    if options.kind == "character":
        apart = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), apart])
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def _settled(tokenizer: Any) -> Any:
    """Return a unigram model with rounded scores, in their order.

    The library adds them up in the order of a hash table, so that their last digits, and the order
    of equals, are others in every process. So is which of the characters that are no pieces gets
    the least score, which the next one above it: they share them out by their order here.
    """
    from tokenizers import Tokenizer

    stored = json.loads(tokenizer.to_str())
    vocabulary = stored["model"]["vocab"]
    special, learned = vocabulary[: len(SPECIAL)], vocabulary[len(SPECIAL) :]
    rounded = {piece: round(score, 9) for piece, score in learned}
    least = min(rounded.values(), default=0.0)
    rare = sorted(p for p, score in rounded.items() if len(p) == 1 and _is_step(score - least))
    rounded |= zip(rare, sorted(rounded[piece] for piece in rare), strict=True)
    ordered = sorted(rounded.items(), key=lambda one: (-one[1], one[0]))
    stored["model"]["vocab"] = special + [list(one) for one in ordered]
    return Tokenizer.from_str(json.dumps(stored))


def _is_step(above: float) -> bool:
    """Say whether a score lies whole steps of the library above the least one."""
    steps = above / RARE_STEP
    return abs(steps - round(steps)) < 1e-3


def _trainer(options: SubwordOptions, size: int) -> Any:
    from tokenizers import trainers

    shared: dict[str, Any] = {
        "vocab_size": size,
        "special_tokens": list(SPECIAL),
        "show_progress": False,
    }
    if options.kind == "bpe":
        return trainers.BpeTrainer(**shared)
    if options.kind == "unigram":
        return trainers.UnigramTrainer(**shared, unk_token=SPECIAL[UNKNOWN])
    return trainers.WordLevelTrainer(**shared)

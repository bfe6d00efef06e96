"""The task: what is learned. Its data, encoding, trainable ends, metrics, baseline and samples.

A task names its parts as classes; each part's source enters the digest of the stages that use
it, so that changing a metric retrains nothing.
Letters: B batch, T time, I features per step, H hidden features, C classes.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqline_plugins.architecture import Kind
from seqline_plugins.errors import UserError
from seqline_plugins.generation import Generation
from seqline_plugins.options import NoOptions
from seqline_plugins.sources import DataSource

ENCODING = "encoding.json"
SHOWN = 3
"""Examples that a person is shown."""

Example = dict[str, Any]
"""One raw example as read from its source: plain lists, strings and numbers."""

Batch = dict[str, Tensor]
"""What the inputs and the head read; always has `lengths`, (B,)."""


@dataclass(frozen=True)
class Metric:
    """One figure: its name under `test/`, its direction, and whether it needs decoding."""

    name: str
    direction: Literal["higher", "lower"] = "higher"
    needs_decoding: bool = False


@dataclass(frozen=True)
class SearchTokens:
    """What a search must know of a vocabulary: how a text starts and ends, what it never has."""

    start: int
    end: int
    never: tuple[int, ...] = ()
    unknown: int | None = None
    """What stands for all that the vocabulary lacks; written only where it is replaced after."""


class Source(ABC):
    """Reads a task's raw examples from any of the three kinds of source; made from the options."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def read(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return the raw examples of `train`, `validation` and `test`.

        They may be read only as they are gone through, so that a corpus need not fit in memory.
        Raises `UserError` naming file and line for what cannot be read.
        """

    def fingerprint(self, data: DataSource) -> dict[str, Any]:
        """Return what determines the data without parsing it: file digests, package versions.

        Asked before anything else. As it is here it serves sources that draw or hold their data
        themselves; one that reads files or the hub names what it reads. Raises `UserError` for a
        source that is not there.
        """
        if data.source != "builtin":
            raise UserError(
                f"data={data.source}: this task has only data of its own, expected data=builtin."
            )
        return {"source": data.source, "seed": data.seed, "split": data.split}

    @abstractmethod
    def baseline(self, splits: Mapping[str, Sequence[Example]]) -> dict[str, float]:
        """Return trivial baselines on the test split, the task's primary metric among them."""

    def warnings(self, splits: Mapping[str, Sequence[Example]]) -> list[str]:
        """Return what a person should know about the data (a leak between splits)."""
        return []


class Encoding(ABC):
    """Turns raw examples into numbers and back; built from the training data, stored as JSON.

    A dataclass whose fields JSON can hold needs no `save` and `load` of its own.
    """

    @classmethod
    def build(cls, examples: Iterable[Example], config: Any) -> Encoding:
        """Learn vocabularies from the training examples; by default there are none."""
        return cls()

    def save(self, folder: Path) -> None:
        """Write the vocabularies as JSON into `folder`, which is there."""
        fields = getattr(self, "__dataclass_fields__", ())
        kept = {name: getattr(self, name) for name in fields}
        (folder / ENCODING).write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Encoding:
        """Read back what `save` wrote."""
        kept = json.loads((folder / ENCODING).read_text(encoding="utf-8"))
        return cls(**kept)

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> EncodedSplit:
        """Return the examples in numbers, ready to be batched."""

    def select(self, examples: Sequence[Example]) -> tuple[Sequence[Example], list[str]]:
        """Return the training examples that are learned from, and what a person should know.

        All of them unless a task leaves some out (because they are too long).
        """
        return examples, []

    def store(
        self, examples: Sequence[Example], folder: Path, *, training: bool
    ) -> tuple[EncodedSplit, list[str]]:
        """Write a split in numbers; return it, and what a person should know.

        `training` ones are those that `select` chooses. A task whose data may be larger than
        memory reads `examples` from the first to the last and writes as it reads.
        """
        said: list[str] = []
        if training:
            examples, said = self.select(examples)
        encoded = self.encode(examples)
        folder.mkdir(exist_ok=True)
        encoded.save(folder)
        return encoded, said

    @property
    def search_tokens(self) -> SearchTokens:
        """How what a search writes starts and ends (tasks that decode)."""
        raise NotImplementedError(f"{type(self).__name__} has no tokens that a search could write")

    def describe(self) -> dict[str, int]:
        """Return sizes worth showing: {"words": 9875, "tags": 17}."""
        return {}


class EncodedSplit(ABC):
    """Examples in numbers: how long each is, and any of them as a padded batch.

    timed   the batch's tensors that run along time, (B, T, …): what truncated BPTT cuts
    """

    lengths: Sequence[int]
    timed: ClassVar[tuple[str, ...]] = ()

    @property
    def tokens(self) -> int:
        """Steps of all rows together."""
        return int(sum(int(length) for length in self.lengths))

    @abstractmethod
    def batch(self, rows: Sequence[int]) -> Batch:
        """Return the chosen rows as one padded batch."""

    def window(self, rows: Sequence[int], start: int, stop: int) -> Batch:
        """Return steps `start` to `stop` of the chosen rows; `lengths` are those inside.

        A row that ends before has 0 steps there.
        """
        whole = self.batch(rows)
        cut = {name: whole[name][:, start:stop] for name in self.timed}
        inside = (whole["lengths"] - start).clamp(0, stop - start)
        return {**whole, **cut, "lengths": inside}

    def seen_by(self, kind: Kind) -> EncodedSplit:
        """Return the split as an architecture of a kind reads it by rows; by default as it is."""
        return self

    def streams(self, count: int) -> EncodedSplit | None:
        """Return running text as `count` rows of equal length, side by side; the end may be cut.

        They are read by `window`, each going on where it stopped, with the state carried. None for
        examples that have nothing to do with each other.
        """
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the split as Arrow tables into `folder`, which is there."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> EncodedSplit:
        """Open what `save` wrote, memory-mapped."""


class Inputs(nn.Module, ABC):
    """A task's trainable start: batch → features (B, T, I) and lengths (B,).

    A task whose output is a sequence of its own gives the features of that too, `fed_size` each:
    of what stands before each step (`targets`), and of what a search has just written
    (`feedback`).
    """

    output_size: int
    fed_size: int | None = None
    entity_size: int | None = None

    def __init__(self, config: Any, encoding: Any, kernel: str = "auto") -> None:
        super().__init__()
        self.config, self.encoding, self.kernel = config, encoding, kernel

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Float[Tensor, "B T I"], Int[Tensor, "B"]]:
        """Return the features of every step and how many steps each row has."""

    def entity(self, batch: Batch) -> Float[Tensor, "B I"]:
        """Return the features of the one entity that a whole sequence is made from.

        `entity_size` each where it is given. The first step of `forward` unless a task says
        otherwise: a first chord, a first symbol.
        """
        return self(batch)[0][:, 0]

    def targets(self, batch: Batch) -> tuple[Tensor, Int[Tensor, "B"]]:
        """Return the features of what stands before each step of the output, and its steps."""
        raise NotImplementedError(f"{type(self).__name__} gives no features of the output")

    def mixed(self, batch: Batch, predicted: Tensor, share: float) -> Batch:
        """Return a batch in which what stands before each step is, in a share of the steps, what
        the model itself would have written there (scheduled sampling, Bengio et al. 2015).
        """
        raise NotImplementedError(f"{type(self).__name__} mixes nothing into the output")

    def with_output(self, batch: Batch, tokens: Tensor) -> Batch:
        """Return a batch whose output is what was written, (B, U), filled up with ends."""
        raise NotImplementedError(f"{type(self).__name__} takes no output that was written")

    def feedback(self, sample: Tensor) -> Tensor:
        """Return the features of what was written last, (R, …) → (R, fed_size)."""
        raise NotImplementedError(f"{type(self).__name__} feeds nothing back")


class Head(nn.Module, ABC):
    """A task's trainable end: hidden (B, T, H) → a distribution, with its loss.

    `loss` is the configuration's section of that name. A head that `reads_attention` is given
    `Attended` instead of hidden features where the architecture is attentive. One whose steps
    depend on each other `reads_lengths`: `predict` and `probabilities` are then given the steps of
    each row too, (B,), as `lengths`.
    """

    reads_attention: ClassVar[bool] = False
    reads_lengths: ClassVar[bool] = False

    def __init__(
        self, config: Any, encoding: Any, input_size: int, loss: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.config, self.encoding, self.input_size = config, encoding, input_size
        self.loss_options = loss

    def tie(self, inputs: Inputs) -> None:
        """Take weights from the inputs that the two ends are to share; called once."""
        return

    @abstractmethod
    def loss(self, hidden: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the summed loss in nats and how many targets it sums over."""

    def step_losses(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return the loss of every step, (B, T), 0 where none counts: `loss` before it is summed.

        For tasks that let `loss.backward` take steps or sequences by themselves.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no loss of single steps")

    @abstractmethod
    def predict(self, hidden: Tensor) -> Tensor:
        """Return the most probable outputs, one a step."""

    def probabilities(self, hidden: Tensor) -> Tensor:
        """Return the probability of every class, (*B, C): what `trainer.members` averages.

        For heads whose `predict` returns the most probable class.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no probabilities of classes")

    def remember(self, batch: Batch) -> dict[str, Tensor]:
        """Return what of the input each step of a search needs, a row an input; nothing mostly."""
        return {}

    def log_probabilities(self, hidden: Any, memory: Mapping[str, Tensor] | None = None) -> Tensor:
        """Return the logarithm of the probability of every class, (*B, C): what a search adds.

        `memory` is what `remember` gave, as many rows as there are inputs.
        """
        return self.probabilities(hidden).log()

    def sample(
        self, hidden: Float[Tensor, "R H"], options: Mapping[str, Any], draw: torch.Generator
    ) -> Tensor:
        """Return one sample a row, (R, …), as `Inputs.feedback` takes it.

        `options` are the section `decode`; a temperature of 0 asks for the likeliest. All chance is
        from `draw`. For tasks that generate.
        """
        raise NotImplementedError(f"{type(self).__name__} draws no samples")


class Metrics(ABC):
    """Collects predictions over a split and gives the figures."""

    def __init__(self, config: Any, encoding: Any) -> None:
        self.config, self.encoding = config, encoding

    @abstractmethod
    def update(self, predicted: Tensor, batch: Batch, examples: Sequence[Example] = ()) -> None:
        """Add one batch of predictions; `examples` are its rows as they were read."""

    def add_loss(self, loss: float, targets: int) -> None:
        """Add the loss of one batch, in nats, summed over its targets."""
        return

    @abstractmethod
    def compute(self) -> dict[str, float]:
        """Return every declared metric by name."""

    def signatures(self) -> dict[str, str]:
        """Return for a figure how exactly it was computed, where that has a name."""
        return {}

    def pictures(self, folder: Path) -> list[Path]:
        """Draw what a person should see (a confusion matrix) and return the files."""
        return []

    @classmethod
    def statistics(
        cls, name: str, examples: Sequence[Example], answers: Sequence[Sequence[Any]]
    ) -> list[list[float]] | None:
        """Return of each example numbers whose sums `figure` makes into the metric of that name.

        The answers are as `Task.decode` gave them. None for a metric that is not made so; the
        others can be compared by bootstrap.
        """
        return None

    @classmethod
    def figure(cls, name: str, sums: Sequence[float]) -> float:
        """Return the metric that the sums of `statistics` over a split make."""
        raise NotImplementedError(f"{cls.__name__} makes no '{name}' of sums")

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Return longer results by name, each a list of rows (a score per tag)."""
        return {}


class Task(ABC):
    """What is learned; made from its checked `Config`.

    kinds      the architectures' kinds it fits
    metrics    the figures it reports, `primary` the one that chooses the best model
    decodes    whether it generates sequences (metrics such as BLEU need that)
    generation how it makes sequences from nothing or a beginning, for `seqline generate`
    online     is an option of its `Config` if it can be asked to work without look-ahead
    foretells  whether an aligned output is a later input: then nothing may look ahead

    Its parts, from `source` to `generation`, are named by the class; a task whose options choose
    between several sets them in its `__init__`.
    """

    Config: ClassVar[type] = NoOptions
    kinds: ClassVar[tuple[Kind, ...]]
    metrics: ClassVar[tuple[Metric, ...]]
    primary: ClassVar[str]
    decodes: ClassVar[bool] = False
    foretells: ClassVar[bool] = False

    source: type[Source]
    encoding: type[Encoding]
    split: type[EncodedSplit]
    """What the encoding's `encode` gives, to be opened again; `Rows` if it is not said."""
    inputs: type[Inputs]
    head: type[Head]
    scoring: type[Metrics]
    generation: type[Generation] | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not hasattr(cls, "split"):
            from seqline_plugins.rows import Rows  # which builds on this module

            cls.split = Rows

    def __init__(self, config: Any = None) -> None:
        self.config = self.Config() if config is None else config

    def head_for(self, kind: Kind) -> type[Head]:
        """Return the head over an architecture of this kind, where the task fits several."""
        return self.head

    def parse(self, lines: Iterable[str], place: str) -> list[Example]:
        """Read what a user gives `seqline predict`, a file's lines or standard input's.

        By default each line is an example as JSON. Raises `UserError` naming the line that is not.
        """
        return [_object(line, f"{place}:{number}") for number, line in enumerate(lines, start=1)]

    def text_of(self, example: Example) -> str:
        """Return the line of plain text that `parse` reads as this example."""
        return json.dumps(example, ensure_ascii=False)

    def render(
        self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]], data: DataSource
    ) -> str:
        """Return predictions as text, by default words apart by spaces, a line an example.

        `data` are as in training.
        """
        return "".join(" ".join(map(str, answer)) + "\n" for answer in predicted)

    def decode(self, encoding: Any, predicted: Tensor, batch: Batch) -> list[list[Any]]:
        """Return predictions in the task's own words, one list a row, padding left out.

        By default they are the predicted numbers themselves, one for each step of the row.
        """
        rows = zip(predicted.tolist(), batch["lengths"].tolist(), strict=True)
        return [row[:length] for row, length in rows]

    def answer(
        self, encoding: Any, predicted: Tensor, batch: Batch, examples: Sequence[Example]
    ) -> list[list[Any]]:
        """Return what `decode` does, for a task that also looks at the examples as they were read.

        So it can say what its vocabulary cannot, see `SearchTokens.unknown`.
        """
        return self.decode(encoding, predicted, batch)

    def together(self, examples: Sequence[Example]) -> list[Example]:
        """Return what the network is to read of examples that follow each other, in order.

        Each by itself unless a task joins some of them; `apart` then takes them apart again.
        """
        return list(examples)

    def apart(
        self, examples: Sequence[Example], read: Sequence[Example], answers: list[list[Any]]
    ) -> list[list[Any]]:
        """Return an answer to each example, given those to what `together` made of them."""
        return answers

    def parts(self, example: Example) -> list[Example]:
        """Return the parts of an example that `decode.split_sentences` predicts by themselves."""
        return [example]

    @staticmethod
    def refusal(config: Any, architecture: Any, loss: Mapping[str, Any], kind: Kind) -> str | None:
        """Return why the options of an architecture of this kind, and of the loss, do not fit the
        task's, if they do not.
        """
        return None

    def draw_attention(
        self,
        encoding: Any,
        example: Example,
        written: Sequence[int],
        weights: Float[Tensor, "U S"],
        path: Path,
    ) -> None:
        """Draw what each step of what was written looked at into a PNG file (attentive models)."""
        return

    def samples(self, examples: Sequence[Example], predicted: Sequence[Sequence[Any]]) -> list[str]:
        """Return a few examples as a person would want to see them, mistakes marked.

        By default the first three, as `text_of` gives them, and what was predicted.
        """
        pairs = list(zip(examples, predicted, strict=True))[:SHOWN]
        return [f"{self.text_of(one)}: {' '.join(map(str, answer))}" for one, answer in pairs]


def _object(line: str, place: str) -> Example:
    """Return the example that a line of JSON holds; raises `UserError` for another line."""
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place}: expected an example as JSON ({error}).") from error
    if not isinstance(found, dict):
        raise UserError(f'{place}: expected an object of JSON, as in {{"KEY": …}}.')
    return found

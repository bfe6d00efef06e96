"""The configuration's own sections: every key with its type, range, default and meaning.

The YAML files in `seqline_conf` show the same keys and defaults; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from seqline_plugins.options import option
from seqline_plugins.task.source import DataSource


@dataclass
class Trainer:
    """How the model is trained, and on what machine."""

    max_epochs: int | None = option(10, "stop after so many passes over the data", low=1)
    max_steps: int | None = option(None, "stop after so many updates", low=1)
    max_minutes: float | None = option(None, "stop after so many minutes of training", above=0)
    batch_size: int | None = option(None, "sequences in a batch; 32 if no size is given", low=1)
    batch_tokens: int | None = option(None, "tokens in a batch, instead of batch_size", low=1)
    optimizer: str = option("adam", "how weights move", choices=("adam", "adamw", "sgd"))
    lr: float = option(0.001, "the highest learning rate", above=0)
    betas: list[float] = option([0.9, 0.999], "Adam's two decays", low=0, high=0.9999999, length=2)
    weight_decay: float = option(0.0, "pull of the weights towards zero", low=0)
    momentum: float = option(0.0, "SGD's momentum", low=0, high=0.9999999)
    warmup_steps: int = option(0, "updates over which the rate rises from zero", low=0)
    schedule: str = option(
        "constant", "the rate after warm-up", choices=("constant", "linear", "cosine")
    )
    clip_norm: float | None = option(5.0, "largest norm of the gradient", above=0)
    bptt_steps: int | None = option(
        None, "steps that a gradient goes back; the state is carried on; null is all", low=1
    )
    accumulate: int = option(1, "batches whose gradients make one update", low=1)
    patience: int | None = option(None, "stop after so many epochs without a better score", low=1)
    average: float | None = option(
        None, "decay of a running average of the weights, kept where better", above=0, high=0.999999
    )
    members: int = option(
        1, "networks trained side by side, their predictions averaged", low=1, high=100
    )
    precision: str = option("32", "bits of the arithmetic", choices=("32", "bf16"))
    checkpoint_minutes: float = option(5.0, "minutes between checkpoints", above=0)
    validate_every: float = option(1.0, "epochs between validations, fractions allowed", above=0)
    seed: int = option(0, "weights, dropout and the order of batches", low=0, high=2**32 - 1)
    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps")
    threads: int | None = option(None, "processor threads; null takes all", low=1)
    activation_bytes: int | None = option(
        None, "bytes each layer keeps for the backward pass; more is computed again", low=0
    )
    spare_memory: bool = option(
        False, "give memory that is free back to the system all the time, a little slower (Linux)"
    )
    kernel: str = option(
        "auto",
        "who computes the recurrence",
        choices=("auto", "generated", "reference", "scan", "vendor"),
    )


@dataclass
class Loss:
    """What is minimized."""

    label_smoothing: float = option(
        0.0, "share of the target spread over all classes", low=0, high=0.99
    )
    normalize: str = option(
        "tokens",
        "what an update's summed loss is divided by",
        choices=("tokens", "sequences", "none"),
    )
    coverage: float = option(
        0.0, "weight of Σ min(attention, attention before): against looking twice", low=0
    )
    scheduled_sampling: float = option(
        0.0,
        "share of the target's steps that at the end of training read what the model wrote",
        low=0,
        high=1,
    )
    backward: str = option(
        "batch",
        "the loss is propagated back of each step by itself, of each sequence, or of the batch at "
        "once: the same gradient, batch the fastest by far",
        choices=("step", "sequence", "batch"),
    )


@dataclass
class Decode:
    """How sequences are written at evaluation; while training they are written greedily."""

    beam: int = option(5, "sentences kept at each step; 1 is greedy", low=1)
    length_penalty: float = option(
        1.0, "a in log p / ((5 + length) / 6)^a, by which sentences are compared", low=0
    )
    coverage_penalty: float = option(
        0.0, "b in + b Σ log min(attention to a place, 1): against places left out", low=0
    )
    replace_unknown: bool = option(
        False, "write for what the vocabulary lacks the piece of the source looked at most"
    )
    split_sentences: bool = option(
        False, "predict: cut each line into sentences, write each by itself, join them again"
    )
    n_best: int = option(1, "sentences written for each input, the best first", low=1)
    min_length: int = option(0, "fewest tokens, the end not counted", low=0)
    max_length: int | None = option(
        None, "most tokens, the end not counted; null is twice the input's and 10 more", low=1
    )
    no_repeat_ngram: int = option(
        0, "n: no n tokens in a row are written twice; 0 allows all", low=0
    )
    precision: str = option(
        "32",
        "bits of the factors of products; bf16 is faster and rounds them to bfloat16",
        choices=("32", "bf16"),
    )
    sample: bool = option(False, "draw each token instead of searching for the likeliest")
    temperature: float = option(
        1.0, "sample: below 1 the likely becomes likelier, 0 takes the likeliest", low=0
    )
    top_k: int = option(0, "sample: draw from so many likeliest tokens, 0 for all", low=0)
    top_p: float = option(
        1.0, "sample: draw from the likeliest tokens of this joint probability", above=0, high=1
    )
    seed: int = option(0, "sample: the same seed draws the same", low=0, high=2**32 - 1)


@dataclass
class MetricChoice:
    """Which figures count."""

    primary: str | None = option(None, "chooses the best model; null is the task's own")


@dataclass
class Tracking:
    """What the run leaves in MLflow."""

    experiment: str | None = option(None, "the experiment's name; null is the task's name")
    run_name: str | None = option(None, "the run's name; null is architecture, cell and seed")
    register: bool = option(True, "add the model to the registry under the task's name")
    promote: str = option(
        "never",
        "whether the alias champion moves to the new version: where it does better on the same "
        "test data by more than chance",
        choices=("never", "better"),
    )


@dataclass
class Runner:
    """Where the work is done."""

    name: str = option("local", "this machine", choices=("local",))


SECTIONS: dict[str, type] = {
    "data": DataSource,
    "trainer": Trainer,
    "loss": Loss,
    "decode": Decode,
    "metrics": MetricChoice,
    "tracking": Tracking,
    "runner": Runner,
}
"""Every section by its key; beside them stand the plugins: task, architecture, cell."""

"""A writer whose next token depends on the two before it, from a table: no network."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from seqline_plugins.architecture import State
from seqline_plugins.task.encoding import SearchTokens

START, END = 0, 1
TOKENS = SearchTokens(START, END, never=(START,))
OPTIONS = {
    "beam": 1,
    "length_penalty": 0.0,
    "coverage_penalty": 0.0,
    "replace_unknown": False,
    "n_best": 1,
    "min_length": 0,
    "max_length": None,
    "no_repeat_ngram": 0,
    "sample": False,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": 0,
}


class TableWriter:
    """log p(next | input, the token before the last, the last), drawn once."""

    def __init__(self, inputs: int, vocabulary: int, seed: int = 0, spread: float = 2.0) -> None:
        torch.manual_seed(seed)
        shape = (inputs, vocabulary, vocabulary, vocabulary)
        table = torch.randn(shape, dtype=torch.float64) * spread
        table[..., START] = -torch.inf
        self.table = table.log_softmax(-1)
        self.rows_asked = 0

    def begin(self, inputs: list[int]) -> State:
        given = torch.tensor(inputs)
        return {"input": given, "before": torch.zeros_like(given)}

    def advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        self.rows_asked += len(tokens)
        scores = self.table[state["input"], state["before"], tokens]
        return scores, {"input": state["input"], "before": tokens}

    def choose(self, state: State, rows: Tensor, inputs: Tensor | None = None) -> State:
        chosen = {name: tensor[rows] for name, tensor in state.items()}
        there, left = state["input"].unique_consecutive(), chosen["input"].unique_consecutive()
        wanted = there if inputs is None else there[inputs]
        assert torch.equal(left, wanted), "other inputs are left than was said"
        return chosen

    def score(self, number: int, sentence: tuple[int, ...]) -> float:
        """The summed log-probability of a sentence, its end included."""
        before, last, total = START, START, 0.0
        for token in (*sentence, END):
            total += float(self.table[number, before, last, token])
            before, last = last, token
        return total

    def every_sentence(self, longest: int) -> list[tuple[int, ...]]:
        words = range(2, self.table.shape[-1])
        sizes = range(longest + 1)
        return [one for size in sizes for one in itertools.product(words, repeat=size)]

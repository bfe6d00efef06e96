"""One side of language_model.py: trains a character LSTM when told, seqline's or torch's.

Both have one network: vectors of 128, LSTM layers, a softmax; Adam 2e-3, clip 5, no dropout unless
asked for, the state carried and detached. It reads "train N" and "score" and answers in JSON.
"""

import argparse
import gzip
import json
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class TorchNetwork(nn.Module):
    """Embedding, nn.LSTM, Linear."""

    def __init__(self, characters, hidden_size, layers, dropout):
        super().__init__()
        self.vectors = nn.Embedding(characters, 128)
        self.lstm = nn.LSTM(128, hidden_size, layers, batch_first=True, dropout=dropout)
        self.scores = nn.Linear(hidden_size, characters)

    def forward(self, read, told, state):
        """Return the mean loss and the state after."""
        hidden, state = self.lstm(self.vectors(read), state)
        scores = self.scores(hidden).flatten(0, 1)
        return F.cross_entropy(scores, told.flatten()), tuple(one.detach() for one in state)


class SeqlineNetwork(nn.Module):
    """The same by seqline's parts."""

    def __init__(self, characters, hidden_size, layers, dropout):
        super().__init__()
        from seqline.config.compose import compose
        from seqline.model import build_model
        from seqline_tasks.language_model.encoding import CharacterEncoding

        options = {"hidden_size": hidden_size, "num_layers": layers, "dropout": dropout}
        options |= {"bidirectional": "false", "input_dropout": 0, "output_dropout": 0}
        given = [f"architecture.{name}={value}" for name, value in options.items()]
        encoding = CharacterEncoding([chr(code) for code in range(1, characters)], 1)
        self.model = build_model(compose(["task=text", *given]), encoding)

    def forward(self, read, told, state):
        """Return the mean loss and the state after."""
        lengths = torch.full((len(read),), read.shape[1])
        batch = {"tokens": read, "targets": told, "lengths": lengths}
        hidden, state = self.model(batch, state)
        loss, count = self.model.loss(hidden, batch)
        return loss / count, {name: one.detach() for name, one in state.items()}


class Side:
    """A network, its optimizer and where it stands in the text."""

    def __init__(self, given):
        with gzip.open(given.text, "rt", encoding="utf-8", newline="") as stream:
            text = stream.read()
        known = {char: number for number, char in enumerate(sorted(set(text)))}
        numbers = torch.tensor([known[char] for char in text])
        held = round(0.05 * len(numbers))
        train, self.validation = numbers[: -2 * held], numbers[-2 * held : -held]
        length = (len(train) - 1) // given.batch
        self.read = train[: length * given.batch].view(given.batch, length)
        self.told = train[1 : length * given.batch + 1].view(given.batch, length)
        torch.manual_seed(1)
        kind = {"torch": TorchNetwork, "seqline": SeqlineNetwork}[given.side]
        self.network = kind(len(known) + 1, given.hidden_size, given.layers, given.dropout)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 2e-3)
        self.at, self.state, self.steps, self.bf16 = 0, None, given.steps, given.bf16

    def train(self, updates):
        """Do some updates; return the seconds, the characters and the last loss in bits."""
        self.network.train()
        started = time.perf_counter()
        for _ in range(updates):
            if self.at + self.steps > self.read.shape[1]:
                self.at, self.state = 0, None
            window = slice(self.at, self.at + self.steps)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                given = self.read[:, window], self.told[:, window], self.state
                loss, self.state = self.network(*given)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            bits = loss.item() / math.log(2)
            self.at += self.steps
        seconds = time.perf_counter() - started
        return {
            "seconds": seconds,
            "characters": updates * len(self.read) * self.steps,
            "bits": bits,
        }

    def score(self):
        """Return bits per character of the validation text, one stream, the state carried."""
        self.network.eval()
        total, state, told = 0.0, None, self.validation[1:]
        with torch.no_grad():
            for at in range(0, len(told), 1000):
                window = told[at : at + 1000]
                read = self.validation[at : at + len(window)]
                loss, state = self.network(read[None], window[None], state)
                total += float(loss) * len(window)
        return {"bits": total / len(told) / math.log(2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=["torch", "seqline"])
    parser.add_argument("--text", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--bf16", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.set_flush_denormal(True)
    answers = sys.stdout
    sys.stdout = sys.stderr
    side = Side(given)
    parameters = sum(one.numel() for one in side.network.parameters())
    print(json.dumps({"parameters": parameters}), file=answers, flush=True)
    for line in sys.stdin:
        what, _, number = line.strip().partition(" ")
        done = side.train(int(number)) if what == "train" else side.score()
        print(json.dumps(done), file=answers, flush=True)


if __name__ == "__main__":
    main()

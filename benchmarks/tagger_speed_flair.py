"""The peer's side of tagger_speed.py: Flair's SequenceTagger, an epoch or a prediction at a time.

Runs in Flair's interpreter; driven by tagger_speed.py through its standard input and output.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from measure import files_of, read_words

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--epochs", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
parser.add_argument("--characters", action="store_true")
given = parser.parse_args()

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what Flair prints goes to the log


def answer(value):
    print(json.dumps(value), file=answers, flush=True)


import flair  # noqa: E402
import torch  # noqa: E402
from flair.data import Corpus, Dictionary, Sentence  # noqa: E402
from flair.datasets import FlairDatapointDataset  # noqa: E402
from flair.embeddings import (  # noqa: E402
    CharacterEmbeddings,
    OneHotEmbeddings,
    StackedEmbeddings,
)
from flair.models import SequenceTagger  # noqa: E402
from flair.trainers import ModelTrainer  # noqa: E402
from flair.trainers.plugins import TrainerPlugin  # noqa: E402

BATCHES = (32, 256)
data = {split: list(read_words(path)) for split, path in files_of(given.data, "en_ewt").items()}
words = {split: sum(map(len, sentences)) for split, sentences in data.items()}


def await_turn():
    """Return what the driver asks for; end with it when it is gone."""
    asked = sys.stdin.readline().strip()
    if not asked:
        sys.exit()
    return asked


def labelled(sentences):
    made = []
    for sentence in sentences:
        made.append(Sentence([word for word, _ in sentence]))
        for token, (_, tag) in zip(made[-1], sentence, strict=True):
            token.add_label("upos", tag)
    return FlairDatapointDataset(made)


def make_tagger(corpus, folder):
    embeddings = [
        OneHotEmbeddings.from_corpus(corpus, field="text", min_freq=2, embedding_length=128)
    ]
    if given.characters:  # by itself it would download its list; the training characters serve
        characters = Dictionary()
        for character in sorted({c for s in data["train"] for word, _ in s for c in word}):
            characters.add_item(character)
        characters.save(folder / "characters")
        embeddings.append(CharacterEmbeddings(path_to_char_dict=str(folder / "characters")))
    return SequenceTagger(
        embeddings=StackedEmbeddings(embeddings) if given.characters else embeddings[0],
        tag_dictionary=corpus.make_label_dictionary("upos", add_unk=False),
        tag_type="upos",
        hidden_size=256,
        rnn_layers=1,
        use_crf=False,
        reproject_embeddings=False,
        dropout=0.0,
        word_dropout=0.0,
        locked_dropout=0.5,
    )


class Turns(TrainerPlugin):
    """Times each epoch's updates, and waits for its turn when the epoch is evaluated."""

    @TrainerPlugin.hook
    def before_training_epoch(self, **_):
        self.started = time.perf_counter()

    @TrainerPlugin.hook
    def after_training_epoch(self, **_):
        self.seconds = time.perf_counter() - self.started

    @TrainerPlugin.hook
    def after_evaluation(self, **_):
        answer({"seconds": self.seconds})
        await_turn()


def predict(tagger):
    """Tag the test set with both batch sizes; making the sentences is not counted."""
    result = {}
    for size in BATCHES:
        sentences = [Sentence([word for word, _ in sentence]) for sentence in data["test"]]
        started = time.perf_counter()
        tagger.predict(sentences, mini_batch_size=size, embedding_storage_mode="none")
        result[str(size)] = time.perf_counter() - started
        pairs = zip(sentences, data["test"], strict=True)
        right = sum(
            token.get_label("upos").value == tag
            for sentence, gold in pairs
            for token, (_, tag) in zip(sentence, gold, strict=True)
        )
    return {"seconds": result, "accuracy": right / words["test"]}


torch.set_num_threads(given.threads)
flair.device = torch.device("cpu")
flair.set_seed(1)
with tempfile.TemporaryDirectory() as name:
    corpus = Corpus(*(labelled(data[split]) for split in ("train", "dev", "test")))
    tagger = make_tagger(corpus, Path(name))
    parameters = sum(p.numel() for p in tagger.parameters())
    versions = {"flair": flair.__version__, "torch": torch.__version__}
    answer({"words": words, "parameters": parameters, **versions})
    await_turn()
    ModelTrainer(tagger, corpus).train(
        Path(name) / "model",
        learning_rate=1e-3,
        optimizer=torch.optim.Adam,
        mini_batch_size=32,
        max_epochs=given.epochs,
        max_grad_norm=5.0,
        embeddings_storage_mode="none",
        save_final_model=False,
        use_final_model_for_eval=True,
        plugins=[Turns()],
        attach_default_scheduler=False,
    )
    answer({})
    while await_turn() == "predict":
        answer(predict(tagger))

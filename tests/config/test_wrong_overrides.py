"""Wrong overrides: each is refused with the place, what was found, what was expected."""

from __future__ import annotations

import pytest

from seqline.config.compose import compose
from seqline_plugins.errors import UserError

WRONG = [
    # unknown names, with the nearest
    (["cel=lstm"], ["cel:", "Did you mean 'cell'?"]),
    (["cell=leakyy"], ["cell:", "unknown cell 'leakyy'", "Did you mean 'leaky'?", "sharp"]),
    (["task=namin"], ["unknown task 'namin'", "Did you mean 'naming'?"]),
    (["architecture=two_wai"], ["unknown architecture 'two_wai'", "'two_way'"]),
    (["trainer=defaul"], ["unknown trainer", "Did you mean 'default'?"]),
    (["experiment=ewt"], ["unknown experiment 'ewt'", "Known:"]),
    (["cell=null"], ["unknown cell 'null'"]),
    (["cell=3"], ["unknown cell '3'"]),
    (["cell=inherit"], ["unknown cell 'inherit'"]),
    (["architecture.hidden_sise=3"], ["architecture.hidden_sise", "'hidden_size'"]),
    (["task.characters.hidden_sise=3"], ["task.characters.hidden_sise", "'hidden_size'"]),
    (["trainer.foo=1"], ["trainer.foo", "Options of trainer", "max_epochs"]),
    (["cell.sharpness=3"], ["cell.sharpness", "cell=leaky", "cell=sharp has", "leak, gain"]),
    (["lr=3"], ["lr: there is no such key", "Did you mean 'trainer.lr'?"]),
    (["seed=3"], ["'data.seed' or 'trainer.seed'"]),
    (["architecture.name=summary"], ["architecture=summary"]),
    (["tracking.experimnt=x"], ["Did you mean 'experiment'?"]),
    (["foo/bar=x"], ["foo/bar: there is no such key"]),
    # slots
    (["cell@architecture.cel=sharp"], ["cell@architecture.cel:", "'cell@architecture.cell'"]),
    (["cell@architecture.cell=sharpe"], ["cell@architecture.cell: unknown cell 'sharpe'"]),
    (["cel@architecture.cell=sharp"], ["'cel' is no group", "Did you mean 'cell'?"]),
    (["architecture.cell=sharp"], ["cell@architecture.cell=sharp"]),
    (["task.characters.cell=sharp"], ["cell@task.characters.cell=sharp"]),
    (["architecture.cell.lea=0.5"], ["architecture.cell.lea", "Did you mean 'leak'?"]),
    (
        ["cell@architecture.cell=sharp", "architecture.cell.sharpness=0"],
        ["architecture.cell.sharpness: found 0", "at least 1"],
    ),
    # values
    (["trainer.max_epochs=fast"], ["trainer.max_epochs: found 'fast'", "a whole number"]),
    (["trainer.max_epochs=-1"], ["trainer.max_epochs: found -1", "at least 1"]),
    (["trainer.max_epochs=2.5"], ["found 2.5", "a whole number"]),
    (["trainer.lr=0"], ["trainer.lr: found 0", "more than 0"]),
    (["trainer.lr=nan"], ["trainer.lr: found nan"]),
    (["trainer.lr="], ["trainer.lr: found ''", "a number"]),
    (["trainer.lr={a:1}"], ["trainer.lr: found {a: 1}", "a number"]),
    (["trainer.lr.x=1"], ["trainer.lr: found {x: 1}", "a number"]),
    (["trainer.betas=[0.1]"], ["trainer.betas: found [0.1]", "a list of 2 numbers"]),
    (["trainer.betas=[0.1,2]"], ["trainer.betas", "each between 0 and"]),
    (["trainer.optimizer=adan"], ["adam, adamw, sgd", "Did you mean 'adam'?"]),
    (["trainer.precision=16"], ["32, bf16"]),
    (["trainer.device=gpu"], ["trainer.device: found 'gpu'", "cuda"]),
    (["trainer.average=1"], ["trainer.average: found 1"]),
    (["loss.label_smoothing=1"], ["between 0 and 0.99"]),
    (["architecture.dropout=1.5"], ["architecture.dropout: found 1.5", "between 0 and 0.99"]),
    (["architecture.num_layers=0"], ["architecture.num_layers: found 0", "at least 1"]),
    (["architecture.num_layers=null"], ["found null"]),
    (["architecture.bidirectional=maybe"], ["true or false"]),
    (["task.characters=3"], ["task.characters: found 3", "task.characters.hidden_size"]),
    (["task.affixes=[0]"], ["task.affixes", "each at least 1"]),
    (["trainer.lr=${foo.bar}"], ["trainer.lr", "foo.bar"]),
    # parts that do not fit
    (["architecture=summary"], ["does not fit task=naming", "many_to_many, two_way"]),
    (["task.online=true"], ["task.online=true", "Set architecture.bidirectional=false"]),
    (["trainer.members=2"], ["trainer.members: found 2, expected 1", "task=naming"]),
    (["metrics.primary=bleu"], ["metrics.primary", "generated text", "accuracy"]),
    (["metrics.primary=accurac"], ["no metric 'accurac'", "Did you mean 'accuracy'?"]),
    (["trainer.batch_size=2", "trainer.batch_tokens=9"], ["one of the two", "=null"]),
    (["trainer.max_epochs=null"], ["would never end"]),
    (["data.train=x"], ["data.train", "belongs to data=files"]),
    (["data.repo=x"], ["data.repo", "belongs to data=hub"]),
    (["data=files"], ["data.train: found null", "data.file=PATH"]),
    (["data=files", "data.train=x"], ["data.test: found null"]),
    (["data=files", "data.file=x", "data.test=y"], ["data.test", "beside data.file"]),
    (["data=files", "data.train=3", "data.test=y"], ["data.train: found 3", "a path"]),
    (["data=files", "data.file=x", "data.split=[0.5,0.2]"], ["data.split", "add up to 1"]),
    (["data.seed=-1"], ["data.seed: found -1"]),
    # grammar
    (["lstm"], ["lstm: expected key=value, as in cell=lstm"]),
    (["trainer.seed"], ["expected key=value, as in trainer.seed=VALUE"]),
    (["=3"], ["expected key=value"]),
    (["cell=rnn,lstm"], ["several values, 'rnn,lstm'", "cell=rnn"]),
    (["trainer.seed=range(3)"], ["several values"]),
    (["+trainer.lr=3"], ["without '+': trainer.lr=3"]),
    (["~trainer.lr=3"], ["without '~'"]),
    (["hydra.run.dir=x"], ["hydra.run.dir", "no part"]),
    (["architecture..x=3"], ["cannot be read as key=value"]),
]


@pytest.mark.parametrize(("overrides", "words"), WRONG, ids=lambda value: " ".join(value)[:40])
def test_wrong_override_is_refused_in_words(
    naming: list[str], overrides: list[str], words: list[str]
) -> None:
    with pytest.raises(UserError) as refused:
        compose([*naming, *overrides])
    assert refused.value.status == 2
    message = str(refused.value)
    assert not [word for word in words if word not in message], message
    for jargon in ("Hydra.cc", "omegaconf", "DictConfig", "full_key", "Traceback", "\n"):
        assert jargon not in message


@pytest.mark.parametrize("path", ["a(1).txt", "données.txt", "a=b", "a#b", "a b'c\"d", "~/x.txt"])
def test_message_shows_the_quoting_that_works(naming: list[str], path: str) -> None:
    import shlex

    base = [*naming, "data=files", "data.test=t"]
    with pytest.raises(UserError) as refused:
        compose([*base, f"data.train={path}"])
    shown = shlex.split(str(refused.value).split("Write ")[1])
    assert compose([*base, *shown])["data"]["train"].endswith(path.removeprefix("~"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.kernel=scan"], "scan cannot serve the cell LSTM: it is not linear"),
        (["cell=peephole_lstm", "trainer.kernel=vendor"], "cannot serve the cell PeepholeLSTM"),
        (["cell=min_gru", "cell@task.characters.cell=gru", "trainer.kernel=scan"], "the cell GRU"),
    ],
)
def test_a_kernel_that_cannot_serve_a_cell_is_refused_before_data_are_read(
    overrides: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        compose(overrides)

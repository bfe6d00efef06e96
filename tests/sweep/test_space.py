"""What a sweep varies, from Hydra's grammar, and what is refused."""

from __future__ import annotations

import pytest

from seqline.sweep.settings import Settings
from seqline.sweep.space import Space, overrides_of, read_sweep
from seqline_plugins.errors import UserError


def space_of(*texts: str) -> Space:
    return read_sweep(texts)[0]


def children(*texts: str) -> list[dict[str, str]]:
    space = space_of(*texts)
    return [space.values(number) for number in range(space.size)]


def test_a_grid_has_every_combination_the_last_key_fastest() -> None:
    found = children("cell=rnn,lstm", "trainer.lr=0.1", "trainer.seed=0,1,2")
    assert [(one["cell"], one["trainer.seed"]) for one in found] == [
        ("rnn", "0"), ("rnn", "1"), ("rnn", "2"), ("lstm", "0"), ("lstm", "1"), ("lstm", "2"),
    ]  # fmt: skip
    assert overrides_of(found[0]) == ["cell=rnn", "trainer.lr=0.1", "trainer.seed=0"]


def test_ranges_choices_and_globs_are_hydras() -> None:
    assert [one["trainer.seed"] for one in children("trainer.seed=range(0,6,2)")] == ["0", "2", "4"]
    assert [one["cell"] for one in children("cell=choice(gru,mgu)")] == ["gru", "mgu"]
    assert [one["cell"] for one in children("cell=glob(*lstm)")] == [
        "layer_norm_lstm",
        "lstm",
        "min_lstm",
        "peephole_lstm",
        "slstm",
    ]
    assert len(children("data.split=[0.8,0.1,0.1],[0.6,0.2,0.2]")) == 2


def test_a_value_given_twice_is_one_child() -> None:
    assert len(children("trainer.seed=0,0,1")) == 2


def test_children_are_named_for_what_differs() -> None:
    space = space_of("task=pos_tagging", "cell=rnn,gru", "trainer.lr=0.1,0.2", "trainer.seed=0,1")
    assert space.name == "cell (rnn, gru) × lr (0.1, 0.2) × seed (0, 1)"
    assert space.title(space.values(5)) == "gru, lr 0.1, seed 1"
    assert space.axes[2].said("0.0123456789012") == "lr 0.01235"
    drawn = ("trainer.lr=interval(0.001,0.1)", "trainer.seed=range(0,200)")
    wide = space_of(*drawn, "sweep.search=optuna")
    assert wide.name == "lr (0.001 to 0.1) × seed (200 values)"


def test_corners_hold_every_value_of_every_key() -> None:
    space = space_of("cell=rnn,lstm,gru", "trainer.seed=range(0,100)")
    corners = list(space.corners())
    assert len(corners) == 1 + 2 + 99
    assert {one["cell"] for one in corners} == {"rnn", "lstm", "gru"}
    assert {one["trainer.seed"] for one in corners} == {str(seed) for seed in range(100)}


def test_the_sweeps_own_keys_are_checked() -> None:
    _, settings = read_sweep(["cell=rnn,gru", "sweep.parallel=3", "sweep.equal=minutes"])
    assert settings == Settings(parallel=3, equal="minutes")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cell=rnn"], "the sweep is empty"),
        ([], "the sweep is empty"),
        (["trainer.seed=range(3,3)"], "holds no value"),
        (["cell=glob(zz*)"], "fits none of: antisymmetric_rnn, cifg"),
        (["trainer.lr=glob(*)"], "glob.* is for groups"),
        (["cell=rnn,gru", "sweep.paralel=2"], "Did you mean 'parallel'"),
        (["cell=rnn,gru", "sweep.parallel=0"], "sweep.parallel: found 0"),
        (["cell=rnn,gru", "sweep.parallel=1,2"], "expected one"),
        (["cell=rnn,gru", "sweep.equal=speed"], "parameters or minutes|parameters, minutes"),
        (["trainer.lr=interval(0.1,0.2)"], "sweep.search=optuna"),
        (["trainer.lr=interval(0.2,0.1)", "sweep.search=optuna"], "LOW below HIGH"),
        (["trainer.seed=range(0,1000)", "data.seed=range(0,1000)"], "1,000,000 .*--yes"),
        (["cell"], "expected key=value"),
    ],
)
def test_what_cannot_be_a_sweep_is_said(texts: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read_sweep(texts)


def test_a_million_combinations_may_be_meant() -> None:
    space, _ = read_sweep(["trainer.seed=range(0,1000)", "data.seed=range(0,1000)"], yes=True)
    assert space.size == 1_000_000
    assert space.values(999_999) == {"trainer.seed": "999", "data.seed": "999"}

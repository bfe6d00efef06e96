"""Equal parameters, equal minutes, and what a search draws after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest

from seqline.config.compose import compose
from seqline.sweep.equal import minutes_for, model_of, nearest_size
from seqline.sweep.plan import Search
from seqline.sweep.process import Outcome
from seqline.sweep.space import read_sweep
from seqline_plugins.errors import UserError


@pytest.mark.parametrize(("gates", "wanted"), [(1, 50_000), (3, 50_000), (4, 1_000_000), (4, 3)])
def test_the_hidden_size_is_the_one_nearest_to_the_number_wanted(gates: int, wanted: int) -> None:
    def count(size: int) -> int:
        return gates * (size * (64 + size) + size)

    found = nearest_size(count, wanted)
    assert abs(count(found) - wanted) == min(abs(count(n) - wanted) for n in range(1, 700))


def test_a_size_that_a_cell_cannot_have_is_passed_over() -> None:
    def count(size: int) -> int:
        if size % 4:
            raise UserError("not in four blocks")
        return size * size

    assert nearest_size(count, 30 * 30) in (28, 32)


def test_few_sizes_are_tried() -> None:
    tried: list[int] = []

    def count(size: int) -> int:
        tried.append(size)
        return 90_000 + 4 * (size * (64 + size) + size)

    assert count(nearest_size(count, count(347))) == count(347)
    assert len(set(tried)) <= 10


def test_models_are_told_apart_by_what_changes_their_parameters() -> None:
    space, _ = read_sweep(["cell=rnn,gru", "trainer.seed=0,1", "task.words.size=8,16"])
    names = {model_of(space, space.values(number)) for number in range(space.size)}
    assert len(names) == 4


def test_equal_minutes_leave_no_other_bound() -> None:
    space, _ = read_sweep(["cell=rnn,gru", "trainer.max_minutes=2"])
    configs = [compose(["cell=rnn", "trainer.max_minutes=2"])]
    assert (
        compose([*minutes_for(space, configs), "trainer.max_minutes=2"])["trainer"]["max_epochs"]
        is None
    )
    with pytest.raises(UserError, match="give one, as in trainer"):
        minutes_for(space, [compose(["cell=rnn"])])
    varied, _ = read_sweep(["trainer.max_epochs=1,2", "trainer.max_minutes=2"])
    with pytest.raises(UserError, match="max_epochs is varied"):
        minutes_for(varied, configs)


def open_study(tmp_path: Path, trials: int = 4) -> Search:
    tmp_path.mkdir(exist_ok=True)
    texts = [
        "trainer.lr=tag(log,interval(0.001,0.1))",
        "cell=rnn,gru",
        "trainer.max_epochs=range(1,9,2)",
    ]
    space, settings = read_sweep([*texts, "sweep.search=optuna", f"sweep.trials={trials}"])
    return Search(space, settings, f"sqlite:///{tmp_path / 'optuna.db'}", "key", "higher", 1.0)


def test_a_search_draws_within_its_axes_and_stops_at_its_trials(tmp_path: Path) -> None:
    search = open_study(tmp_path)
    drawn = []
    for draw in search.draws():
        drawn.append(draw)
        search.ended(draw, Outcome("finished", value=0.5))
    assert [draw.number for draw in drawn] == [0, 1, 2, 3]
    for draw in drawn:
        assert 0.001 <= float(draw.values["trainer.lr"]) <= 0.1
        assert draw.values["cell"] in ("rnn", "gru")
        assert draw.values["trainer.max_epochs"] in ("1", "3", "5", "7")


def test_a_search_that_was_killed_first_gives_what_was_under_way(tmp_path: Path) -> None:
    calm = [dict(draw.values) for draw in _all(open_study(tmp_path / "calm"))]
    killed = open_study(tmp_path / "killed")
    draws = killed.draws()
    first = next(draws)
    killed.ended(first, Outcome("finished", value=0.5))
    second = next(draws)  # under way when the process dies
    again = open_study(tmp_path / "killed")
    rest = list(_all(again))
    assert rest[0].number == second.number and rest[0].values == second.values
    assert [dict(one.values) for one in [first, *rest]] == calm


def _all(search: Search):  # type: ignore[no-untyped-def]
    for draw in search.draws():
        yield draw
        search.ended(draw, Outcome("finished", value=0.5))


def test_a_trial_that_failed_is_tried_once_more_when_the_sweep_starts_again(
    tmp_path: Path,
) -> None:
    search = open_study(tmp_path, trials=1)
    (draw,) = search.draws()
    search.ended(draw, Outcome("failed", "out of memory"))
    (again,) = _all(open_study(tmp_path, trials=1))
    assert again.values == draw.values
    assert list(open_study(tmp_path, trials=1).draws()) == []


def test_a_child_far_behind_the_others_is_pruned(tmp_path: Path) -> None:
    search = open_study(tmp_path, trials=6)
    draws = search.draws()
    for _ in range(5):
        draw = next(draws)
        assert not search.heard(draw, {"primary": 0.9, "epoch": 1.0})
        search.ended(draw, Outcome("finished", value=0.9))
    last = next(draws)
    assert not search.heard(last, {"primary": None, "epoch": 0.5})
    assert search.heard(last, {"primary": 0.1, "epoch": 1.0})

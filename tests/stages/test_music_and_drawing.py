"""Music and drawings from data to files: told frame by frame, made from a chord or a class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqline import stages
from seqline.config.compose import compose
from seqline.exported import load_export
from seqline.generation import sequences
from seqline.home import Home
from seqline.model import Network, build_model
from seqline.reporter import SilentReporter
from seqline.stages import StageResult, Workspace
from seqline.training.loop import Watchers
from seqline_plugins.errors import UserError
from seqline_tasks.data.arrays import write_arrays
from seqline_tasks.drawing.svg import read_strokes
from seqline_tasks.music.baseline import roll_of
from seqline_tasks.music.midi import read_midi
from seqline_tasks.music.musicxml import read_musicxml
from seqline_tasks.music.notes import Frame, frames_of, read_frames

SMALL = [
    "trainer.batch_size=8",
    "trainer.lr=0.03",
    "trainer.device=cpu",
    "trainer.threads=1",
    "architecture.hidden_size=16",
    "architecture.input_dropout=0",
    "architecture.output_dropout=0",
]
CADENCE = read_frames("C3 E4 G4 | F3 F4 A4 | G3 D4 B4 | C3 E4 C5")
NEXT_FRAME = ["architecture=many_to_many", "architecture.bidirectional=false"]
FROM_CHORD = ["architecture=one_to_many"]


def run(overrides: list[str], folder: Path) -> dict[str, StageResult]:
    """Pass through the four stages."""
    config, home = compose([*overrides, *SMALL]), Home(folder / "home")
    given = (config, Workspace(home, SilentReporter()))
    prepared = stages.prepare(*given)
    trained = stages.train(*given, prepared, Watchers(SilentReporter(), home.checkpoints / "run"))
    evaluated = stages.evaluate(*given, prepared, trained)
    exported = stages.export(*given, prepared, trained, evaluated)
    results = (prepared, trained, evaluated, exported)
    return {result.name: result for result in results}


def music(folder: Path, architecture: list[str], *others: str) -> list[str]:
    """A cadence that goes round, begun at any of its chords and ended by the last one."""
    splits: dict[str, list[Any]] = {}
    draw = np.random.default_rng(0)
    for name, count in (("train", 32), ("validation", 6), ("test", 6)):
        lengths = draw.integers(2, 10, count)
        pieces = [[CADENCE[t % 4] for t in range(-n, 0)] for n in lengths]
        splits[name] = [roll_of(frames).astype(np.uint8) for frames in pieces]
    write_arrays(folder / "rolls.npz", splits)
    given = ["task=music", "data=files", f"data.file={folder / 'rolls.npz'}", "task.chain.units=8"]
    return [*given, "trainer.max_epochs=40", *architecture, *others]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StageResult]:
    folder = tmp_path_factory.mktemp("next_frame")
    return run(music(folder, NEXT_FRAME, "task.online=true"), folder)


@pytest.fixture(scope="module")
def from_chord(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StageResult]:
    folder = tmp_path_factory.mktemp("from_chord")
    return run(music(folder, FROM_CHORD), folder)


def results(of: dict[str, StageResult]) -> Any:
    return json.loads((of["evaluate"].folder / "metrics.json").read_text())


@pytest.mark.parametrize("model", ["told", "from_chord"])
def test_music_is_learned_far_below_its_baseline(
    model: str, request: pytest.FixtureRequest
) -> None:
    of = request.getfixturevalue(model)
    found = results(of)
    assert found["metrics"]["nll"] < 0.5 < 2.0 < found["baseline"]["nll"]
    assert found["metrics"]["accuracy"] > 0.95
    assert {path.name for path in (of["evaluate"].folder / "pictures").iterdir()} >= {
        "next_frames.png",
        "generated.png",
    }


def test_online_each_step_answers_as_the_whole_does(told: dict[str, StageResult]) -> None:
    predictor = load_export(told["export"].folder)
    network = predictor.model
    assert isinstance(network, Network) and predictor.config["task"]["online"] is True
    frames = [CADENCE[t % 4] for t in range(9)]
    batch = predictor.encoding.encode([{"frames": frames}]).batch([0])
    with torch.inference_mode():
        hidden, _ = network(batch)
        whole = network.head.keys.logits(hidden, batch["next"]).sigmoid()
        state = network.architecture.initial_state(1)
        for t in range(len(frames)):
            sample = torch.cat([batch["frames"][:, t], torch.zeros(1, 1)], dim=1)
            hidden_t, state = network.architecture.step(network.inputs.feedback(sample), state)
            step = network.head.keys.logits(hidden_t, batch["next"][:, t]).sigmoid()
            torch.testing.assert_close(step, whole[:, t], atol=1e-6, rtol=0)


def test_a_model_that_reads_backward_cannot_be_online(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"architecture\.bidirectional=false"):
        compose(music(tmp_path, ["architecture=many_to_many"], "task.online=true"))


def test_a_model_that_reads_backward_may_not_tell_what_comes_next(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tells what comes next.*bidirectional=false"):
        compose(music(tmp_path, ["architecture=many_to_many"]))


def test_a_line_of_chords_is_gone_on_with(told: dict[str, StageResult]) -> None:
    predictor = load_export(told["export"].folder)
    (line,) = predictor.predict_text(["C3 E4 G4 | F3 F4 A4 | G3 D4 B4"], "input").splitlines()
    frames = read_frames(line)
    assert frames and frames == [CADENCE[(3 + t) % 4] for t in range(len(frames))]
    with pytest.raises(UserError, match=r"input, line 2: 'H4' is no key's name"):
        predictor.predict_text(["C4", "H4"], "input")


@pytest.mark.parametrize("model", ["told", "from_chord"])
def test_a_piece_is_made_from_its_first_chord_until_its_own_end(
    model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    predictor = load_export(request.getfixturevalue(model)["export"].folder, ["decode.seed=3"])
    generation = predictor.generation()
    opening = generation.opening("C3 E4 G4")
    options = {**predictor.config["decode"], "temperature": 0.5, "max_length": 60}
    made = sequences(predictor.model, generation, opening, options, 8)
    again = sequences(predictor.model, generation, opening, options, 8)
    assert all(torch.equal(one, other) for one, other in zip(made, again, strict=True))
    assert any(len(one) < 60 for one in made)
    text = generation.text(made[0])
    frames: list[Frame] = read_frames(text)
    assert frames[0] == CADENCE[0]
    right = [frame == CADENCE[t % 4] for t, frame in enumerate(frames)]
    assert sum(right) > 0.7 * len(right)
    midi, score, picture = generation.write(made[0], tmp_path / "piece")
    grid = predictor.encoding.frames_per_quarter
    assert frames_of(read_midi(midi), grid, to_c=True) == frames
    assert frames_of(read_musicxml(score), grid, to_c=True) == frames
    assert picture.stat().st_size > 1000


def test_what_is_gone_on_from_is_some_chords_or_a_file(
    told: dict[str, StageResult], tmp_path: Path
) -> None:
    predictor = load_export(told["export"].folder)
    generation = predictor.generation()
    commonest = generation.opening(None)
    assert commonest.shown == len(commonest.written) == 1
    opening = generation.opening("C3 E4 G4 | F3 F4 A4")
    written = generation.write(opening.written, tmp_path / "beginning")
    for path in written[:2]:
        assert torch.equal(generation.opening(str(path)).written, opening.written)
    for wrong, said in (("X1", "'X1' is no key's name"), ("-", "nothing sounds")):
        with pytest.raises(UserError, match=said):
            generation.opening(wrong)


def test_windows_of_time_have_the_loss_of_the_whole(told: dict[str, StageResult]) -> None:
    predictor = load_export(told["export"].folder)
    split = predictor.encoding.encode([{"frames": CADENCE * 2}, {"frames": CADENCE[:3]}])
    with torch.inference_mode():
        batch = split.batch([0, 1])
        whole, count = predictor.model.loss(predictor.model(batch)[0], batch)
        total, told_frames, state = torch.zeros(()), 0, None
        for start in range(0, 8, 3):
            window = split.window([0, 1], start, min(start + 3, 8))
            hidden, state = predictor.model(window, state)
            loss, frames = predictor.model.loss(hidden, window)
            total, told_frames = total + loss, told_frames + int(frames)
    assert told_frames == int(count) == 7 + 2
    torch.testing.assert_close(total, whole)


def drawing(folder: Path) -> list[str]:
    """Stairs down to the right: as many steps as the drawing has strokes."""
    draw = np.random.default_rng(0)
    splits = {}
    for name, count in (("train", 96), ("validation", 12), ("test", 12)):
        made = []
        for _ in range(count):
            step = [[20, 0, 0], [0, 20, 1], [6, 6, 0]]
            points = np.array((step * int(draw.integers(1, 4)))[:-1], dtype=float)
            points[:, :2] += draw.normal(0, 0.5, (len(points), 2))
            made.append(points)
        splits[name] = made
    write_arrays(folder / "stairs.npz", splits)
    given = ["task=drawing", "architecture=one_to_many", "data=files", "task.min_count=5"]
    return [
        *given,
        f"data.file={folder / 'stairs.npz'}",
        "task.components=4",
        "trainer.max_epochs=30",
    ]


def test_a_drawing_is_made_from_its_number_of_strokes(tmp_path: Path) -> None:
    of = run(drawing(tmp_path), tmp_path)
    found = results(of)
    assert found["metrics"]["nll"] < found["baseline"]["nll"] - 1
    assert found["metrics"]["pen_accuracy"] > 0.95
    predictor = load_export(of["export"].folder)
    generation = predictor.generation()
    options = {**predictor.config["decode"], "temperature": 0.2}
    for strokes in (1, 2, 3):
        opening = generation.opening(str(strokes))
        made = sequences(predictor.model, generation, opening, options, 6)
        counts = [int((one[:, 2] == 1).sum()) for one in made]
        assert counts.count(strokes) >= 5
        (path,) = generation.write(made[0], tmp_path / "stairs")
        assert len(read_strokes(path, 0.01)) == counts[0]
    with pytest.raises(UserError, match=r"unknown class '4'.*Known: 1, 2, 3"):
        generation.opening("4")
    (line,) = predictor.predict_text(["2: 20,0,0 0,20,1"], "input").splitlines()
    assert [point.rpartition(",")[2] for point in line.split()] == ["0", "0", "1"]
    with pytest.raises(UserError, match=r"line 1: found '20,0', expected points"):
        predictor.predict_text(["2: 20,0"], "input")
    for picture in ("generated.png", "drawings_of_the_test.png"):
        assert (of["evaluate"].folder / "pictures" / picture).stat().st_size > 1000


def test_the_loss_of_a_drawing_is_that_of_its_points_whatever_it_is_batched_with(
    tmp_path: Path,
) -> None:
    config = compose([*drawing(tmp_path), *SMALL])
    prepared = stages.prepare(config, Workspace(Home(tmp_path / "home"), SilentReporter()))
    from seqline_tasks.drawing import Drawing

    encoding = Drawing.encoding.load(prepared.folder / "encoding")
    split = Drawing.split.load(prepared.folder / "test")
    torch.manual_seed(0)
    model = build_model(config, encoding).double().eval()

    def loss(rows: list[int]) -> tuple[float, int]:
        batch = split.batch(rows)
        batch = {n: t.double() if t.is_floating_point() else t for n, t in batch.items()}
        hidden, _ = model(batch)
        steps = model.step_losses(hidden, batch)
        summed, count = model.loss(hidden, batch)
        torch.testing.assert_close(steps.sum(), summed)
        return float(summed), int(count)

    alone = [loss([row]) for row in range(12)]
    together = loss(list(range(12)))
    assert together[1] == sum(count for _, count in alone)
    assert together[0] == pytest.approx(sum(summed for summed, _ in alone))

"""Series: read at equal steps of time, cut into windows, forecast, scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from seqline_plugins.build import build_architecture
from seqline_plugins.errors import UserError
from seqline_plugins.options import build_config
from seqline_plugins.task.source import DataSource
from seqline_tasks.time_series import TimeSeries
from seqline_tasks.time_series.table import read_series

HOURS = [f"2020-03-0{1 + h // 24} {h % 24:02d}:00" for h in range(48)]


def task(**options: Any) -> TimeSeries:
    return TimeSeries(build_config(TimeSeries.Config, options, "task"))


def csv(rows: list[str], head: str = "time,a,b") -> str:
    return "\n".join([head, *rows]) + "\n"


def hourly(count: int = 48) -> list[str]:
    return [f"{HOURS[n]},{n},{n * n % 7}" for n in range(count)]


def read(tmp_path: Path, text: str, fill: str | None = None) -> Any:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8")
    return read_series(path, None, fill)


def drawn(tmp_path: Path, count: int = 400, **options: Any) -> tuple[Any, Any]:
    """A noisy daily wave, its task and its windows."""
    random = np.random.default_rng(0)
    times = pd.date_range("2021-01-01", periods=count, freq="h")
    wave = np.sin(2 * np.pi * np.arange(count) / 24)
    frame = pd.DataFrame({"date": times, "x": wave + random.normal(0, 0.1, count)})
    frame["y"], frame["plan"] = frame["x"].shift(3).fillna(0.0), random.random(count).round(2)
    path = tmp_path / "wave.parquet"
    frame.to_parquet(path)
    one = task(**{"window": 30, "horizon": 5, "targets": ["x"], **options})
    return one, one.source(one.config).read(DataSource(source="files", file=str(path)))


def test_columns_of_numbers_stand_at_equal_steps(tmp_path: Path) -> None:
    series = read(tmp_path, csv([f"{row},word" for row in hourly()], "time,a,b,c"))
    assert list(series.columns) == ["a", "b"] and len(series) == 48
    assert str(series.clock) == "01:00:00" and series.clock.season == 24
    assert series.times[30] == pd.Timestamp("2020-03-02 06:00")


@pytest.mark.parametrize(
    ("times", "step", "season"),
    [
        (pd.date_range("2020-01-31", periods=20, freq="ME"), "a month", 12),
        (pd.date_range("2020-01-01", periods=20, freq="QS"), "3 months", 4),
        (pd.date_range("2020-01-01", periods=20, freq="YS"), "12 months", 1),
        (pd.date_range("2020-01-05", periods=20, freq="W"), "7 days 00:00:00", 52),
        (pd.date_range("2020-01-01", periods=20, freq="30min"), "00:30:00", 48),
    ],
)
def test_months_and_weeks_are_steps_too(tmp_path: Path, times: Any, step: str, season: int) -> None:
    series = read(tmp_path, csv([f"{time},1" for time in times], "date,a"))
    assert (str(series.clock), series.clock.season) == (step, season)


def test_gaps_repeats_and_missing_values_are_named_and_filled_when_asked(tmp_path: Path) -> None:
    rows = hourly()
    rows[5] = rows[4].replace(",4,", ",40,")
    del rows[10:12]
    rows[20] = rows[20].replace(",22,", ",,")
    text = csv(rows)
    with pytest.raises(UserError) as refused:
        read(tmp_path, text)
    said = str(refused.value)
    assert "x.csv, line 7: the time 2020-03-01 04:00:00 stands twice" in said
    assert "line 8: 1 step is missing before 2020-03-01 06:00:00" in said
    assert "line 12: 2 steps are missing" in said and "1 more" in said
    assert "data.fill=previous or data.fill=linear" in said
    linear, previous = read(tmp_path, text, "linear"), read(tmp_path, text, "previous")
    assert len(linear) == len(previous) == 48 and linear.said
    assert linear.columns["a"][[4, 5, 10, 11, 22]].tolist() == [40, 23, 10, 11, 22]
    assert previous.columns["a"][[4, 5, 10, 11, 22]].tolist() == [40, 40, 9, 9, 21]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (csv(["2020-01-01,x,y"] * 3), "x.csv: found no column of numbers"),
        (csv(hourly(3)).replace(",2,", ",inf,"), "x.csv, line 4: found inf in 'a'"),
        (csv(hourly(3)).replace(",2,", ",nan,"), "x.csv, line 4: no value of 'a'"),
        (csv(hourly(3)).replace("02:00", "26:00"), "x.csv, line 4: found '2020-03-01 26:00'"),
        (csv(hourly(9)).replace("02:00", "02:20"), "x.csv, line 4: found the time .* every 01:00"),
        (csv([*hourly(4), hourly()[1]]), "x.csv, line 6: the time .* goes back"),
        ("time,a\n", "expected names and rows"),
    ],
)
def test_what_is_wrong_in_a_series_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path, text)


def test_a_series_shorter_than_its_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train: found 40 steps, .*task.window=30 .* need 45"):
        drawn(tmp_path, count=50, horizon=15)
    with pytest.raises(UserError, match=r"there is no column of numbers 'xx'.* Did you mean 'x'"):
        drawn(tmp_path, targets=["xx"])


def test_what_a_split_forecasts_lies_in_its_own_time(tmp_path: Path) -> None:
    _, splits = drawn(tmp_path)
    bounds = {"train": (0, 320), "validation": (320, 360), "test": (360, 400)}
    for name, windows in splits.items():
        first, stop = bounds[name]
        forecast = windows.starts[:, None] + 30 + np.arange(5)
        assert forecast.min() >= first and forecast.max() == stop - 1
    assert splits["validation"].starts[0] == 320 - 30


def test_a_batch_is_scaled_as_training_and_knows_the_future_that_is_known(tmp_path: Path) -> None:
    one, splits = drawn(tmp_path, covariates=["y"], known=["plan"])
    encoding = one.encoding.build(splits["train"], one.config)
    encoding.save(tmp_path)
    encoding = one.encoding.load(tmp_path)
    split = encoding.encode(splits["test"])
    (tmp_path / "test").mkdir()
    split.save(tmp_path / "test")
    batch = one.split.load(tmp_path / "test").batch([3, 0])
    x, plan = (splits["test"].series.columns[name] for name in ("x", "plan"))
    at = int(splits["test"].starts[3])
    mean, spread = x[:320].mean(), x[:320].std()
    found = batch["target"][0, :, 0].numpy()
    np.testing.assert_allclose(found, (x[at + 30 : at + 35] - mean) / spread, atol=1e-5)
    assert batch["past"].shape == (2, 30, 2) and batch["known"].shape == (2, 35, 7)
    alone = encoding.encode([splits["test"][3]]).batch([0])
    for name, tensor in alone.items():
        torch.testing.assert_close(tensor[0], batch[name][0], atol=1e-5, rtol=0)
    features, lengths = one.inputs(one.config, encoding)(batch)
    assert features.shape == (2, 30, 2 * 2 + 2 * 7) and lengths.tolist() == [30, 30]
    scaled = (plan - plan[:320].mean()) / plan[:320].std()
    np.testing.assert_allclose(batch["known"][0, :, 0], scaled[at : at + 35], atol=1e-5)


def test_trivial_forecasts_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    one, splits = drawn(tmp_path)
    x = splits["train"].series.columns["x"]
    z = (x - x[:320].mean()) / x[:320].std()
    last = [z[s + 30 : s + 35] - z[s + 29] for s in splits["test"].starts]
    season = [z[s + 30 : s + 35] - z[s + 6 : s + 11] for s in splits["test"].starts]
    scale = np.abs(z[24:320] - z[:296]).mean()
    found = one.source(one.config).baseline(splits)
    assert found["mse"] == pytest.approx(np.square(last).mean())
    assert found["mase"] == pytest.approx(np.abs(last).mean() / scale)
    assert found["mse of the last season"] == pytest.approx(np.square(season).mean())
    encoding = one.encoding.build(splits["train"], one.config)
    batch = encoding.encode(splits["test"]).batch(range(len(splits["test"])))
    metrics = one.scoring(one.config, encoding)
    said = torch.zeros(*batch["target"].shape, 6)  # the last value again
    metrics.update(said, batch, list(splits["test"]))
    figures = metrics.compute()
    for name in ("mse", "mae", "mase"):
        assert figures[name] == pytest.approx(found[name], rel=1e-4)
    rows = metrics.tables()["backtest"]
    assert sum(row["origins"] for row in rows) == len(splits["test"])
    assert rows[0]["from"] == "2021-01-16 00:00:00"
    pictures = metrics.pictures(tmp_path)
    assert {path.name for path in pictures} == {
        "forecasts.png",
        "mse_by_step.png",
        "backtest.png",
    }
    assert all(path.stat().st_size > 3000 for path in pictures)


@pytest.mark.parametrize("distribution", ["gaussian", "squared", "quantiles"])
@pytest.mark.parametrize("name", ["many_to_one", "encoder_decoder"])
def test_both_architectures_forecast_all_steps(
    tmp_path: Path, name: str, distribution: str
) -> None:
    from seqline.model import Network

    one, splits = drawn(tmp_path, targets=["x", "y"], distribution=distribution)
    encoding = one.encoding.build(splits["train"], one.config)
    inputs = one.inputs(one.config, encoding)
    choice = {"name": name, "hidden_size": 6}
    cells = {"cell": {"name": "gru"}}
    choice |= {"encoder": cells, "decoder": cells} if name == "encoder_decoder" else cells
    architecture = build_architecture(choice, inputs.output_size, "auto", inputs.fed_size)
    head = one.head_for(architecture.kind)(one.config, encoding, architecture.output_size, {})
    network = Network(inputs, architecture, head).eval()
    batch = encoding.encode(splits["train"]).batch([0, 5, 9])
    result: Any = network(batch)
    hidden = result[0] if isinstance(result, tuple) else result
    summed, count = head.loss(hidden, batch)
    assert int(count) == 3 * 5 * 2
    torch.testing.assert_close(head.step_losses(hidden, batch).sum(), summed)
    said = head.predict(hidden)
    assert said.shape == (3, 5, 2, 1 if distribution == "squared" else 6)
    if distribution != "squared":
        assert bool((said[..., 1:].diff(dim=-1) >= 0).all())
    steps = one.decode(encoding, said, batch)
    assert len(steps[0]) == 5 and {"x", "y"} <= set(steps[0][0])


def test_step_by_step_online_gives_what_the_whole_gives(tmp_path: Path) -> None:
    one, splits = drawn(tmp_path, online=True, read="both", known=["plan"])
    encoding = one.encoding.build(splits["train"], one.config)
    inputs = one.inputs(one.config, encoding)
    choice = {"name": "many_to_one", "cell": {"name": "lstm"}, "num_layers": 2, "hidden_size": 6}
    architecture = build_architecture(choice, inputs.output_size).eval()
    head = one.head_for(architecture.kind)(one.config, encoding, architecture.output_size, {})
    batch = encoding.encode(splits["test"]).batch([0, 7])
    features, lengths = inputs(batch)
    state = architecture.initial_state(2)
    for t in range(features.shape[1]):
        hidden, state = architecture.step(features[:, t], state)
        shorter = torch.full_like(lengths, t + 1)
        offline, _ = architecture(features, shorter)
        torch.testing.assert_close(head.predict(hidden), head.predict(offline), atol=1e-6, rtol=0)


def test_a_csv_is_forecast_from_its_end_with_what_is_known_of_the_future() -> None:
    one = task(window=6, horizon=2, targets=["a"], known=["b"])
    rows = [f"{HOURS[n]},{n if n < 8 else ''},{n % 2}" for n in range(10)]
    (example,) = one.parse(csv(rows).splitlines(), "x.csv")
    assert example["time"] == "2020-03-01 02:00:00"
    assert example["columns"]["a"] == [2, 3, 4, 5, 6, 7, None, None]
    assert example["columns"]["b"] == [0, 1, 0, 1, 0, 1, 0, 1]
    with pytest.raises(UserError, match=r"x.csv: found 4 steps, expected 6 at least"):
        one.parse(csv(hourly(4)).splitlines(), "x.csv")
    with pytest.raises(UserError, match=r"x.csv: has no column 'a'"):
        one.parse(csv(hourly(9), "time,c,b").splitlines(), "x.csv")


def test_the_built_in_series_are_there() -> None:
    for name, count, season in (
        ("temperatures", 8760, 24),
        ("co2", 2284, 52),
        ("sunspots", 309, 1),
    ):
        one = task(series=name, window=40)
        windows = one.source(one.config).read(DataSource())["train"]
        assert (len(windows.series), windows.series.clock.season) == (count, season)

"""What makes a comparison fair: the same number of parameters, or the same minutes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from seqline.config.compose import check, compose
from seqline.home import Home
from seqline.reporter import Reporter
from seqline.sweep.space import Space, overrides_of
from seqline_plugins.errors import UserError

KEY = "architecture.hidden_size"
LARGEST = 1 << 16
"""Units beyond which no size is looked for."""
TRIES = 64
"""Sizes beside the best that are tried where a cell does not take every size."""
SAME_MODEL = ("trainer.", "data.", "decode.", "tracking.", "runner.", "metrics.")
"""Keys that change no parameter."""
Config = Mapping[str, Any]


def minutes_for(space: Space, configs: Sequence[Config]) -> list[str]:
    """Return the overrides that leave minutes as the only bound of every child.

    Raises `UserError` where no `trainer.max_minutes` says how many, or the children differ in it.
    """
    found = {config["trainer"]["max_minutes"] for config in configs}
    if len(found) > 1 or None in found:
        raise UserError(
            "sweep.equal=minutes: found no trainer.max_minutes that holds for every child; give "
            "one, as in trainer.max_minutes=5."
        )
    bounds = ("trainer.max_epochs", "trainer.max_steps", "trainer.patience")
    varied = [axis.key for axis in space.varied if axis.key in bounds]
    if varied:
        raise UserError(
            f"sweep.equal=minutes: {varied[0]} is varied, but minutes alone are to bound the "
            "children."
        )
    return [f"{key}=null" for key in bounds]


def model_of(space: Space, values: Mapping[str, str]) -> str:
    """Return what tells the models of children apart, by the values of the varied axes."""
    told = [
        f"{axis.key}={values[axis.key]}"
        for axis in space.varied
        if not axis.key.startswith(SAME_MODEL)
    ]
    return " ".join(told)


def solve_sizes(
    space: Space,
    children: Sequence[Mapping[str, str]],
    added: Sequence[str],
    home: Home,
    reporter: Reporter,
) -> dict[str, int]:
    """Return the hidden size of every model with which it has the first one's parameters.

    The first child of each task sets the number. All numbers of the model count, embeddings and
    the head too, so the data are prepared first. Raises `UserError` where a hidden size is varied
    itself, or an architecture has none.
    """
    if KEY in {axis.key for axis in space.varied}:
        raise UserError(
            f"sweep.equal=parameters solves {KEY}, which is varied too; leave one of the two out."
        )
    sizes: dict[str, int] = {}
    wanted: dict[str, int] = {}
    for values in children:
        model = model_of(space, values)
        if model in sizes:
            continue
        config = compose([*overrides_of(values), *added])
        if "hidden_size" not in config["architecture"]:
            raise UserError(
                f"sweep.equal=parameters: architecture={config['architecture']['name']} has no "
                "hidden_size that could be solved for."
            )
        count = _counter(config, home, reporter)
        task, own = config["task"]["name"], config["architecture"]["hidden_size"]
        if task not in wanted:
            wanted[task], sizes[model] = count(own), own
            continue
        sizes[model] = nearest_size(count, wanted[task], own)
    return sizes


def nearest_size(count: Callable[[int], int], wanted: int, start: int = 64) -> int:
    """Return the hidden size whose number of parameters, which grows with it, is nearest.

    A number of parameters is nearly a power of the size, so the next guess is where a line
    through the last two, in logarithms, says. `count` raises `UserError` for a size that the
    model cannot have.
    """
    low, high = 0, LARGEST  # `low` has too few, `high` enough
    size, before = max(1, start), (0.0, 0.0)
    power = 1.5
    for step in range(4 * LARGEST.bit_length()):
        if high - low <= 1:
            break
        found = _count_near(count, size)[1]
        low, high = (max(low, size), high) if found < wanted else (low, min(high, size))
        here = (math.log(size), math.log(max(1, found)))
        if step and here[0] != before[0]:
            power = min(3.0, max(0.5, (here[1] - before[1]) / (here[0] - before[0])))
        before = here
        guess = round(size * (max(1, wanted) / max(1, found)) ** (1 / power))
        if step > 8:  # it creeps: halve what is left
            guess = (low + high) // 2
        size = min(max(guess, low + 1), high - 1)
    tried = [_count_near(count, size) for size in (max(1, low), high)]
    return min(tried, key=lambda one: abs(one[1] - wanted))[0]


def _count_near(count: Callable[[int], int], size: int) -> tuple[int, int]:
    """Return the first size from `size` on that the model can have, and its parameters."""
    refusal: UserError | None = None
    for beyond in range(TRIES):
        try:
            return size + beyond, count(size + beyond)
        except UserError as error:
            refusal = error
    assert refusal is not None
    raise refusal


def _counter(config: Config, home: Home, reporter: Reporter) -> Callable[[int], int]:
    """Return a function from the hidden size to the model's number of parameters."""
    import torch

    from seqline import stages
    from seqline.model import build_model
    from seqline.stages.folder import Workspace
    from seqline.summary import count as parameters
    from seqline_plugins.build import build_task

    prepared = stages.prepare(config, Workspace(home, reporter))
    encoding = build_task(config["task"]).encoding.load(prepared.folder / "encoding")
    known: dict[int, int] = {}

    def count(size: int) -> int:
        if size not in known:
            own: dict[str, Any] = deepcopy(dict(config))
            own["architecture"]["hidden_size"] = size
            checked = check(json.loads(json.dumps(own)))
            with torch.device("meta"):  # shapes alone, no numbers
                known[size] = parameters(build_model(checked, encoding))
        return known[size]

    return count

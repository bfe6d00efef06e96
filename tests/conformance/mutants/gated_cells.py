"""Gated cells, each with one fault. `CAUGHT_BY` says which check is meant for it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn, sigmoid, tanh

from seqline_plugins import GatedCell, Timestep, option

CAUGHT_BY: dict[str, str] = {}


def caught_by(check: str) -> Any:
    def note(mutant: type) -> type:
        CAUGHT_BY[mutant.__name__] = check
        return mutant

    return note


class Good(GatedCell):
    """A unit with a forget gate: what the mutants are made from."""

    gates = ("forget", "candidate")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        f = sigmoid(t.x.forget + t.h.forget)
        return {"h": f * t.state.h + (1 - f) * tanh(t.x.candidate + t.h.candidate)}


@caught_by("given_tensors_are_not_written_into")
class WritesIntoItsState(Good):
    """h_{t-1} is changed where it stands."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"]
        if not torch.is_grad_enabled():
            t.state.h.mul_(0.5)
        return {"h": new}


@caught_by("given_tensors_are_not_written_into")
class WritesIntoItsInputs(Good):
    """The gates' feed-forward parts are changed where they stand."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"]
        if not torch.is_grad_enabled():
            t.x.candidate.add_(1)
        return {"h": new}


@caught_by("rows_of_a_batch_are_independent")
class NormsOverTheBatch(Good):
    """The mean of the batch is taken away."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"]
        return {"h": new - new.mean(0, keepdim=True)}


@caught_by("nothing_is_kept_between_calls")
class Remembers(Good):
    """What the last call gave is mixed into the next."""

    last = 0.0

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"] + 0.1 * self.last
        self.last = float(new.detach().mean()) if new.device.type == "cpu" else 0.0
        return {"h": new}


@caught_by("outside_training_nothing_is_drawn")
class DrawsItself(Good):
    """Noise that is not declared."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"]
        return {"h": new + 0.1 * torch.rand_like(new)}


@caught_by("seed_decides_everything")
class DrawsWithPython(Good):
    """Noise that torch's seed does not know."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        return {"h": super().equations(t)["h"] * random.random()}


class _Crossed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, forget: Tensor, candidate: Tensor) -> Tensor:
        ctx.save_for_backward(forget, candidate)
        return forget * candidate

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        forget, candidate = ctx.saved_tensors
        return gradient * forget, gradient * candidate


@caught_by("gradients_are_those_of_finite_differences")
class CrossesItsGradients(Good):
    """Backward the two gates are exchanged."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        f, n = sigmoid(t.x.forget + t.h.forget), tanh(t.x.candidate + t.h.candidate)
        return {"h": _Crossed.apply(f, n)}


@caught_by("every_parameter_learns")
class CutsItsGradient(Good):
    """The forget gate is cut off from learning."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        f = sigmoid(t.x.forget + t.h.forget).detach()
        return {"h": f * t.state.h + (1 - f) * tanh(t.x.candidate + t.h.candidate)}


@caught_by("every_parameter_learns")
class NeverReadsAGate(Good):
    """A third gate is declared and not read."""

    gates = ("forget", "candidate", "output")


@caught_by("kernels_equal_the_reference")
class NamesAnotherLayer(GatedCell):
    """It says that torch's LSTM is the same, with its gates in another order."""

    gates = ("forget", "input", "candidate", "output")
    state = ("h", "c")
    vendor = "lstm"

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        z = {name: t.x[name] + t.h[name] for name in self.gates}
        c = sigmoid(z["forget"]) * t.state.c + sigmoid(z["input"]) * tanh(z["candidate"])
        return {"h": sigmoid(z["output"]) * tanh(c), "c": c}


@caught_by("parameters_are_what_the_gates_declare")
class BringsAModule(Good):
    """A matrix of its own, which nobody trains or stores."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.mix = nn.Linear(1, 1)


@caught_by("precision_and_device_are_those_of_the_weights")
class MakesATensorItself(Good):
    """A constant of its own precision on its own device."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        return {"h": super().equations(t)["h"] * torch.ones(t.state.h.shape)}


@caught_by("large_inputs_stay_finite")
class Overflows(Good):
    """An exponential without a bound."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        weight = torch.exp(4 * t.x.forget)
        return {"h": (weight * tanh(t.x.candidate + t.h.candidate + t.h.forget)) / (1 + weight)}


@caught_by("bfloat16_is_near_float64")
class LosesDigits(Good):
    """A large number is added and taken away again."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        return {"h": (super().equations(t)["h"] + 1000) - 1000}


@caught_by("memory_does_not_grow_with_steps")
class Hoards(Good):
    """Every step is kept."""

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.seen: list[Tensor] = []

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"]
        self.seen.append(new)
        return {"h": new}


@caught_by("one_step_exports")
class ChoosesByValue(Good):
    """What is computed depends on a tensor's values."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        new = super().equations(t)["h"]
        return {"h": new if t.x.forget.sum() > 0 else 0.5 * new}


@caught_by("shapes_are_batch_by_hidden")
class GivesOneUnit(Good):
    """The mean over the units, where all of them are asked for."""

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        return {"h": super().equations(t)["h"].mean(-1, keepdim=True)}


@caught_by("shapes_are_batch_by_hidden")
class NeverSetsAState(Good):
    """The second state is declared and not returned."""

    state = ("h", "c")


@caught_by("help_says_what_it_is")
class SaysNothing(Good):
    __doc__ = None


@dataclass
class Unbounded:
    """Options of a mutant."""

    blocks: int = option(2, "blocks that the units are in")


@caught_by("every_whole_number_has_a_range")
class TakesAnyNumber(Good):
    """A count that may be −1."""

    Config = Unbounded


@dataclass
class Divisor:
    """Options of a mutant."""

    scale: float = option(1.0, "what the candidate is divided by")


@caught_by("every_value_of_an_option_works_or_is_refused")
class DividesByAnOption(Good):
    """An option of 0 is taken and gives no number."""

    Config = Divisor

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        return {"h": super().equations(t)["h"] / (t.x.candidate * 0 + self.config.scale)}


@dataclass
class Idle:
    """Options of a mutant."""

    never_looked_at: float = option(1.0, "nothing", low=0, high=2)


@caught_by("every_option_is_used")
class HasAnIdleOption(Good):
    """An option that changes nothing."""

    Config = Idle


@dataclass
class Silent:
    """Options of a mutant."""

    gain: float = option(1.0, low=0, high=2)


@caught_by("every_option_is_documented")
class HasASilentOption(Good):
    """An option without a word about it."""

    Config = Silent


@dataclass
class Contradicting:
    """Options of a mutant."""

    gain: float = option(3.0, "how much", low=0, high=2)


@caught_by("defaults_keep_to_their_ranges")
class HasABadDefault(Good):
    """A default that seqline would refuse."""

    Config = Contradicting

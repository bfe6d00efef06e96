"""The Light GRU of Ravanelli et al. 2018, "Light gated recurrent units for speech recognition"."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, relu, sigmoid

from seqline_plugins import Gate, GatedCell, Timestep, option


@dataclass
class Config:
    """Options of `cell=light_gru`."""

    update_bias: float | None = option(None, "the update gate's bias at the start; more keeps more")


class LightGRU(GatedCell):
    """A GRU without its reset gate, the candidate a relu; here without batch normalization."""

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Update and candidate."""
        return Gate("update", bias_init=self.config.update_bias), Gate("candidate")

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """z = σ(W_z x + U_z h + b_z), h_t = z ⊙ h_{t-1} + (1 − z) ⊙ relu(W x + U h + b)."""
        z = sigmoid(t.x.update + t.h.update)
        candidate = relu(t.x.candidate + t.h.candidate)
        return {"h": z * t.state.h + (1 - z) * candidate}

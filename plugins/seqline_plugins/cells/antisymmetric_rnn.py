"""The antisymmetric network: a stable differential equation, in Euler's steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, sigmoid, tanh

from seqline_plugins.cell import GatedCell, Timestep
from seqline_plugins.gate import Gate, of_matrix
from seqline_plugins.options import option


@dataclass
class Config:
    """Options of `cell=antisymmetric_rnn`."""

    step: float = option(0.01, "ε, how far a timestep goes", above=0, high=1)
    diffusion: float = option(0.01, "γ, what is taken from the diagonal", low=0, high=1)
    gated: bool = option(False, "a gate on how far each unit goes, as the paper's second form")


class AntisymmetricRNN(GatedCell):
    """V − Vᵀ − γI has no growing direction (Chang, Chen, Haber & Chi 2019)."""

    Config = Config

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The candidate; the paper's gate has inputs of its own and the same V."""
        candidate = Gate("candidate", recurrent=of_matrix(self.antisymmetric))
        distance = Gate("distance", recurrent="none")
        return (candidate, distance) if self.config.gated else (candidate,)

    def antisymmetric(self, V: Tensor) -> Tensor:
        """Return V − Vᵀ − γI."""
        return V - V.T - self.config.diffusion * torch.eye(len(V), dtype=V.dtype, device=V.device)

    def equations(self, t: Timestep) -> dict[str, Tensor]:
        """h_t = h_{t-1} + ε tanh((V − Vᵀ − γI) h_{t-1} + W x_t + b), its tanh gated if asked."""
        move = tanh(t.x.candidate + t.h.candidate)
        if self.config.gated:
            move = sigmoid(t.x.distance + t.h.candidate) * move
        return {"h": t.state.h + self.config.step * move}

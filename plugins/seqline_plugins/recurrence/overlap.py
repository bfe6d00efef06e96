"""Both directions of a layer at the same time, on the cores of one processor.

torch's recurrent layers gain little from a second thread inside one direction; the two
directions know nothing of each other, so each takes half of the threads, forward and in
back-propagation. The results are those of one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.recurrence.layer import RecurrentLayer

State = dict[str, Tensor]
Result = tuple[Tensor, State]
Tensors = tuple[Tensor, ...]
Graph = tuple[list[Tensor], list[Tensor]]
"""What a direction computed (the output, then the state), and what from."""


def run_overlapped(
    layers: Sequence[RecurrentLayer], x: Tensor, lengths: Tensor | None, states: Sequence[State]
) -> list[Result]:
    """Run the directions of one layer on the same input, side by side where that is possible."""
    if not _possible(layers, x):
        return [layer(x, lengths, state) for layer, state in zip(layers, states, strict=True)]
    pairs = zip(states, layers, strict=True)
    first, second = ((*state.values(), *layer.parameters()) for state, layer in pairs)
    names = list(states[0])
    flat: Tensors = _Overlapped.apply(layers, lengths, names, x, *first, *second)
    half = len(flat) // 2
    parts = (flat[:half], flat[half:])
    return [(part[0], dict(zip(names, part[1:], strict=True))) for part in parts]


def _possible(layers: Sequence[RecurrentLayer], x: Tensor) -> bool:
    return (
        len(layers) == 2
        and x.device.type == "cpu"
        and torch.get_num_threads() > 1
        and all(layer.served == "vendor" for layer in layers)
        and not torch.compiler.is_compiling()
    )


class _Overlapped(torch.autograd.Function):
    """Two graphs made and differentiated side by side, joined into the caller's graph."""

    @staticmethod
    def forward(
        ctx: Any,
        layers: Sequence[RecurrentLayer],
        lengths: Tensor | None,
        names: list[str],
        x: Tensor,
        *tensors: Tensor,
    ) -> Tensors:
        needs_grad = any(ctx.needs_input_grad)
        half = len(tensors) // 2

        def run(layer: RecurrentLayer, part: Tensors) -> Graph:
            with torch.set_grad_enabled(needs_grad):
                starts = (x, *part[: len(names)])
                inner, *given = (
                    tensor.detach().requires_grad_(needs_grad and tensor.requires_grad)
                    for tensor in starts
                )
                output, state = layer(inner, lengths, dict(zip(names, given, strict=True)))
                return [output, *state.values()], [inner, *given, *part[len(names) :]]

        graphs = _both(
            lambda: run(layers[0], tensors[:half]), lambda: run(layers[1], tensors[half:])
        )
        if needs_grad:
            ctx.graphs = graphs
        return tuple(tensor.detach() for outputs, _ in graphs for tensor in outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        half = len(gradients) // 2

        def run(graph: Graph, grads: Tensors) -> list[Tensor | None]:
            outputs, inputs = graph
            wanted = [tensor for tensor in inputs if tensor.requires_grad]
            pairs = zip(outputs, grads, strict=True)
            reached = [(output, grad) for output, grad in pairs if output.requires_grad]
            found = torch.autograd.grad(
                [output for output, _ in reached],
                wanted,
                [grad for _, grad in reached],
                allow_unused=True,
            )
            each = iter(found)
            return [next(each) if tensor.requires_grad else None for tensor in inputs]

        graphs, ctx.graphs = ctx.graphs, None
        one, two = _both(
            lambda: run(graphs[0], gradients[:half]), lambda: run(graphs[1], gradients[half:])
        )
        x_grad = one[0] if two[0] is None else two[0] if one[0] is None else one[0] + two[0]
        return None, None, None, x_grad, *one[1:], *two[1:]


_pool: ThreadPoolExecutor | None = None


def _both(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Call both, the second in a thread of its own, each with half of torch's threads."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(1, thread_name_prefix="seqline-direction")
    threads = torch.get_num_threads()
    share = max(1, threads // 2)
    enabled, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def elsewhere() -> Any:
        torch.set_num_threads(share)
        with torch.autocast("cpu", enabled=enabled, dtype=dtype):
            return second()

    later = _pool.submit(elsewhere)
    torch.set_num_threads(share)
    try:
        sooner = first()
    finally:
        torch.set_num_threads(threads)
        other = later.result()
    return sooner, other

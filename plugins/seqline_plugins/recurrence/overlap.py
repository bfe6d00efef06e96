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


def run_overlapped(
    layers: Sequence[RecurrentLayer], x: Tensor, lengths: Tensor | None, states: Sequence[State]
) -> list[Result]:
    """Run the directions of one layer on the same input, side by side where that is possible."""
    if not _possible(layers, x):
        return [layer(x, lengths, state) for layer, state in zip(layers, states, strict=True)]
    first, second = layers
    tensors = [list(state.values()) + list(layer.parameters()) for state, layer in zip(states, layers, strict=True)]
    names = list(states[0])
    flat: tuple[Tensor, ...] = _Overlapped.apply(  # type: ignore[no-untyped-call]
        (first, second), lengths, names, len(tensors[0]), x, *tensors[0], *tensors[1]
    )
    half = len(flat) // 2
    return [(part[0], dict(zip(names, part[1:], strict=True))) for part in (flat[:half], flat[half:])]


def _possible(layers: Sequence[RecurrentLayer], x: Tensor) -> bool:
    return (
        len(layers) == 2
        and x.device.type == "cpu"
        and torch.get_num_threads() > 1
        and all(layer.served == "vendor" for layer in layers)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


class _Overlapped(torch.autograd.Function):
    """Two graphs made and differentiated side by side, joined into the caller's graph."""

    @staticmethod
    def forward(
        ctx: Any,
        layers: tuple[RecurrentLayer, RecurrentLayer],
        lengths: Tensor | None,
        names: list[str],
        count: int,
        x: Tensor,
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        needs_grad = any(ctx.needs_input_grad)
        parts = (tensors[:count], tensors[count:])

        def run(layer: RecurrentLayer, part: tuple[Tensor, ...]) -> tuple[list[Tensor], list[Tensor]]:
            with torch.set_grad_enabled(needs_grad):
                inner = x.detach().requires_grad_(needs_grad and x.requires_grad)
                given = [t.detach().requires_grad_(needs_grad and t.requires_grad) for t in part[: len(names)]]
                output, state = layer(inner, lengths, dict(zip(names, given, strict=True)))
                return [output, *state.values()], [inner, *given, *part[len(names) :]]

        results = _both([lambda: run(layers[0], parts[0]), lambda: run(layers[1], parts[1])])
        if needs_grad:
            ctx.graphs = results
        return tuple(tensor.detach() for outputs, _ in results for tensor in outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        half = len(gradients) // 2
        given = (gradients[:half], gradients[half:])

        def run(graph: tuple[list[Tensor], list[Tensor]], grads: tuple[Tensor, ...]) -> list[Tensor | None]:
            outputs, inputs = graph
            wanted = [tensor for tensor in inputs if tensor.requires_grad]
            reached = [(o, g) for o, g in zip(outputs, grads, strict=True) if o.requires_grad]
            found = iter(
                torch.autograd.grad(
                    [o for o, _ in reached], wanted, [g for _, g in reached], allow_unused=True
                )
            )
            return [next(found) if tensor.requires_grad else None for tensor in inputs]

        graphs, ctx.graphs = ctx.graphs, None
        one, two = _both([lambda: run(graphs[0], given[0]), lambda: run(graphs[1], given[1])])
        x_grad = one[0] if two[0] is None else two[0] if one[0] is None else one[0] + two[0]
        return None, None, None, None, x_grad, *one[1:], *two[1:]


_pool: ThreadPoolExecutor | None = None


def _both(runs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call both, the second in a thread of its own, each with half of torch's threads."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(1, thread_name_prefix="seqline-direction")
    threads = torch.get_num_threads()
    share = max(1, threads // 2)
    autocast = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def second() -> Any:
        torch.set_num_threads(share)
        with torch.autocast("cpu", enabled=autocast[0], dtype=autocast[1]):
            return runs[1]()

    later = _pool.submit(second)
    torch.set_num_threads(share)
    try:
        sooner = runs[0]()
    finally:
        torch.set_num_threads(threads)
        other = later.result()
    return [sooner, other]

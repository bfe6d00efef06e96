"""Products, attention and choices whose result in a row depends on that row alone, in bits.

For what a model does without a gradient, and attention a step at a time with one; torch's own
products sum in another order for another number of rows.
Letters: R rows, V choices, C of them, G inputs, S places, Q, M sizes of query and memory.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from ctypes import Structure, c_int64, c_void_p
from functools import cache
from typing import Any

import torch
from torch import Tensor

from seqline_plugins.recurrence.generated.compiler import NATIVE, CompilerError, load_library
from seqline_plugins.recurrence.generated.library import DEFINES, address, openmp
from seqline_plugins.recurrence.generated.rest import made_once
from seqline_plugins.recurrence.generated.tape import empty

PRECISIONS = (torch.float32, torch.float64)
"""Of the numbers; under autocast products of float32 have factors of bfloat16."""


class _Linear(Structure):
    """Mirrors `Linear` of native/rows.cpp."""

    _fields_ = (
        *((name, c_int64) for name in ("rows", "inputs", "outputs", "threads")),
        *((name, c_void_p) for name in ("parallel", "x", "packed", "bias", "y")),
    )


class _Scores(Structure):
    """Mirrors `Scores` of native/rows.cpp."""

    _fields_ = (
        *((name, c_int64) for name in ("rows", "count", "best", "threads")),
        *((name, c_void_p) for name in ("parallel", "scores", "values", "places")),
    )


class _Attention(Structure):
    """Mirrors `Attention` of native/rows.cpp."""

    _fields_ = (
        *((name, c_int64) for name in ("inputs", "queries", "places", "query_size")),
        *((name, c_int64) for name in ("memory_size", "threads")),
        *((name, c_void_p) for name in ("parallel", "lengths", "query", "keys", "memory")),
        *((name, c_void_p) for name in ("score", "coverage", "of_coverage", "weights", "context")),
    )


class _AttentionGradient(Structure):
    """Mirrors `AttentionGradient` of native/rows.cpp."""

    _fields_ = (
        ("step", _Attention),
        *((name, c_void_p) for name in ("context_grad", "weights_grad", "query_grad")),
        *((name, c_void_p) for name in ("coverage_grad", "keys_grad", "memory_grad")),
        *((name, c_void_p) for name in ("score_grad", "of_coverage_grad")),
    )


def serves(*tensors: Tensor | None) -> bool:
    """Say whether compiled code serves here: real numbers, no gradient, a processor, a compiler."""
    return not torch.is_grad_enabled() and is_compiled(*tensors)


def is_compiled(*tensors: Tensor | None) -> bool:
    """Say whether there is compiled code for such tensors."""
    given = [tensor for tensor in tensors if tensor is not None]
    like = given[0]
    return (
        not torch.compiler.is_compiling()  # nor exporting: the tensors are no memory then
        and like.dtype in PRECISIONS
        and all(t.device.type == "cpu" and t.dtype == like.dtype for t in given)
        and _library(like.dtype) is not None
        and _of_products(like) is not None
    )


def _of_products(like: Tensor) -> torch.dtype | None:
    """Return the precision of products' factors, None where no compiled code has it."""
    if not torch.is_autocast_enabled(like.device.type):
        return like.dtype
    half = torch.get_autocast_dtype(like.device.type)
    fits = half == torch.bfloat16 and like.dtype == torch.float32
    return half if fits and _library(half) is not None else None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return x Wᵀ + b of (…, I); see `serves`."""
    precision = _of_products(x)
    assert precision is not None
    library = _library(precision)
    outputs, inputs = weight.shape
    rows = x.reshape(-1, inputs).contiguous()
    y = empty((len(rows), outputs), x.dtype)
    key = ("linear", weight.data_ptr(), tuple(weight.shape), precision)
    packed = made_once(key, weight, lambda: _packed(library, weight))
    bias = None if bias is None else bias.contiguous()
    call = _Linear(
        *(len(rows), inputs, outputs, torch.get_num_threads(), _team()),
        *(address(tensor) for tensor in (rows, packed, bias, y)),
    )
    if len(rows):
        _check(library.seqline_linear(ctypes.byref(call)))
    return y.view(*x.shape[:-1], outputs)


def attend(
    query: Tensor,
    keys: Tensor,
    memory: Tensor,
    lengths: Tensor,
    score: Tensor | None = None,
    coverage: Tensor | None = None,
    of_coverage: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return context (R, M) and weights (R, S) of queries (R, Q), R/G for each memory.

    keys (G, S, Q), memory (G, S, M), lengths (G,). The scores are query · key, or with `score` (Q,)
    v · tanh(query + key + coverage w), coverage (R, S), w = `of_coverage` (Q,).
    """
    parts = [query, keys, memory, score, coverage, of_coverage]
    flat = [None if tensor is None else tensor.contiguous() for tensor in parts]
    weights = query.new_empty(len(query), keys.shape[1])
    context = query.new_empty(len(query), memory.shape[2])
    lengths = lengths.to(torch.int64).contiguous()
    call = _attention_of(lengths, flat, weights, context)
    if len(query):
        _check(_library(query.dtype).seqline_attention(ctypes.byref(call)))
    return context, weights


def attend_back(
    parts: Sequence[Tensor | None],
    lengths: Tensor,
    weights: Tensor,
    grads: tuple[Tensor, Tensor | None],
    sums: Sequence[Tensor],
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of the query and of the coverage, of those of context and weights.

    `parts` are query, keys, memory, score, coverage and of_coverage, contiguous. Those of keys and
    memory, then of score and of_coverage where they are there, are added to `sums`.
    """
    query, _, _, score, coverage, of_coverage = parts
    assert query is not None
    left = iter(sums)
    of_keys, of_memory = next(left), next(left)
    of_score = None if score is None else next(left)
    of_of_coverage = None if of_coverage is None else next(left)
    query_grad = torch.empty_like(query)
    coverage_grad = None if coverage is None else torch.empty_like(coverage)
    given = [None if grad is None else grad.contiguous() for grad in grads]
    found = (query_grad, coverage_grad, of_keys, of_memory, of_score, of_of_coverage)
    call = _AttentionGradient(
        _attention_of(lengths, parts, weights, None),
        *(address(tensor) for tensor in (*given, *found)),
    )
    if len(query):
        _check(_library(query.dtype).seqline_attention_back(ctypes.byref(call)))
    return query_grad, coverage_grad


def _attention_of(
    lengths: Tensor, parts: Sequence[Tensor | None], weights: Tensor, context: Tensor | None
) -> _Attention:
    query, keys, memory = parts[:3]
    assert query is not None and keys is not None and memory is not None
    (G, S, Q), M, R = keys.shape, memory.shape[2], len(query)
    return _Attention(
        *(G, R // max(1, G), S, Q, M, torch.get_num_threads(), _team(), address(lengths)),
        *(address(tensor) for tensor in (*parts, weights, context)),
    )


def log_softmax(scores: Tensor) -> Tensor:
    """Return the logarithm of the softmax of each row (…, V), in the place of the scores."""
    scores = scores.contiguous()
    flat = scores.view(-1, scores.shape[-1])
    _of_rows(flat, "seqline_normalize")
    return scores


def best(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the highest scores (R, C) of each row (R, V), the highest first, and their places.

    Of equal ones the first comes first; −∞ at place 0 stands where there are no more.
    """
    scores = scores.contiguous()
    values = scores.new_empty(len(scores), count)
    places = torch.empty(len(scores), count, dtype=torch.int64)
    _of_rows(scores, "seqline_best", values, places)
    return values, places


def _of_rows(
    scores: Tensor, name: str, values: Tensor | None = None, places: Tensor | None = None
) -> None:
    R, V = scores.shape
    C = 0 if values is None else values.shape[1]
    if not R:
        return
    call = _Scores(
        *(R, V, C, torch.get_num_threads(), _team()),
        *(address(tensor) for tensor in (scores, values, places)),
    )
    _check(getattr(_library(scores.dtype), name)(ctypes.byref(call)))


def _packed(library: Any, weight: Tensor) -> Tensor:
    outputs, inputs = weight.shape
    size = library.seqline_linear_size(inputs, outputs)
    packed = torch.empty(size, dtype=torch.uint8)
    given = weight.detach().contiguous()
    library.seqline_pack(address(packed), address(given), inputs, outputs)
    return packed


def _check(failed: int) -> None:
    if failed:
        raise MemoryError("there is not enough memory for a product")


_loaded_in = os.getpid()


def _team() -> int | None:
    return openmp() if os.getpid() == _loaded_in else None  # a fork has no team


@cache
def _library(dtype: torch.dtype) -> Any:
    """Return the compiled code for a precision of products, None where it cannot be had."""
    try:
        source = (NATIVE / "rows.cpp").read_text(encoding="utf-8")
        library = load_library([source], DEFINES[dtype])
    except CompilerError:
        return None
    library.seqline_linear_size.restype = c_int64
    library.seqline_linear_size.argtypes = (c_int64, c_int64)
    library.seqline_pack.restype = None
    library.seqline_pack.argtypes = (c_void_p, c_void_p, c_int64, c_int64)
    for function in (
        library.seqline_linear,
        library.seqline_attention,
        library.seqline_attention_back,
        library.seqline_normalize,
        library.seqline_best,
    ):
        function.restype, function.argtypes = c_int64, (c_void_p,)
    return library

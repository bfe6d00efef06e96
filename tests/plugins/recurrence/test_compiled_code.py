"""Compiled code: the accuracy of its functions, its cache, its compilers, processes and forks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import inputs, stack_of

from seqline_plugins.recurrence.generated import compiler, library
from seqline_plugins.recurrence.generated.compiler import CompilerError, load_library

pytestmark = pytest.mark.debian("g++")

SOURCE = 'extern "C" int answer() { return ANSWER; }'
FUNCTIONS = """
#include "vectors.h"
using namespace seqline;
#define OVER(NAME, CALL) extern "C" void NAME(const REAL* x, REAL* y, long n) { \\
    for (long i = 0; i < n; i += VL) store(y + i, CALL(load(x + i))); }
OVER(over_exp, exponential) OVER(over_tanh, seqline::tanh) OVER(over_sigmoid, sigmoid)
OVER(over_log, logarithm) OVER(over_log1p, log_one_plus)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a test a cache of its own, and compilers that are looked for anew."""
    folder = tmp_path / "kernels"
    monkeypatch.setenv("SEQLINE_KERNELS", str(folder))
    compiler.find_compiler.cache_clear()
    yield folder
    compiler.find_compiler.cache_clear()


def answer(value: int) -> int:
    return int(load_library([SOURCE], [f"ANSWER={value}"]).answer())


def values_of(name: str, x: np.ndarray) -> np.ndarray:
    real = "float" if x.dtype == np.float32 else "double"
    function = getattr(load_library([FUNCTIONS], [f"REAL={real}"]), name)
    y, pointer = np.empty_like(x), library.ctypes.c_void_p
    function(pointer(x.ctypes.data), pointer(y.ctypes.data), library.ctypes.c_long(len(x)))
    return y


RIGHT: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "over_exp": np.exp,
    "over_tanh": np.tanh,
    "over_sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "over_log": np.log,
    "over_log1p": np.log1p,
}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", RIGHT)
def test_functions_are_within_two_units_in_the_last_place(name: str, kind: type) -> None:
    draw = np.random.default_rng(0)
    end = 88 if kind is np.float32 else 700
    sizes = np.exp2(draw.uniform(-40, np.log2(end), 400_000))
    x = np.concatenate([sizes, -sizes, np.linspace(-9, 9, 200_000)])
    if name.startswith("over_log"):
        tiny = np.finfo(kind).smallest_subnormal * np.arange(1, 65)
        x = np.concatenate([sizes, np.exp(-sizes), np.linspace(0.5, 2, 200_000), tiny])
        x = np.concatenate([x, -x[x < 1]]) if name == "over_log1p" else x
    x = x.astype(kind)
    x = x[x != {"over_log": 0, "over_log1p": -1}.get(name)]  # infinite there
    x = x[: len(x) // 64 * 64]
    y = values_of(name, x)
    with np.errstate(over="ignore", under="ignore"):
        right = RIGHT[name](x.astype(np.longdouble))
    normal = np.abs(right) >= np.finfo(kind).tiny
    apart = np.abs(y.astype(np.longdouble) - right)[normal]
    assert float((apart / np.spacing(np.abs(right[normal]).astype(kind))).max()) <= 2
    assert np.all(np.abs(y[~normal]) <= np.finfo(kind).tiny)


@pytest.mark.parametrize(
    ("name", "at_ends"),
    [
        ("over_exp", [np.inf, 0, np.nan, 1, np.e]),
        ("over_tanh", [1, -1, np.nan, 0, np.tanh(1)]),
        ("over_sigmoid", [1, 0, np.nan, 0.5, 1 / (1 + np.exp(-1))]),
        ("over_log", [np.inf, np.nan, np.nan, -np.inf, 0]),
        ("over_log1p", [np.inf, np.nan, np.nan, 0, np.log(2)]),
    ],
)
def test_ends_of_the_number_line(name: str, at_ends: list[float]) -> None:
    x = np.zeros(64, dtype=np.float32)
    x[:5] = np.inf, -np.inf, np.nan, -0.0, 1
    np.testing.assert_allclose(values_of(name, x)[:5], at_ends, rtol=3e-7)
    if name == "over_log1p":
        assert values_of(name, np.full(64, -1, dtype=np.float32))[0] == -np.inf


def test_a_library_is_compiled_once(cache: Path) -> None:
    assert answer(1) == 1
    built = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.so")}
    assert answer(1) == 1
    assert {path.name: path.stat().st_mtime_ns for path in cache.glob("*.so")} == built
    assert answer(2) == 2
    assert len(list(cache.glob("*.so"))) == 2


def rewrite(path: Path, content: bytes) -> None:
    path.unlink()  # the old file is in use
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: rewrite(path, path.read_bytes()[:-64] + bytes(64)),
        lambda path: rewrite(path, b""),
        lambda path: path.unlink(),
        lambda path: path.with_suffix(".json").write_text('{"sha256": "0"}'),
        lambda path: path.with_suffix(".json").write_text("["),
    ],
    ids=["altered", "empty", "gone", "another checksum", "no record"],
)
def test_a_library_that_was_tampered_with_is_built_anew(
    cache: Path, spoil: Callable[[Path], None]
) -> None:
    assert answer(3) == 3
    (built,) = cache.glob("*.so")
    whole = built.read_bytes()
    spoil(built)
    assert answer(3) == 3
    assert built.read_bytes() == whole


def test_many_that_start_together_build_one(cache: Path) -> None:
    code = "from seqline_plugins.recurrence.generated.compiler import load_library as load; "
    code += f"print(load([{SOURCE!r}], ['ANSWER=4']).answer())"
    command = [sys.executable, "-c", code]
    starts = [subprocess.Popen(command, stdout=-1, text=True) for _ in range(3)]
    assert [start.communicate()[0] for start in starts] == ["4\n"] * 3
    assert len(list(cache.glob("*.so"))) == 1
    assert not list(cache.glob(".building*"))


def test_a_cache_that_is_no_folder_costs_only_the_compilation(cache: Path) -> None:
    cache.write_text("in the way")
    assert answer(5) == 5


def test_a_compiler_that_fails_is_quoted(cache: Path) -> None:
    with pytest.raises(CompilerError, match=r"failed: .*error"):
        load_library(["this is no C++"])
    assert not list(cache.glob("*.so"))


def test_a_compiler_that_hangs_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = cache.parent / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o755)
    monkeypatch.setenv("CXX", str(hangs))
    monkeypatch.setattr(compiler, "SECONDS", 0.5)
    started = time.monotonic()
    with pytest.raises(CompilerError, match=r"hangs did not end in 0\.5 s"):
        answer(6)
    assert time.monotonic() - started < 10


@pytest.mark.slow
@pytest.mark.debian("clang")
def test_clang_compiles_it_too(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "clang++")
    source = (compiler.NATIVE / "engine.cpp").read_text(encoding="utf-8")
    assert load_library([source], ["REAL=float"]).seqline_forward


def test_a_fork_of_a_process_with_threads_computes_the_same() -> None:
    torch.set_num_threads(2)
    stack, x = stack_of({"name": "lstm"}, hidden_size=40, kernel="generated"), inputs(8, 30, 3)
    with torch.no_grad():
        output, _ = stack(x)
        child = os.fork()
        if child == 0:
            same = torch.equal(stack(x)[0], output)
            os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_many_threads_of_python_may_run_at_once() -> None:
    stack = stack_of({"name": "gru"}, hidden_size=33, kernel="generated")
    many = [inputs(5, 9, 3, seed=seed) for seed in range(8)]
    with torch.no_grad(), ThreadPoolExecutor(4) as pool:
        alone = [stack(x)[0] for x in many]
        for output, again in zip(alone, pool.map(lambda x: stack(x)[0], many), strict=True):
            assert torch.equal(output, again)

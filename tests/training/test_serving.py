"""A compiler that comes or goes between two attempts: the bits stay, or their change is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from seqline.model import served_kernels
from seqline.training.loop import Training
from seqline_plugins.recurrence import generated
from seqline_plugins.recurrence.generated.compiler import find_compiler

pytestmark = [pytest.mark.usefixtures("shapes_unchecked"), pytest.mark.debian("g++")]


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Take the compiler away with `compiler(False)`, bring it back with `compiler(True)`."""

    def there(is_there: bool) -> None:
        monkeypatch.undo() if is_there else monkeypatch.setenv("CXX", "no-such-compiler")
        forget()

    def forget() -> None:
        find_compiler.cache_clear()
        generated._libraries.clear()

    yield there
    monkeypatch.undo()
    forget()


def continued(make_training: Any, folder: Path, change: Callable[[], None]) -> Training:
    """Return a training of six steps that was killed after three."""
    options: dict[str, Any] = {"checkpoints": folder, "average": 0.9}
    first = make_training(max_steps=6, **options)
    for _ in range(3):
        first._update()
    first.save()
    change()
    again: Training = make_training(max_steps=6, **options)
    again.resume()
    return again


def test_one_that_is_gone_is_said_and_noted(make_training, tmp_path: Path, compiler: Any) -> None:
    again = continued(make_training, tmp_path / "kept", lambda: compiler(False))
    warned: list[str] = []
    again.watchers.reporter.warn = warned.append  # type: ignore[method-assign]
    again.run()
    assert served_kernels(again.model) == {"architecture": "vendor", "inputs": "vendor"}
    assert len(warned) == 1 and "generated is now vendor" in warned[0]
    assert again.at.other_kernels == ["generated is now vendor"]


def test_one_that_is_new_changes_nothing(make_training, tmp_path: Path, compiler: Any) -> None:
    compiler(False)
    calm = make_training(max_steps=6, average=0.9, checkpoints=tmp_path / "calm")
    calm.run()
    again = continued(make_training, tmp_path / "kept", lambda: compiler(True))
    again.run()
    assert served_kernels(again.model) == {"architecture": "vendor", "inputs": "vendor"}
    assert again.at.other_kernels == []
    for name, tensor in calm.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], tensor), name
    for name, tensor in calm.best.items():
        assert torch.equal(again.best[name], tensor), name

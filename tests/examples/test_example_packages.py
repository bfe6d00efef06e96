"""The packages of examples/: each holds to its contract; installed with pip they run together."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from newcomer import ROOT, Shell

from seqline.cli.main import main
from seqline_plugins import RecurrentStack

EXAMPLES = ROOT / "examples"
CHECKED = ("seqline-light-gru", "seqline-residual", "seqline-parity")


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.usefixtures("shapes_unchecked")
def test_example_holds_to_its_contract(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["plugins", "check", str(EXAMPLES / name)])
    assert status == 0, capsys.readouterr().out


@pytest.mark.slow
def test_examples_install_and_train_together(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for name in CHECKED:
        shell.run(f"cp -r {EXAMPLES / name} {name} && pip install ./{name}")
    report = json.loads(
        shell.run(
            "seqline run --json task=parity architecture=residual cell=light_gru "
            "architecture.hidden_size=8 trainer.max_steps=5 trainer.threads=1"
        )
    )
    assert 0 <= report["metrics"]["accuracy"] <= 1


def adapter() -> tuple[dict[str, str], object]:
    """Return the adapter's entry points and its module."""
    pytest.importorskip("torchrecurrent")
    folder = EXAMPLES / "seqline-torchrecurrent"
    sys.path.insert(0, str(folder))
    try:
        import seqline_torchrecurrent as module
    finally:
        sys.path.remove(str(folder))
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["entry-points"]["seqline.cells"], module


def test_every_cell_of_torchrecurrent_comes_in_and_gives_what_it_gives_there() -> None:
    entries, module = adapter()
    import torchrecurrent

    theirs = {name for name in dir(torchrecurrent) if name.endswith("Cell")}
    assert {target.partition(":")[2] for target in entries.values()} == theirs
    refused = []
    for target in entries.values():
        cell = getattr(module, target.partition(":")[2])
        torch.manual_seed(0)
        try:
            stack = RecurrentStack(cell, 3, 4).double().eval()
        except ValueError as error:
            refused.append((cell.__name__, str(error)))
            continue
        x = torch.randn(2, 4, 3, dtype=torch.float64)
        found, _ = stack(x, torch.tensor([4, 2]))
        original, state = stack.layers[0][0].cell.cell, stack.initial_state(2)
        given = list(state.values())
        apart = stack.layers[0][0].cell.apart
        for t in range(4):
            fed = given[1:] if apart else given
            out = original(x[:, t], fed[0] if len(fed) == 1 else tuple(fed))
            given = list(module._flat(out))
            torch.testing.assert_close(found[0, t], given[0][0])
            if t < 2:
                torch.testing.assert_close(found[1, t], given[0][1])
        assert not found[1, 2:].any()
    assert [name for name, _ in refused] == ["IntersectionRNNCell"]
    assert "input_size == hidden_size" in refused[0][1]

"""Every deliberately broken plugin is caught by the check that is meant for it."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from seqline.cli.check import checks_of
from seqline_plugins.conformance.subject import subject_of
from seqline_plugins.conformance.verdict import run

MUTANTS = Path(__file__).parent / "mutants"


def module_of(name: str) -> ModuleType:
    spec = spec_from_file_location(f"mutants_{name}", MUTANTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MODULES = {path.stem: module_of(path.stem) for path in sorted(MUTANTS.glob("*.py"))}
CASES = [
    pytest.param(getattr(module, name), check, id=f"{kind}-{name}")
    for kind, module in MODULES.items()
    for name, check in module.CAUGHT_BY.items()
]


@pytest.mark.parametrize(("mutant", "check"), CASES)
@pytest.mark.usefixtures("shapes_unchecked")
def test_the_check_that_is_meant_for_it_catches_it(mutant: type, check: str) -> None:
    subject = subject_of(mutant)
    (meant,) = (one for one in checks_of(subject.kind) if one.name == check)
    outcome = run(meant, subject)
    assert outcome.status == "wrong", outcome
    assert len(outcome.said) > 30


def test_there_are_mutants_of_every_kind_and_of_most_checks() -> None:
    assert len(CASES) >= 15
    assert set(MODULES) == {"gated_cells", "step_cells", "architectures", "tasks"}
    caught = {check for module in MODULES.values() for check in module.CAUGHT_BY.values()}
    every = {one.name for kind in ("cell", "architecture", "task") for one in checks_of(kind)}
    without = {
        "compiled_steps_equal_plain_ones",
        "memory_does_not_grow_with_calls",
        "written_padding_never_leaks",
    }
    assert every - caught <= without


@pytest.mark.usefixtures("shapes_unchecked")
def test_what_the_mutants_are_made_from_is_good() -> None:
    from parity import Parity

    goods = [MODULES[name].Good for name in ("gated_cells", "step_cells", "architectures")]
    for good in (*goods, Parity):
        subject = subject_of(good)
        outcomes = [run(one, subject) for one in checks_of(subject.kind)]
        assert not [one for one in outcomes if one.status == "wrong"]

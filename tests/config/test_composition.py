"""What a composed configuration holds."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import yaml
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra

import seqline_conf
from seqline.config.compose import compose
from seqline.config.describe import describe, describe_plugin
from seqline.config.nested import plain
from seqline.config.sections import SECTIONS
from seqline_plugins.errors import PluginError
from seqline_plugins.options import build_config

CONF = Path(seqline_conf.__file__).parent


def test_configuration_is_plain_and_complete(naming: list[str]) -> None:
    config = compose(naming)
    assert json.loads(json.dumps(config)) == config
    assert list(config)[:3] == ["task", "architecture", "cell"]
    assert config["architecture"]["hidden_size"] == 256
    assert config["trainer"]["batch_size"] == 32
    for name, schema in SECTIONS.items():
        assert plain(build_config(schema, config[name], name)) == config[name]


def test_built_in_plugins_compose_without_any_override() -> None:
    assert compose()["cell"]["name"] == "lstm"


def test_cell_fills_every_slot(naming: list[str]) -> None:
    config = compose([*naming, "cell.leak=0.5"])
    expected = {"name": "leaky", "leak": 0.5, "gain": None}
    assert config["cell"] == expected
    assert config["architecture"]["cell"] == expected
    assert config["task"]["characters"]["cell"] == expected


def test_one_slot_is_filled_by_itself_with_its_own_options(naming: list[str]) -> None:
    own = ["cell@task.characters.cell=sharp", "task.characters.cell.sharpness=7"]
    config = compose([*naming, *own])
    assert config["task"]["characters"]["cell"] == {"name": "sharp", "sharpness": 7}
    assert config["architecture"]["cell"]["name"] == "leaky"


def test_inheriting_slot_takes_options_of_its_own(naming: list[str]) -> None:
    config = compose([*naming, "architecture.cell.leak=0.9"])
    assert config["architecture"]["cell"]["leak"] == 0.9
    assert config["cell"]["leak"] == 0.1


def test_nested_options_are_set(naming: list[str]) -> None:
    config = compose([*naming, "task.characters.hidden_size=7", "task.affixes=[4]"])
    assert config["task"]["characters"]["hidden_size"] == 7
    assert config["task"]["affixes"] == [4]


def test_values_are_converted_to_their_type(naming: list[str]) -> None:
    trainer = compose([*naming, "trainer.precision=32", "trainer.lr=1", "trainer.max_minutes=3"])
    assert trainer["trainer"]["precision"] == "32"
    assert trainer["trainer"]["lr"] == 1.0 and isinstance(trainer["trainer"]["lr"], float)


def test_interpolation_takes_another_keys_value(naming: list[str]) -> None:
    config = compose([*naming, "trainer.seed=${data.seed}", "data.seed=5"])
    assert config["trainer"]["seed"] == 5


def test_experiment_chooses_parts_and_the_command_line_wins() -> None:
    config = compose(["experiment=ewt_upos", "trainer.max_minutes=3", "cell=gru"])
    assert config["data"]["source"] == "files"
    assert config["trainer"]["max_minutes"] == 3
    assert config["cell"]["name"] == "gru"


def test_batch_tokens_stand_alone(naming: list[str]) -> None:
    trainer = compose([*naming, "trainer.batch_tokens=4000"])["trainer"]
    assert (trainer["batch_size"], trainer["batch_tokens"]) == (None, 4000)


def test_online_is_taken_with_a_model_that_reads_forward(naming: list[str]) -> None:
    assert compose([*naming, "task.online=true", "architecture.bidirectional=false"])


def test_composing_leaves_nothing_behind(naming: list[str], tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert compose(naming) == compose(naming)
    assert Path.cwd() == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["site-naming"]
    assert not GlobalHydra.instance().is_initialized()


def test_composing_inside_another_hydra_program_leaves_it_alone(naming: list[str]) -> None:
    with initialize_config_module("seqline_conf", version_base="1.3"):
        before = GlobalHydra.instance().hydra
        compose(naming)
        assert GlobalHydra.instance().hydra is before


def test_choosing_a_cell_imports_no_other_plugin(install) -> None:
    install("quiet", "raise SystemExit(3)", cells={"quiet": "quiet:Cell"})
    compose(["cell=gru"])
    assert "quiet" not in sys.modules


@pytest.mark.parametrize("section", ["data", "trainer", "tracking", "runner"])
def test_yaml_files_show_the_schemas_keys_and_defaults(section: str) -> None:
    schema = plain(SECTIONS[section]())
    for file in (CONF / section).glob("*.yaml"):
        shown = yaml.safe_load(file.read_text(encoding="utf-8"))
        different = {key for key in shown if shown[key] != schema.get(key, "absent")}
        assert different <= {"source"}, file
        if section != "data":
            assert sorted(shown) == sorted(schema), file


def test_every_key_in_yaml_has_its_comment() -> None:
    plain_enough = {"source", "name", "- trainer", "- tracking", "- plugins"}
    for file in CONF.rglob("*.yaml"):
        if file.parent.name == "experiment":
            continue
        for line in file.read_text(encoding="utf-8").splitlines():
            if ":" in line and "#" not in line and not line.endswith(":"):
                assert line.split(":")[0].strip() in plain_enough, (file, line)


def test_description_names_every_key_of_every_section() -> None:
    places = {key.place for key in describe()}
    for name, schema in SECTIONS.items():
        assert {f"{name}.{field.name}" for field in dataclasses.fields(schema)} <= places
    assert all(key.help and key.expected for key in describe())


def test_description_of_a_plugin_has_its_slots(naming: list[str]) -> None:
    places = [key.place for key in describe_plugin("task", "naming")]
    assert "cell@task.characters.cell" in places
    assert "task.characters.hidden_size" in places


LITERAL = """
from dataclasses import dataclass
from typing import Literal
from seqline_plugins import GatedCell
@dataclass
class Config:
    size: Literal[1, 2] = 1
class Odd(GatedCell):
    Config = Config
    gates = ("candidate",)
    def equations(self, t): return {}
"""


def test_config_that_cannot_be_read_is_the_plugins_fault(install) -> None:
    install("odd", LITERAL, cells={"odd": "odd:Odd"})
    with pytest.raises(PluginError, match="Config cannot be read"):
        compose(["cell=odd"])

"""Inputs that are wrong: those that people make, and those that a fuzzer makes."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soak_scenarios import SMALL

OVERRIDES = """
cel=lstm
cell=lstmm
cell=leakyy
cell=null
cell=3
cell=inherit
task=pos_taging
architecture=many_to_manny
trainer=defaul
experiment=ewt
data=fils
architecture.hidden_sise=3
task.characters.hidden_sise=3
trainer.foo=1
cell=lstm cell.norm_epsilon=3
lr=3
seed=3
architecture.name=many_to_one
tracking.experimnt=x
foo/bar=x
cell@architecture.cel=gru
cell@architecture.cell=gruu
cel@architecture.cell=gru
architecture.cell=gru
task.characters.cell=gru
trainer.max_epochs=fast
trainer.max_epochs=-1
trainer.max_epochs=2.5
trainer.max_epochs=null
trainer.max_steps=0
trainer.max_minutes=-1
trainer.lr=0
trainer.lr=nan
trainer.lr=
trainer.lr={a:1}
trainer.lr.x=1
trainer.lr=-0.1
trainer.betas=[0.1]
trainer.betas=[0.1,2]
trainer.optimizer=adan
trainer.precision=16
trainer.device=gpu
trainer.average=1
trainer.kernel=fastest
trainer.kernel=scan
cell=peephole_lstm trainer.kernel=vendor
trainer.checkpoint_minutes=0
trainer.threads=0
trainer.batch_size=0
trainer.batch_size=2 trainer.batch_tokens=9
trainer.accumulate=0
trainer.members=0
trainer.clip_norm=-1
trainer.schedule=exponential
trainer.patience=-1
trainer.validate_every=0
trainer.activation_bytes=-1
trainer.warmup_steps=-1
trainer.lr=${foo.bar}
loss.label_smoothing=1
architecture.dropout=1.5
architecture.num_layers=0
architecture.num_layers=null
architecture.bidirectional=maybe
architecture.hidden_size=0
task.characters=3
task.affixes=[0]
task.online=true
metrics.primary=bleu
metrics.primary=accurac
data.train=x
data.repo=x
data=files
data=files data.train=x
data=files data.file=x data.test=y
data=files data.train=3 data.test=y
data=files data.file=x data.split=[0.5,0.2]
data=files data.train=gone.conllu data.test=gone.conllu
data=files data.train=/ data.test=/
data.seed=-1
lstm
trainer.seed
=3
cell=rnn,lstm
trainer.seed=range(3)
+trainer.lr=3
~trainer.lr=3
hydra.run.dir=x
architecture..x=3
""".strip().splitlines()
COMMANDS = """
rnu
run --frsh
predict
predict {folder}/gone
predict {folder}/test.conllu {folder}/test.conllu
predict {folder} {folder}/test.conllu
predict {export} {folder}/gone.txt
predict {export} {folder}
predict 00000000000000000000000000000000 {folder}/test.conllu
resume nothing
resume 0123456789abcdef
resume --bogus
plugins shw
plugins show cell lstmm
clean --al
""".strip().splitlines()
"""Wrong commands; {folder} holds the data, {export} is an exported model."""


@dataclass(frozen=True)
class Case:
    """A wrong command, the home in which it is given, and what its message must name."""

    arguments: list[str]
    home: Path
    names: str = ""


@dataclass
class Ground:
    """What the cases stand on: a finished run, its data and its export."""

    folder: Path
    home: Path
    data: list[str]
    report: dict[str, Any]
    draw: random.Random

    def file_of(self, split: str) -> Path:
        return self.folder / f"{split}.conllu"

    def new(self, name: str) -> Path:
        """Return a path where nothing is yet."""
        place = self.folder / "made" / f"{len(list((self.folder / 'made').iterdir())):03d}"
        place.mkdir()
        return place / name


def written_cases(ground: Ground) -> Iterator[Case]:
    """Yield the mistakes written down, on overrides and on whole commands."""
    for overrides in OVERRIDES:
        yield Case(["run", *overrides.split()], ground.home)
    for command in COMMANDS:
        yield Case(
            command.format(folder=ground.folder, export=ground.report["export"]).split(),
            ground.home,
        )


def wrong_override(ground: Ground, keys: dict[str, Any]) -> Case:
    """Return a key misspelt, or a value that its kind cannot have."""
    draw = ground.draw
    kind = draw.choice(("key", "number", "sign", "truth", "list", "plugin", "grammar"))
    if kind == "key":
        while (wrong := misspelt(draw.choice(list(keys)), draw)) in keys:
            pass
        return Case(["run", f"{wrong}=1"], ground.home, wrong.split(".")[0])
    if kind == "plugin":
        group = draw.choice(("cell", "task", "architecture", "data", "trainer", "experiment"))
        names = {"cell": "layer_norm_lstm", "task": "pos_tagging", "experiment": "ewt_upos"}
        name = misspelt(names.get(group, "many_to_many"), draw)
        return Case(["run", f"{group}={name}"], ground.home, group)
    if kind == "grammar":
        junk = "".join(draw.choices("abc[]{}(),:.$ ~+@", k=draw.randint(1, 8)))
        return Case(["run", "=" + junk], ground.home)
    of = {"number": (int, float), "sign": (int,), "truth": (bool,), "list": (list,)}[kind]
    fitting = [key for key, value in keys.items() if type(value) in of]
    key = draw.choice(fitting)
    value = {
        "number": draw.choice(("fast", "[1]", "'1,5'", "{a:1}", "nan")),
        "sign": f"-{draw.randint(1, 10**6)}",
        "truth": draw.choice(("maybe", "2", "[true]")),
        "list": draw.choice(("none", "{a:1}", "[x]")),
    }[kind]
    return Case(["run", f"{key}={value}"], ground.home, key)


def misspelt(name: str, draw: random.Random) -> str:
    """Return a name with a letter lost, doubled or swapped with the next."""
    at = draw.choice([n for n in range(len(name) - 1) if name[n : n + 2].isalnum()])
    a, b = name[at], name[at + 1]
    changed = name[:at] + draw.choice((b, a + a + b, b + a)) + name[at + 2 :]
    return changed if changed != name else misspelt(name + "x", draw)


def wrong_file(ground: Ground) -> Case:
    """Return a run over a data file damaged in one place."""
    draw = ground.draw
    split = draw.choice(("train", "validation", "test"))
    lines = ground.file_of(split).read_bytes().split(b"\n")
    row = draw.choice([n for n, line in enumerate(lines) if b"\t" in line])
    name = f"{split}.conllu"

    def replaced(line: bytes) -> bytes:
        return b"\n".join([*lines[:row], line, *lines[row + 1 :]])

    def cut_gz() -> bytes:
        whole = gzip.compress(b"\n".join(lines))
        return whole[: draw.randrange(len(whole) // 2, len(whole) - 8)]

    fields = lines[row].split(b"\t")
    at = draw.randrange(1, 9)
    damages: dict[str, tuple[str, Callable[[], bytes]]] = {
        "column lost": (name, lambda: replaced(b"\t".join(fields[:at] + fields[at + 1 :]))),
        "column more": (name, lambda: replaced(b"\t".join([*fields, b"_"]))),
        "no UTF-8": (name, lambda: replaced(b"\t".join([fields[0], b"\xff\xfe", *fields[2:]]))),
        "no number": (name, lambda: replaced(b"\t".join([b"one", *fields[1:]]))),
        "spaces": (name, lambda: replaced(b"    ".join(fields))),
        "empty": (name, lambda: b""),
        "gz cut short": (f"{name}.gz", cut_gz),
        "no gz": (f"{name}.gz", lambda: b"\n".join(lines)),
        "noise": (name, lambda: b"\xff" + draw.randbytes(400)),
    }
    called, content = damages[draw.choice(list(damages))]
    path = ground.new(called)
    path.write_bytes(content())
    data = [one for one in ground.data if not one.startswith(f"data.{split}=")]
    return Case(["run", *data, f"data.{split}='{path}'", *SMALL], ground.home, called)


def wrong_export(ground: Ground) -> Case:
    """Return a prediction with an export of which one thing was altered."""
    draw = ground.draw
    folder = ground.new("model")
    shutil.copytree(ground.report["export"], folder)
    sums = json.loads((folder / "sums.json").read_text())
    path = folder / draw.choice(["sums.json", *sorted(sums["sha256"])])  # people edit README.md
    kind = draw.choice(("byte", "byte", "byte", "lost", "pickle", "path", "link"))
    if kind == "byte":
        flip(path, draw)
    elif kind == "lost":
        path.unlink()
    elif kind == "pickle":
        (folder / "weights.safetensors").write_bytes(evil_pickle(ground))
    else:
        if kind == "path":
            sums["sha256"]["../../../outside"] = "0" * 64
        else:
            outside = folder.with_name("outside.json")
            (folder / "config.json").rename(outside)
            (folder / "config.json").symlink_to(outside)
        (folder / "sums.json").write_text(json.dumps(sums))
    return Case(["predict", str(folder), str(ground.file_of("test"))], ground.home, str(folder))


def wrong_home(ground: Ground) -> Case:
    """Return a resume in a home whose mark or record was altered, or of a run it does not have."""
    draw = ground.draw
    run_id = ground.report["run_id"]
    kind = draw.choice(("name", "name", "record", "record", "version"))
    if kind == "name":
        return Case(["resume", misspelt(run_id, draw)], ground.home, "no such run")
    home = ground.new("home")
    shutil.copytree(ground.home / "runs", home / "runs")
    shutil.copy(ground.home / "format.json", home)
    (record,) = home.glob("runs/*/run.json")
    if kind == "version":
        (home / "format.json").write_text(json.dumps({"format": draw.randint(2, 99)}))
        return Case(["resume"], home, "format.json")
    flip(record, draw)
    return Case(["resume", record.parent.name], home, "run.json")


def flip(path: Path, draw: random.Random) -> None:
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= draw.randint(1, 255)
    path.write_bytes(content)


def evil_pickle(ground: Ground) -> bytes:
    """Return a pickle that leaves a file when it is read."""
    path = str(ground.folder / "executed").encode()
    return b"cposix\nsystem\n(S'touch " + path + b"'\ntR."

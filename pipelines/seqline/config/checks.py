"""What is refused when a configuration is composed, before any data is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seqline.config.nested import cell_choices
from seqline.config.plugins import made
from seqline_plugins.discovery import installed, load
from seqline_plugins.errors import PluginError, UserError, nearest
from seqline_plugins.ranges import spelled

DEFAULT_BATCH = 32
STREAM_STEPS = 100
"""Steps that a gradient goes back in running text, where nobody says how many."""
DECODING_METRICS = ("bleu", "chrf", "rouge", "rouge_1", "rouge_2", "rouge_l", "ter")
"""Figures that compare generated text; only a task that decodes can have them."""

SOURCE_KEYS = {
    "builtin": (),
    "hub": ("repo", "subset", "revision"),
    "files": ("train", "validation", "test", "file", "fill"),
}
"""The keys of `data` that only one source reads."""

Tree = dict[str, Any]


def refuse_contradictions(config: Tree) -> None:
    """Raise `UserError` for parts that do not fit each other; fill in the batch size."""
    task, task_options = made("task", config["task"], "task")
    architecture, options = made("architecture", config["architecture"], "architecture")
    _check_kind(config, task, architecture)
    _check_metric(config, task)
    _check_attention(config, task, task_options, (architecture, options))
    _check_online(config, task, task_options, (architecture, options))
    _check_trainer(config["trainer"])
    _check_equations(config)
    _check_kernel(config)
    _check_members(config, task)
    _check_bptt(config, task, architecture, options)
    _check_data(config["data"])


def _check_kind(config: Tree, task: Any, architecture: Any) -> None:
    if architecture.kind in task.kinds:
        return
    fitting = [name for name in installed("architecture") if _fits(task, name)]
    wanted = " or ".join(f"{kind.input} → {kind.output}" for kind in task.kinds)
    raise UserError(
        f"architecture={config['architecture']['name']} does not fit "
        f"task={config['task']['name']}: it is {architecture.kind.input} → "
        f"{architecture.kind.output}, the task needs {wanted}. "
        f"Architectures that fit: {', '.join(fitting) or 'none installed'}."
    )


def _fits(task: Any, name: str) -> bool:
    try:
        return load("architecture", name).kind in task.kinds
    except PluginError:
        return False


def _check_metric(config: Tree, task: Any) -> None:
    asked, name = config["metrics"]["primary"], config["task"]["name"]
    metrics = {metric.name: metric for metric in task.metrics}
    if asked is None:
        return
    decoding = asked.lower() in DECODING_METRICS
    if asked in metrics:
        decoding = metrics[asked].needs_decoding
    if decoding and not task.decodes:
        why = f"'{asked}' scores generated text, which task={name} does not make."
    elif asked not in metrics:
        why = f"task={name} has no metric '{asked}'.{nearest(asked, metrics)}"
    else:
        return
    raise UserError(f"metrics.primary: {why} Its metrics: {', '.join(metrics)}.")


def _check_attention(config: Tree, task: Any, task_options: Any, parts: tuple[Any, Any]) -> None:
    """Refuse what needs a look at the input where there is none, and what the task refuses."""
    architecture, options = parts
    refusal = task.refusal(task_options, options, config["loss"], architecture.kind)
    if refusal is not None:
        raise UserError(refusal)
    if architecture.is_attentive(options):
        return
    asked = {
        "decode.coverage_penalty": config["decode"]["coverage_penalty"],
        "decode.replace_unknown": config["decode"]["replace_unknown"],
        "loss.coverage": config["loss"]["coverage"],
    }
    for key, value in asked.items():
        if value:
            name = config["architecture"]["name"]
            raise UserError(
                f"{key}: found {spelled(value)}, but architecture={name} as it is set looks at "
                "nothing; choose one with attention, architecture=encoder_decoder "
                "architecture.attention=general."
            )


def _check_online(config: Tree, task: Any, task_options: Any, parts: tuple[Any, Any]) -> None:
    """Refuse an architecture that looks ahead where the task allows none."""
    architecture, options = parts
    online = getattr(task_options, "online", False)
    foretells = getattr(task, "foretells", False) and architecture.kind.output == "aligned"
    if not (online or foretells) or architecture.is_causal(options):
        return
    name, task_name = config["architecture"]["name"], config["task"]["name"]
    remedy = (
        "Set architecture.bidirectional=false."
        if getattr(options, "bidirectional", False)
        else "Choose one that reads forward only."
    )
    why = "task.online=true" if online else f"task={task_name} tells what comes next: it"
    raise UserError(
        f"{why} allows no look-ahead, but architecture={name} reads later inputs "
        f"as it is set. {remedy}"
    )


def _check_trainer(trainer: Tree) -> None:
    size, tokens = trainer["batch_size"], trainer["batch_tokens"]
    if size is not None and tokens is not None:
        raise UserError(
            f"trainer.batch_tokens: found {tokens} beside trainer.batch_size={size}, expected one "
            f"of the two; set the other to null: trainer.batch_size=null."
        )
    if size is None and tokens is None:
        trainer["batch_size"] = DEFAULT_BATCH
    bounds = ("max_epochs", "max_steps", "max_minutes")
    if all(trainer[bound] is None for bound in bounds):
        raise UserError(
            "trainer.max_epochs: found null, and max_steps and max_minutes are null too, so the "
            "training would never end; set one of them."
        )
    if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", trainer["device"]):
        raise UserError(
            f"trainer.device: found '{trainer['device']}', expected auto, cpu, cuda, cuda:1, mps "
            "or xpu."
        )


def _check_equations(config: Tree) -> None:
    """Refuse cells whose gates contradict themselves, or whose equations fail, before all else."""
    from seqline_plugins.build import configure
    from seqline_plugins.cell import GatedCell
    from seqline_plugins.recurrence.generated.trace import try_equations

    for choice in cell_choices(config):
        plugin, options = configure("cell", choice)
        if issubclass(plugin, GatedCell):
            try_equations(plugin(options))


def _check_kernel(config: Tree) -> None:
    """Refuse a kernel that cannot serve one of the cells."""
    kernel = config["trainer"]["kernel"]
    if kernel not in ("vendor", "scan"):  # the others serve every cell
        return
    from seqline_plugins.build import build_cell
    from seqline_plugins.recurrence.kernels import check_wanted

    for choice in cell_choices(config):
        check_wanted(build_cell(choice, 2, 2), kernel, 2, 2)


def _check_members(config: Tree, task: Any) -> None:
    from seqline_plugins.task.head import Head

    members, head = config["trainer"]["members"], getattr(task, "head", Head)
    if members > 1 and head.probabilities is Head.probabilities:
        raise UserError(
            f"trainer.members: found {members}, expected 1: the head of "
            f"task={config['task']['name']} gives no probabilities that could be averaged."
        )


def _check_bptt(config: Tree, task: Any, architecture: Any, options: Any) -> None:
    """Refuse to cut in time what cannot be; fill in the steps where the data are running text."""
    from seqline_plugins.task.split import EncodedSplit

    split, trainer = getattr(task, "split", EncodedSplit), config["trainer"]
    running = split.streams is not EncodedSplit.streams
    aligned = architecture.kind.output == "aligned"
    name, steps = config["architecture"]["name"], trainer["bptt_steps"]
    if running and aligned and not architecture.is_causal(options):
        raise UserError(
            f"architecture={name}: reads later inputs as it is set, but "
            f"task={config['task']['name']} is learned from running text, where each step is told "
            "by those before it. Set architecture.bidirectional=false."
        )
    if steps is None:
        trainer["bptt_steps"] = STREAM_STEPS if running and aligned else None
        return
    if not aligned or not (running or split.timed):
        what = f"architecture={name}" if not aligned else f"task={config['task']['name']}"
        raise UserError(
            f"trainer.bptt_steps: found {steps}, expected null: {what} has no output for every "
            "step by which its sequences could be cut."
        )
    if not architecture.is_causal(options):
        raise UserError(
            f"trainer.bptt_steps: found {steps}, but architecture={name} reads later inputs as it "
            "is set, so that a sequence cannot be cut. Set architecture.bidirectional=false."
        )


def _check_data(data: Tree) -> None:
    source = data["source"]
    for other, keys in SOURCE_KEYS.items():
        for key in keys:
            if other != source and data[key] is not None:
                raise UserError(
                    f"data.{key}: found {spelled(data[key])}, but data={source} does not read it; "
                    f"it belongs to data={other}. Write data={other} data.{key}=…"
                )
    if source == "files":
        _check_files(data)
    _check_split(data["split"])


def _check_files(data: Mapping[str, Any]) -> None:
    parts = ("train", "validation", "test")
    for key in (*parts, "file"):
        if not _is_path(data[key]):
            found = spelled(data[key])
            raise UserError(f"data.{key}: found {found}, expected a path, a glob or a list.")
    given = [key for key in parts if data[key] is not None]
    if data["file"] is not None and given:
        raise UserError(
            f"data.{given[0]}: found beside data.file, which is split by itself; give either "
            "data.train, data.validation and data.test, or data.file."
        )
    for key in ("train", "test") if data["file"] is None else ():
        if data[key] is None:
            raise UserError(
                f"data.{key}: found null, but data=files needs data.train=PATH and "
                "data.test=PATH, or one file that is split here, data.file=PATH."
            )


def _is_path(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(one, str) and one for one in value)
    return value is None or (isinstance(value, str) and value != "")


def _check_split(split: Any) -> None:
    if split is None:
        return
    numbers = isinstance(split, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and one >= 0 for one in split
    )
    if numbers and len(split) == 3 and split[0] > 0:
        whole = all(isinstance(one, int) for one in split)
        if whole or abs(sum(split) - 1) < 1e-6:
            return
    raise UserError(
        f"data.split: found {spelled(split)}, expected three shares that add up to 1 or three row "
        "counts, for train, validation and test: data.split=[0.8,0.1,0.1]."
    )

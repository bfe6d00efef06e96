"""The model card: what the model is, what it was trained on, how well it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def model_card(
    config: Mapping[str, Any],
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    results: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> str:
    """Return the card in Markdown."""
    names = {part: config[part]["name"] for part in ("task", "architecture", "cell")}
    lines = [
        f"# {names['task']}: {names['cell']}, {names['architecture']}",
        "",
        f"{training['parameters']:,} parameters; made with seqline {provenance['seqline']} "
        f"and torch {provenance['torch']}.",
        "",
        "## Figures",
        "",
        "| metric | test | baseline |",
        "|---|---|---|",
    ]
    for name, value in results["metrics"].items():
        baseline = results["baseline"].get(name)
        beside = "" if baseline is None else f"{baseline:.4f}"
        mark = " (primary)" if name == results["primary"] else ""
        lines.append(f"| {name}{mark} | {value:.4f} | {beside} |")
    lines += [
        "",
        f"Best on validation: {results['primary']} {training['best_score']:.4f} after "
        f"{training['best_epoch']:.3g} epochs of training on "
        f"{training['device']}.",
        "",
        "## Data",
        "",
        f"Source: {_source(config['data'])}; digest {data['digest'][:16]}.",
        "",
        "| split | examples | tokens |",
        "|---|---|---|",
    ]
    for name, size in data["splits"].items():
        lines.append(f"| {name} | {size['examples']:,} | {size['tokens']:,} |")
    lines += [f"\nWarning: {warning}" for warning in data["warnings"]]
    lines += [
        "",
        "## Provenance",
        "",
        "| plugin | distribution | version | source |",
        "|---|---|---|---|",
    ]
    for plugin in provenance["plugins"]:
        lines.append(
            f"| {plugin['kind']} {plugin['name']} | {plugin['distribution']} "
            f"| {plugin['version']} | {plugin['source_hash'][:12]} |"
        )
    lines += [
        "",
        "## Use",
        "",
        "    seqline predict FOLDER sentences.txt",
        "",
        "where FOLDER is this folder. `weights.safetensors` holds the weights, `config.json` the "
        "composed configuration, `encoding/` the vocabularies.",
        "",
    ]
    return "\n".join(lines)


def _source(data: Mapping[str, Any]) -> str:
    given = {key: value for key, value in data.items() if value is not None and key != "source"}
    named = ", ".join(f"{key}={value}" for key, value in given.items())
    return f"{data['source']} ({named})" if named else str(data["source"])

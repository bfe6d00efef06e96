"""`seqline plugins new`: a whole plugin package, which works before a line is changed."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

from seqline import __version__
from seqline_plugins.discovery import GROUPS, distribution_of, installed
from seqline_plugins.errors import UserError, nearest

KINDS = {"cell": "cell", "step-cell": "cell", "architecture": "architecture", "task": "task"}
"""What can be made, and the kind of plugin that it is."""
RUN = {
    "cell": "cell={name}",
    "architecture": "architecture={name}",
    "task": "task={name} architecture.hidden_size=32",
}


def new_plugin(name: str, kind: str, parent: Path) -> Path:
    """Write a plugin package into a new folder of `parent` and return it.

    Raises `UserError` for an unknown kind, a name that is no identifier or is taken, and a folder
    that is there already.
    """
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise UserError(f"--kind: found '{kind}', expected one of {known}.{nearest(kind, KINDS)}")
    group = KINDS[kind]
    _check_name(name, group)
    project, module = f"seqline-{name.replace('_', '-')}", f"seqline_{name}"
    folder = parent / project
    if folder.exists():
        raise UserError(f"{folder}: there is such a folder already; remove it or choose a name.")
    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_") if part)
    words = {
        "NAME": name,
        "CLASS": class_name,
        "MODULE": module,
        "PROJECT": project,
        "KIND": kind,
        "GROUP": GROUPS[group],
        "SUITE": f"{group.capitalize()}Suite",
        "RUN": RUN[group].format(name=name),
        "VERSION": __version__,
    }
    written = {
        "pyproject.toml": "package/pyproject.toml.txt",
        "README.md": "package/README.md.txt",
        ".github/workflows/tests.yml": "package/ci.yml.txt",
        f"{module}.py": f"{kind}/module.py.txt",
        f"tests/test_{name}.py": "package/test.py.txt",
    }
    texts = {place: _filled(template, words) for place, template in written.items()}
    for place, text in texts.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _check_name(name: str, group: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        fit = re.sub("[^a-z0-9_]+", "_", re.sub("(?<=[a-z0-9])([A-Z])", r"_\1", name).lower())
        fit = fit.strip("_0123456789")
        near = f", as in {fit}" if fit and not keyword.iskeyword(fit) else ""
        raise UserError(
            f"{name}: no name for a plugin; expected small letters, digits and _, a letter first, "
            f"and no word of Python's own{near}."
        )
    taken = installed(group).get(name)
    if taken:
        raise UserError(
            f"{name}: there is such a {group} already, from {distribution_of(taken[0])}; two of "
            "one name could not be told apart."
        )


def _filled(template: str, words: dict[str, str]) -> str:
    text = (files("seqline") / "templates" / template).read_text(encoding="utf-8")
    return re.sub("@([A-Z]+)@", lambda match: words[match[1]], text)

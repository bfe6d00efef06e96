"""`seqline plugins check`: the conformance kit on one plugin, or on a package's."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqline.cli.show import configured, identify
from seqline_plugins.conformance.verdict import Checks, Outcome, run
from seqline_plugins.discovery import load
from seqline_plugins.errors import UserError

WIDTH = 80


def check_plugins(word: str, overrides: Sequence[str] = (), *, as_json: bool = False) -> bool:
    """Check what a name or a path means and print it; say whether nothing is wrong.

    `overrides` are options that it is checked with. Raises `UserError` for what is no plugin.
    """
    with contextlib.redirect_stdout(sys.stderr):  # a plugin may print
        found = _plugins(word)
        if overrides and len(found) > 1:
            names = ", ".join(f"{kind}={name}" for kind, name, _ in found)
            raise UserError(f"{word}: options are of one plugin, here are {names}.")
        results = []
        for kind, name, plugin in found:
            given = configured(plugin, kind, name, overrides)
            started = time.perf_counter()
            outcomes = check(plugin, given)
            results.append((kind, name, outcomes, time.perf_counter() - started))
    if as_json:
        plugins = [_plain(*result) for result in results]
        print(json.dumps({"plugins": plugins}, ensure_ascii=False))  # noqa: T201
    else:
        print("\n\n".join("\n".join(_page(*result)) for result in results))  # noqa: T201
    return all(one.status != "wrong" for _, _, outcomes, _ in results for one in outcomes)


def check(plugin: type[Any], options: dict[str, Any] | None = None) -> list[Outcome]:
    """Return what each check finds of a plugin's class."""
    from seqline_plugins.conformance.subject import subject_of

    subject = subject_of(plugin, options)
    return [run(check, subject) for check in checks_of(subject.kind)]


def checks_of(kind: str) -> Checks:
    """Return the checks of a kind."""
    from seqline_plugins.conformance import architectures, cells, tasks

    of = {"cell": cells, "architecture": architectures, "task": tasks}
    return of[kind].CHECKS


def _plugins(word: str) -> list[tuple[str, str, type[Any]]]:
    path = Path(word)
    if path.exists() or word.endswith(".py") or "/" in word:
        if not path.exists():
            raise UserError(f"{word}: there is no such file or folder.")
        from seqline_plugins.conformance.targets import plugins_at

        return plugins_at(path)
    kind, name = identify(word)
    return [(kind, name, load(kind, name))]


def _page(kind: str, name: str, outcomes: Sequence[Outcome], seconds: float) -> list[str]:
    """Return the lines of one screen: what is right together, what is wrong with what to do."""
    right = [one.check.title for one in outcomes if one.status == "right"]
    skipped = [one for one in outcomes if one.status == "skipped"]
    wrong = [one for one in outcomes if one.status == "wrong"]
    lines = [f"{kind} {name}", *_wrapped(" · ".join(right), "  ok   ")]
    for one in skipped:
        lines += _wrapped(f"{one.check.title} ({one.said})", "  -    ")
    alike: dict[str, list[Outcome]] = {}
    for one in wrong:  # the same of another batch is no more to read
        alike.setdefault(re.sub(r"\d+", "", one.said), []).append(one)
    for first, *others in alike.values():
        all_of_it = len(others) > len(outcomes) / 2
        title = "it cannot be run" if all_of_it else first.check.title
        lines += _wrapped(title, "  FAIL ") + _wrapped(first.said, " " * 7)
        if others:
            stopped = " · ".join(one.check.title for one in others)
            lines += _wrapped(f"the same stops {len(others)} more: {stopped}", " " * 7)
    counts = f"{len(right)} right, {len(wrong)} wrong, {len(skipped)} do not apply"
    return [*lines, f"{counts}; {seconds:.0f} s"]


def _wrapped(text: str, start: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(kind: str, name: str, outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    checks = [
        {"check": one.check.name, "status": one.status, "said": one.said, "seconds": one.seconds}
        for one in outcomes
    ]
    return {"kind": kind, "name": name, "seconds": seconds, "checks": checks}

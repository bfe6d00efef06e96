"""`seqline run`: compose, run the pipeline, show the result."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqline.cli.progress import watch
from seqline.config.compose import compose
from seqline.config.nested import plain
from seqline.data import data_fingerprint
from seqline.reporter import Reporter

if TYPE_CHECKING:
    from seqline.flow import RunReport
    from seqline.runs.attempt import Attempt


def run(overrides: Sequence[str], *, fresh: bool, quiet: bool, as_json: bool) -> None:
    """Run the pipeline and print its report; with `as_json` nothing else on standard output.

    The configuration is checked first, and that the data are there, before Prefect or MLflow are
    imported and before anything is written.
    """
    with contextlib.redirect_stdout(sys.stderr), watch(quiet or as_json) as reporter:
        config = compose(overrides)
        data_fingerprint(config)
        from seqline.home import open_home, quiet_environment

        quiet_environment()
        home = open_home()
        from seqline.runs.claim import claim

        attempt = claim(config, home, reporter, fresh=fresh, overrides=overrides)
        report = go_on(attempt, reporter)
    tell(report, overrides, config["cell"]["name"], as_json)


def go_on(attempt: Attempt, reporter: Reporter) -> RunReport:
    """Run the pipeline for an attempt; an interruption says how to go on."""
    from seqline.launch import launch

    try:
        with attempt.held():
            return launch(attempt, reporter)
    except KeyboardInterrupt:
        if not attempt.began:
            raise
        raise KeyboardInterrupt(
            f"interrupted; `seqline resume {attempt.record.name}`, or the same command again, "
            "goes on from here."
        ) from None


def tell(report: RunReport, overrides: Sequence[str], cell: str, as_json: bool) -> None:
    """Print a run's report; with `as_json` as one object."""
    if as_json:
        print(json.dumps(plain(report), ensure_ascii=False))  # noqa: T201
        return
    from seqline.cli.report import show

    show(report, overrides, cell)

"""`seqline run`: compose, run the pipeline, show the result."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence

from seqline.cli.progress import watch
from seqline.config.compose import compose
from seqline.config.nested import plain
from seqline.data import data_fingerprint


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
        from seqline.launch import launch

        report = launch(config, home, fresh=fresh, reporter=reporter, overrides=overrides)
    if as_json:
        print(json.dumps(plain(report), ensure_ascii=False))  # noqa: T201
        return
    from seqline.cli.report import show

    show(report, overrides, config["cell"]["name"])

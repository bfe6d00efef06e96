"""`seqline resume`: continue an interrupted run."""

from __future__ import annotations

import contextlib
import json
import os
import sys

from seqline.cli.progress import watch
from seqline.cli.run import go_on, tell
from seqline_plugins.errors import UserError


def resume(name: str | None, *, allow_changed_plugins: bool, quiet: bool, as_json: bool) -> None:
    """Continue the run named, or the newest that was interrupted, and print its report.

    Says so when the run is finished already, or when there is none to continue. Raises
    `UserError` for an unknown run, a running one, one whose plugins or data have changed.
    """
    from seqline.home import home_path, open_home, quiet_environment

    if not home_path().is_dir():
        raise UserError(f"{home_path()}: there is no such folder, so no run to continue.")
    quiet_environment()
    os.environ["SEQLINE_HOME"] = str(home_path())  # wherever the run's own folder is
    with contextlib.redirect_stdout(sys.stderr), watch(quiet or as_json) as reporter:
        home = open_home()
        from seqline.runs.attempt import Attempt
        from seqline.runs.claim import reclaim

        found = reclaim(home, name, reporter, allow_changed_plugins=allow_changed_plugins)
        if isinstance(found, Attempt):
            report = go_on(found, reporter)
    if isinstance(found, Attempt):
        record = found.record
        tell(report, record.overrides, record.config["cell"]["name"], as_json)
        return
    status = "finished" if found is not None else "none"
    if as_json:
        run_id = found.name if found is not None else None
        print(json.dumps({"run_id": run_id, "status": status}))  # noqa: T201
    elif found is not None:
        print(f"run {found.name} is finished already.")  # noqa: T201
    else:
        print("no run is waiting to be continued.")  # noqa: T201

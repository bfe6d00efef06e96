"""`seqline compare`: the table of finished runs, seeds put together."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from seqline.home import Home, home_path, quiet_environment
from seqline_plugins.errors import UserError


def compare(
    filters: Sequence[str],
    *,
    uri: str | None,
    csv: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Print the table of the runs that fit the filters, or write it to files; "-" is the output.

    Reads the store at `uri`, else the one that runs are tracked in. Raises `UserError` when there
    is nothing to compare.
    """
    quiet_environment()
    from seqline.comparison.render import as_csv, as_markdown, as_plain, show
    from seqline.comparison.runs import read_runs, select
    from seqline.comparison.table import tabulate

    home = Home(home_path())
    where = uri or home.tracking_uri
    client = _client(where)
    if uri is None:
        from seqline.tracking.settle import settle_tracking

        with contextlib.suppress(OSError):  # a home that can only be read is compared too
            settle_tracking(home, client)
    runs = read_runs(client)
    if not runs:
        raise UserError(f"{where}: holds no finished run yet; `seqline run` makes one.")
    rows = tabulate(select(runs, filters))
    for file, render in ((csv, as_csv), (markdown, as_markdown)):
        if file is not None:
            _write(file, render(rows))
    if as_json:
        print(json.dumps({"rows": [as_plain(row) for row in rows]}, ensure_ascii=False))  # noqa: T201
    elif csv is None and markdown is None:
        show(rows, Console(highlight=False))


def _client(uri: str):  # type: ignore[no-untyped-def]  # mlflow's, imported late
    """Return a client of a store that is there; raises an error for one that is not."""
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    from seqline.services.address import check_store
    from seqline_plugins.errors import ServiceError

    kind, _, path = uri.partition(":///")
    if kind.startswith("sqlite") and not Path(path).is_file():
        found = f"{path or uri}: there is no such store, so no run yet"
        raise UserError(
            f"{found}; `seqline run` makes one, in .seqline/ of the folder it is started in or "
            "where SEQLINE_HOME says."
        )
    check_store(uri, f"--uri {uri}")
    try:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise ServiceError(f"{uri}: {str(error).splitlines()[0]}") from error
    return client


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot be written ({error.strerror}).") from error

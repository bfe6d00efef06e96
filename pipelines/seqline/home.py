"""Where seqline keeps its state: `.seqline/` in the working directory, or `SEQLINE_HOME`."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seqline.durable import write_whole
from seqline_plugins.errors import UserError

FORMAT = 1
"""The format of what stands in the home; a newer one is refused."""
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_CLI_COLORS": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""Set unless the user has set them.

Nothing is sent anywhere, nothing floods the terminal, a server that is away is given up in time.
"""

LEAST_FREE = 16 * 1024 * 1024
"""Bytes on the disk without which not even the databases of a run can be made."""
FULL_IN_WORDS = ("database or disk is full", "No space left on device")
"""How libraries say it that raise errors of their own: SQLite, safetensors."""
DISK_FULL = "the disk is full{place}; free some space and give the same command again."


@dataclass(frozen=True)
class Home:
    """The folder of state and its parts."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite tracking store."""
        return self.path / "mlflow.db"

    @property
    def tracking_uri(self) -> str:
        """The tracking store: `MLFLOW_TRACKING_URI` if set, else the home's database."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.database}"

    @property
    def tracking_name(self) -> str:
        """What tells one tracking store from another: "home" or its address."""
        uri = self.tracking_uri
        return "home" if uri == f"sqlite:///{self.database}" else uri

    @property
    def artifacts(self) -> Path:
        """The tracking store's files."""
        return self.path / "artifacts"

    @property
    def stages(self) -> Path:
        """A folder for every finished stage, by digest."""
        return self.path / "stages"

    @property
    def checkpoints(self) -> Path:
        """A folder of checkpoints for every run whose training is not finished."""
        return self.path / "checkpoints"

    @property
    def runs(self) -> Path:
        """A folder for every run, with its record."""
        return self.path / "runs"

    @property
    def sweeps(self) -> Path:
        """A folder for every sweep, with its record and its children's logs."""
        return self.path / "sweeps"

    @property
    def locks(self) -> Path:
        """Files that processes lock; the lock ends with its process."""
        return self.path / "locks"

    @property
    def prefect(self) -> Path:
        """Prefect's own home."""
        return self.path / "prefect"


def home_path() -> Path:
    """Return where the home is, whether or not it exists."""
    return Path(os.environ.get("SEQLINE_HOME") or ".seqline").expanduser().absolute()


def open_home() -> Home:
    """Return the home, made if it is not there.

    Raises `UserError` where it cannot be written to or a newer seqline has written, `OSError`
    where the disk is full.
    """
    path = home_path()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        refuse_full_disk(path)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise UserError(
            f"SEQLINE_HOME={path}: cannot be written to ({error.strerror or error}); choose "
            "another folder with SEQLINE_HOME=…"
        ) from error
    _check_format(path / "format.json")
    return Home(path)


def _check_format(mark: Path) -> None:
    """Raise `UserError` for a home in a format that is not ours; mark a new one as ours."""
    try:
        found = json.loads(mark.read_text(encoding="utf-8"))["format"]
    except FileNotFoundError:
        write_whole(mark, json.dumps({"format": FORMAT}) + "\n")
        return
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise UserError(f'{mark}: cannot be read ({error}); expected {{"format": 1}}.') from error
    if found != FORMAT:
        raise UserError(
            f"{mark}: found a home of format {found}, expected {FORMAT}; it was written by a newer "
            "seqline. Choose another folder with SEQLINE_HOME=…, or use that version."
        )


def refuse_full_disk(path: Path) -> None:
    """Raise `OSError` where the disk under a folder is full, or as good as full."""
    if shutil.disk_usage(path).free < LEAST_FREE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def is_disk_full(error: BaseException) -> bool:
    """Say whether an error, or what led to it, is that the disk is full."""
    return any(
        (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
        or any(words in str(cause) for words in FULL_IN_WORDS)
        for cause in chain(error)
    )


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what led to it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def quiet_environment() -> None:
    """Turn analytics and chatter off and put Prefect's home into ours, unless the user chose."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(home_path() / "prefect"))
    for name in ("alembic", "sqlalchemy.engine", "matplotlib", "fsspec"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)  # it logs a traceback and raises too

"""Where seqline keeps its state: `.seqline/` in the working directory, or `SEQLINE_HOME`."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from seqline_plugins.errors import UserError

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
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""Set unless the user has set them.

Nothing is sent anywhere, nothing floods the terminal, a server that is away is given up in time.
"""


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
    def artifacts(self) -> Path:
        """The tracking store's files."""
        return self.path / "artifacts"

    @property
    def stages(self) -> Path:
        """A folder for every finished stage, by digest."""
        return self.path / "stages"

    @property
    def checkpoints(self) -> Path:
        """A folder of checkpoints for every training under way."""
        return self.path / "checkpoints"

    @property
    def prefect(self) -> Path:
        """Prefect's own home."""
        return self.path / "prefect"


def home_path() -> Path:
    """Return where the home is, whether or not it exists."""
    return Path(os.environ.get("SEQLINE_HOME") or ".seqline").expanduser().absolute()


def open_home() -> Home:
    """Return the home, made if it is not there.

    Raises `UserError` where it cannot be written to, `OSError` where the disk is full.
    """
    path = home_path()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise UserError(
            f"SEQLINE_HOME={path}: cannot be written to ({error.strerror or error}); choose "
            "another folder with SEQLINE_HOME=…"
        ) from error
    return Home(path)


def quiet_environment() -> None:
    """Turn analytics and chatter off and put Prefect's home into ours, unless the user chose."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(home_path() / "prefect"))
    for name in ("alembic", "mlflow", "sqlalchemy.engine", "matplotlib", "fsspec"):
        logging.getLogger(name).setLevel(logging.ERROR)

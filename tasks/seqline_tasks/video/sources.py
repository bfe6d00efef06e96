"""Where clips come from: moving digits, files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seqline_plugins.task.source import DataSource, Example
from seqline_tasks.clip_source import ClipSource
from seqline_tasks.data.digits import version_of_digits
from seqline_tasks.video.moving_digits import moving_digits


class VideoSource(ClipSource):
    """Pictures in a row, or key points; built in are moving digits."""

    @property
    def numbers(self) -> tuple[int, str]:
        """The coordinates of a frame."""
        return self.config.coordinates, "task.coordinates"

    def builtin(self, data: DataSource) -> Mapping[str, Sequence[Example]]:
        """Return moving digits."""
        return moving_digits(self.config.train, self.config.others, data.seed)

    def builtin_versions(self) -> dict[str, str]:
        """Return scikit-learn's version."""
        return version_of_digits()

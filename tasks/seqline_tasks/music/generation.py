"""Music made from a first chord: what stands before it, when it ends, the files it is written to.

Letters: R pieces side by side, n frames, K keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from seqline_plugins.errors import UserError
from seqline_plugins.task.generation import Generation, Opening
from seqline_tasks.music.baseline import roll_of
from seqline_tasks.music.encoding import MusicEncoding
from seqline_tasks.music.midi import midi_of
from seqline_tasks.music.musicxml import musicxml_of
from seqline_tasks.music.notes import KEYS, Frame, frames_of, notes_of, read_frames, spelled_frames
from seqline_tasks.music.pictures import draw_rolls
from seqline_tasks.music.sources import read_score


class MusicGeneration(Generation):
    """Goes on from a chord, or from the frames of a file; written as MIDI, MusicXML and picture."""

    encoding: MusicEncoding

    @property
    def length(self) -> int:
        """Twice the frames of a training piece; most end before by themselves."""
        return 2 * self.encoding.length

    def opening(self, given: str | None) -> Opening:
        """Return the frames that stand first: the commonest first chord if none are given.

        `given` is a chord, "C3 G3 E4 C5", some of them, "C3 E4 | D3 F4", or a MIDI or MusicXML
        file that is gone on from.
        """
        frames = [self.encoding.opening] if given is None else self._frames(given)
        roll = torch.from_numpy(roll_of(frames)).float()
        batch = {
            "frames": roll.unsqueeze(0),
            "lengths": torch.tensor([len(frames)]),
        }
        written = torch.cat([roll, torch.zeros(len(roll), 1)], dim=1)
        return Opening(written, batch, shown=len(frames))

    def ended(self, sample: Tensor) -> Bool[Tensor, "R"]:
        """Say which rows have drawn that there is no next frame."""
        return sample[:, KEYS] > 0.5

    def text(self, samples: Tensor) -> str:
        """Return the frames' keys by name, "C4 E4 G4 | C4 F4 A4"."""
        return spelled_frames(frames_in(samples))

    def write(self, samples: Tensor, stem: Path) -> list[Path]:
        """Write `.mid`, `.musicxml` and a picture of the piano roll."""
        frames, grid = frames_in(samples), self.encoding.frames_per_quarter
        midi, score, picture = (
            stem.with_name(f"{stem.name}{suffix}") for suffix in (".mid", ".musicxml", ".png")
        )
        midi.write_bytes(midi_of(notes_of(frames, grid)))
        score.write_text(musicxml_of(frames, grid, stem.name), encoding="utf-8")
        draw_rolls({stem.name: samples[:, :KEYS].cpu().numpy()}, grid, picture)
        return [midi, score, picture]

    def pictures(self, sequences: Sequence[Tensor], folder: Path) -> list[Path]:
        """Draw the first pieces' piano rolls below each other."""
        path = folder / "generated.png"
        rolls = {
            f"generated {number}": one[:, :KEYS].cpu().numpy()
            for number, one in enumerate(sequences[:4], start=1)
        }
        if not rolls:
            return []
        draw_rolls(rolls, self.encoding.frames_per_quarter, path)
        return [path]

    def _frames(self, given: str) -> list[Frame]:
        path = Path(given)
        if path.is_file():
            score = read_score(path, "--from")
            frames = frames_of(score, self.encoding.frames_per_quarter, self.config.to_c)
        else:
            try:
                frames = read_frames(given)
            except ValueError as error:
                raise UserError(
                    f"--from '{given}': {error}; expected a chord, as in 'C3 G3 E4 C5', some of "
                    "them with | between, or a MIDI or MusicXML file."
                ) from error
        if not any(frames):
            raise UserError(f"--from '{given}': nothing sounds in it.")
        return frames


def frames_in(samples: Tensor) -> list[Frame]:
    """Return the keys that sound in samples (n, K + 1), frame by frame."""
    return [keys.nonzero().flatten().tolist() for keys in samples[:, :KEYS] > 0.5]

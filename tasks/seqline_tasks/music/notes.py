"""Notes in time and frames of keys: what every format of music is turned into and made from.

A frame is what sounds at one moment, key numbers from 0 (A0) to 87 (C8), the lowest first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

KEYS = 88
LOWEST = 21
"""MIDI's number of a piano's lowest key, A0."""
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NAME = re.compile(r"([A-Ga-g])(#{0,2}|b{0,2})(-?\d)")
_EPS = 1e-6

Frame = list[int]


@dataclass(frozen=True)
class Note:
    """A sounding key: start and end in quarter notes, MIDI's number of its pitch (60 is C4)."""

    start: float
    end: float
    pitch: int


@dataclass(frozen=True)
class Score:
    """A piece: its notes, and the sharps (flats below 0) of its key signature if it has one."""

    notes: list[Note]
    sharps: int | None = None


def frames_of(score: Score, per_quarter: int, to_c: bool) -> list[Frame]:
    """Return what sounds at every moment of a grid of `per_quarter` frames a quarter note.

    It begins with the first note and ends with the last. `to_c` moves a piece with a key signature
    to the one without sharps and flats, by at most half an octave. Keys that no piano has are left
    out.
    """
    shift = _to_c(score.sharps) if to_c and score.sharps is not None else 0
    spans = []
    for note in score.notes:
        key = note.pitch + shift - LOWEST
        first, end = (math.ceil(at * per_quarter - _EPS) for at in (note.start, note.end))
        if 0 <= key < KEYS and end > first:
            spans.append((first, end, key))
    if not spans:
        return []
    begin = min(first for first, _, _ in spans)
    frames: list[set[int]] = [set() for _ in range(max(end for _, end, _ in spans) - begin)]
    for first, end, key in spans:
        for t in range(first - begin, end - begin):
            frames[t].add(key)
    return [sorted(frame) for frame in frames]


def notes_of(frames: Sequence[Frame], per_quarter: int) -> list[Note]:
    """Return the notes of frames; a key that stays on is held, not struck again."""
    notes: list[Note] = []
    since: dict[int, int] = {}
    for t, frame in enumerate([*frames, []]):
        for key in [key for key in since if key not in frame]:
            first = since.pop(key)
            notes.append(Note(first / per_quarter, t / per_quarter, key + LOWEST))
        for key in frame:
            since.setdefault(key, t)
    return sorted(notes, key=lambda note: (note.start, note.pitch))


def spelled_frames(frames: Sequence[Frame]) -> str:
    """Return frames as text, "C4 E4 G4 | C4 F4 A4", a silent one as "-"."""
    return " | ".join(spelled(frame) for frame in frames)


def spelled(frame: Frame) -> str:
    """Return the names of a frame's keys: "C4 E4 G4", "-" if it is silent."""
    return " ".join(name_of(key) for key in frame) or "-"


def name_of(key: int) -> str:
    """Return a key's name with its octave: C4 is the middle C."""
    octave, step = divmod(key + LOWEST, 12)
    return f"{NAMES[step]}{octave - 1}"


def read_frames(text: str) -> list[Frame]:
    """Read what `spelled_frames` writes; flats are read too.

    Raises `ValueError` that names what is no piano's key.
    """
    return [read_frame(part) for part in text.split("|")]


def read_frame(text: str) -> Frame:
    """Read one frame, "C4 Eb4 G4" or "-"."""
    words = text.replace(",", " ").split()
    return sorted({_key(word) for word in words if word != "-"})


def _key(word: str) -> int:
    match = _NAME.fullmatch(word)
    if match is None:
        raise ValueError(f"'{word}' is no key's name")
    letter, signs, octave = match.groups()
    pitch = NAMES.index(letter.upper()) + signs.count("#") - signs.count("b")
    key = pitch + 12 * (int(octave) + 1) - LOWEST
    if not 0 <= key < KEYS:
        raise ValueError(f"'{word}' is on no piano (A0 to C8)")
    return key


def _to_c(sharps: int) -> int:
    """Return the semitones that lead a key of so many sharps to C, −6 to 5."""
    return (-7 * sharps + 6) % 12 - 6

"""Standard MIDI files: the notes in one, and one with given notes (the format of 1996).

Only what a score needs is read: which key, from when to when, the key signature. Tempo, loudness,
instruments and drums are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqline_plugins.errors import UserError
from seqline_tasks.music.notes import Note, Score

DRUMS = 9
TICKS = 480
"""Of a quarter note, in files that are written."""
TEMPO = 600_000
"""Microseconds of a quarter note, in files that are written."""
LOUD = 80
_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}


def read_midi(path: Path) -> Score:
    """Return a file's notes; raises `UserError` for one that is no MIDI file or has no notes."""
    content = path.read_bytes()
    try:
        ticks, tracks = _tracks(content)
        notes: list[Note] = []
        sharps: int | None = None
        for track in tracks:
            found, key = _notes_of_track(track, ticks)
            notes += found
            sharps = key if sharps is None else sharps
    except (IndexError, ValueError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is cut short"
        raise UserError(f"{path}: cannot be read as a MIDI file ({why}).") from error
    if not notes:
        raise UserError(
            f"{path}: found no notes in {len(tracks)} tracks (drums are not read), expected a MIDI "
            "file with notes."
        )
    return Score(sorted(notes, key=lambda note: (note.start, note.pitch)), sharps)


def midi_of(notes: Sequence[Note]) -> bytes:
    """Return a MIDI file of one track with these notes."""
    events = [(note.start, 1, note.pitch) for note in notes]
    events += [(note.end, 0, note.pitch) for note in notes]
    track = bytearray(b"\x00\xff\x51\x03" + TEMPO.to_bytes(3, "big"))
    now = 0
    for at, on, pitch in sorted(events):
        tick = round(at * TICKS)
        track += _variable(tick - now) + bytes([0x90 if on else 0x80, pitch, LOUD if on else 0])
        now = tick
    track += b"\x00\xff\x2f\x00"
    header = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x00\x00\x01" + TICKS.to_bytes(2, "big")
    return bytes(header + b"MTrk" + len(track).to_bytes(4, "big") + track)


def _tracks(content: bytes) -> tuple[int, list[bytes]]:
    if content[:4] != b"MThd":
        raise ValueError(f"it begins with {content[:4]!r}, expected b'MThd'")
    division = int.from_bytes(content[12:14], "big")
    if not division or division & 0x8000:
        raise ValueError("its time is not in parts of a quarter note")
    at, tracks = 8 + int.from_bytes(content[4:8], "big"), []
    while at + 8 <= len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "big")
        if at + 8 + size > len(content):
            raise IndexError
        if content[at : at + 4] == b"MTrk":
            tracks.append(content[at + 8 : at + 8 + size])
        at += 8 + size
    return division, tracks


def _notes_of_track(track: bytes, ticks: int) -> tuple[list[Note], int | None]:
    since: dict[tuple[int, int], list[int]] = {}
    notes: list[Note] = []
    sharps: int | None = None
    tick = 0
    for tick, status, data in _events(track):
        kind, channel = status >> 4, status & 15
        if status == 0xFF and data[0] == 0x59 and sharps is None:
            sharps = int.from_bytes(data[1:2], "big", signed=True)
        elif kind == 9 and data[1] and channel != DRUMS:
            since.setdefault((channel, data[0]), []).append(tick)
        elif kind in (8, 9) and since.get((channel, data[0])):
            start = since[channel, data[0]].pop(0)
            notes.append(Note(start / ticks, tick / ticks, data[0]))
    for (_, pitch), starts in since.items():  # never switched off: until the end
        notes += [Note(start / ticks, tick / ticks, pitch) for start in starts]
    return notes, sharps


def _events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (tick, status, data) of every event; of a meta event data begin with its kind."""
    at = tick = status = 0
    while at < len(track):
        delta, at = _number(track, at)
        tick += delta
        if track[at] & 0x80:
            status = track[at]
            at += 1
        if status == 0xFF:
            size, begin = _number(track, at + 1)
            yield tick, status, track[at : at + 1] + track[begin : begin + size]
            at = begin + size
        elif status in (0xF0, 0xF7):
            size, begin = _number(track, at)
            at = begin + size
        elif status >> 4 in _DATA_BYTES:
            size = _DATA_BYTES[status >> 4]
            if at + size > len(track):
                raise IndexError
            yield tick, status, track[at : at + size]
            at += size
        else:
            raise ValueError(f"found the byte 0x{track[at]:02x} where an event should begin")


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; return it and the place after it."""
    value = 0
    while True:
        byte = data[at]
        value, at = value << 7 | byte & 0x7F, at + 1
        if not byte & 0x80:
            return value, at


def _variable(value: int) -> bytes:
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))

"""MusicXML: the notes in a score, and a score of given frames (version 4.0, partwise).

Each bar is read once, in the order in which it is written: repeats are not followed.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from seqline_plugins.errors import UserError
from seqline_tasks.music.notes import LOWEST, NAMES, Frame, Note, Score

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
MIDDLE = 60 - LOWEST
BAR = 4
"""Quarter notes in a bar that is written."""
TYPES = {4.0: "whole", 2.0: "half", 1.0: "quarter", 0.5: "eighth", 0.25: "16th", 0.125: "32nd"}


def read_musicxml(path: Path) -> Score:
    """Return a score's notes, from `.mxl` or plain XML.

    Raises `UserError` for one that cannot be read or has no notes.
    """
    try:
        root = ElementTree.fromstring(_text(path))
    except (ElementTree.ParseError, zipfile.BadZipFile, KeyError, StopIteration) as error:
        raise UserError(f"{path}: cannot be read as MusicXML ({error}).") from error
    if root.tag != "score-partwise":
        raise UserError(f"{path}: found <{root.tag}>, expected MusicXML's <score-partwise>.")
    try:
        notes = [note for part in root.iter("part") for note in _notes_of_part(part)]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise UserError(f"{path}: a note in it cannot be read ({error!r}).") from error
    if not notes:
        raise UserError(f"{path}: found no notes, expected a score with notes.")
    sharps = root.findtext(".//key/fifths")
    return Score(
        sorted(notes, key=lambda note: (note.start, note.pitch)), int(sharps) if sharps else None
    )


def musicxml_of(frames: Sequence[Frame], per_quarter: int, title: str) -> str:
    """Return a score of two staves with what sounds in each frame, tied where keys stay on."""
    root = ElementTree.Element("score-partwise", version="4.0")
    ElementTree.SubElement(ElementTree.SubElement(root, "work"), "work-title").text = title
    parts = ElementTree.SubElement(root, "part-list")
    for number, (name, sign, line) in enumerate((("Upper", "G", "2"), ("Lower", "F", "4"))):
        listed = ElementTree.SubElement(parts, "score-part", id=f"P{number + 1}")
        ElementTree.SubElement(listed, "part-name").text = name
        high = number == 0
        own = [[key for key in frame if (key >= MIDDLE) == high] for frame in frames]
        part = ElementTree.SubElement(root, "part", id=f"P{number + 1}")
        _write_part(part, own, per_quarter, (sign, line))
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _text(path: Path) -> bytes:
    if path.suffix != ".mxl":
        return path.read_bytes()
    with zipfile.ZipFile(path) as packed:
        container = ElementTree.fromstring(packed.read("META-INF/container.xml"))
        files = (one for one in container.iter() if one.tag.endswith("rootfile"))
        return packed.read(next(files).get("full-path", ""))


def _notes_of_part(part: ElementTree.Element) -> Iterator[Note]:
    now = divisions = 0.0
    before = 0.0  # where the newest note began: a chord's other notes begin there too
    divisions, shift = 1.0, 0
    held: dict[int, float] = {}
    for item in (item for measure in part.iter("measure") for item in measure):
        size = float(item.findtext("duration", "0")) / divisions
        if item.tag == "attributes":
            divisions = float(item.findtext("divisions", str(divisions)))
            shift = int(item.findtext("transpose/chromatic", str(shift)))
            shift += 12 * int(item.findtext("transpose/octave-change", "0"))
        elif item.tag in ("backup", "forward"):
            now += -size if item.tag == "backup" else size
        elif item.tag == "note" and item.find("grace") is None:
            if item.find("chord") is None:
                before, now = now, now + size
            pitch = _pitch(item)
            if pitch is None:
                continue
            ties = {tie.get("type") for tie in item.findall("tie")}
            start = held.pop(pitch, before) if "stop" in ties else before
            if "start" in ties:
                held[pitch] = start
            else:
                yield Note(start, before + size, pitch + shift)
    for pitch, start in held.items():  # tied to nothing
        yield Note(start, now, pitch + shift)


def _pitch(note: ElementTree.Element) -> int | None:
    """Return the MIDI number of a note, None for a rest and for what has no pitch."""
    step = note.findtext("pitch/step")
    if step is None:
        return None
    octave = int(note.findtext("pitch/octave", "4"))
    return STEPS[step] + round(float(note.findtext("pitch/alter", "0"))) + 12 * (octave + 1)


def _write_part(
    part: ElementTree.Element, frames: Sequence[Frame], per_quarter: int, clef: tuple[str, str]
) -> None:
    bar = BAR * per_quarter
    for number, start in enumerate(range(0, len(frames), bar), start=1):
        measure = ElementTree.SubElement(part, "measure", number=str(number))
        if number == 1:
            _write_attributes(measure, per_quarter, clef)
        at, end = start, min(start + bar, len(frames))
        while at < end:
            same = next((t for t in range(at, end) if frames[t] != frames[at]), end)
            size = next(n for n in (bar, bar // 2, *_halves(per_quarter), 1) if 0 < n <= same - at)
            before = frames[at - 1] if at else []
            after = frames[at + size] if at + size < len(frames) else []
            _write_chord(measure, frames[at], size, per_quarter, (before, after))
            at += size


def _halves(per_quarter: int) -> Iterator[int]:
    while per_quarter > 1:
        yield per_quarter
        if per_quarter % 2:
            return
        per_quarter //= 2


def _write_attributes(
    measure: ElementTree.Element, per_quarter: int, clef: tuple[str, str]
) -> None:
    attributes = ElementTree.SubElement(measure, "attributes")
    ElementTree.SubElement(attributes, "divisions").text = str(per_quarter)
    time = ElementTree.SubElement(attributes, "time")
    ElementTree.SubElement(time, "beats").text = str(BAR)
    ElementTree.SubElement(time, "beat-type").text = "4"
    written = ElementTree.SubElement(attributes, "clef")
    ElementTree.SubElement(written, "sign").text, ElementTree.SubElement(written, "line").text = (
        clef
    )


def _write_chord(
    measure: ElementTree.Element,
    keys: Frame,
    size: int,
    per_quarter: int,
    beside: tuple[Frame, Frame],
) -> None:
    """Write one chord, or a rest; `beside` is what sounds right before and after it."""
    kind = TYPES.get(size / per_quarter)
    for place, key in enumerate(keys or [None]):
        note = ElementTree.SubElement(measure, "note")
        if place:
            ElementTree.SubElement(note, "chord")
        ties = []
        if key is None:
            ElementTree.SubElement(note, "rest")
        else:
            octave, step = divmod(key + LOWEST, 12)
            pitch = ElementTree.SubElement(note, "pitch")
            ElementTree.SubElement(pitch, "step").text = NAMES[step][0]
            if len(NAMES[step]) > 1:
                ElementTree.SubElement(pitch, "alter").text = "1"
            ElementTree.SubElement(pitch, "octave").text = str(octave - 1)
            ties = [
                name for name, other in zip(("stop", "start"), beside, strict=True) if key in other
            ]
        ElementTree.SubElement(note, "duration").text = str(size)
        for name in ties:
            ElementTree.SubElement(note, "tie", type=name)
        if kind:
            ElementTree.SubElement(note, "type").text = kind
        if ties:
            notations = ElementTree.SubElement(note, "notations")
            for name in ties:
                ElementTree.SubElement(notations, "tied", type=name)

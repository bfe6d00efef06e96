"""Music read and written: MIDI, MusicXML, piano rolls; wrong files are named."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from seqline_plugins.errors import UserError
from seqline_plugins.task.source import DataSource
from seqline_tasks.data.arrays import read_arrays, write_arrays
from seqline_tasks.music.config import Config
from seqline_tasks.music.midi import midi_of, read_midi
from seqline_tasks.music.musicxml import musicxml_of, read_musicxml
from seqline_tasks.music.notes import (
    Note,
    Score,
    frames_of,
    notes_of,
    read_frames,
    spelled_frames,
)
from seqline_tasks.music.sources import MusicSource

FRAMES = read_frames("C4 E4 G4 | C4 E4 G4 | C4 F4 A4 | - | B3 D4 G4 | C2 C4 E4 G4")

SCORE = """<?xml version="1.0"?>
<score-partwise><part-list/><part id="P1"><measure number="1">
<attributes><divisions>2</divisions><key><fifths>1</fifths></key></attributes>
<note><pitch><step>G</step><octave>4</octave></pitch><duration>4</duration>
<tie type="start"/></note>
<note><chord/><pitch><step>B</step><octave>4</octave></pitch><duration>4</duration></note>
<backup><duration>2</duration></backup>
<note><pitch><step>F</step><alter>1</alter><octave>3</octave></pitch><duration>2</duration></note>
<note><grace/><pitch><step>C</step><octave>5</octave></pitch></note>
</measure><measure number="2">
<note><pitch><step>G</step><octave>4</octave></pitch><duration>2</duration><tie type="stop"/></note>
<note><rest/><duration>2</duration></note>
<note><pitch><step>D</step><octave>5</octave></pitch><duration>2</duration></note>
</measure></part></score-partwise>"""


def source(**options: Any) -> MusicSource:
    return MusicSource(Config(frames_per_quarter=1, **options))


def files(**given: Any) -> DataSource:
    return DataSource(source="files", **given)


def test_frames_are_spelled_and_read_again() -> None:
    assert FRAMES[0] == [39, 43, 46]
    assert read_frames(spelled_frames(FRAMES)) == FRAMES
    assert read_frames("Eb4 A0 C8")[0] == [0, 42, 87]
    for wrong in ("H4", "C", "C9", "G#0"):
        with pytest.raises(ValueError, match=wrong):
            read_frames(f"C4 {wrong}")


def test_notes_and_frames_lead_to_each_other() -> None:
    notes = notes_of(FRAMES, 2)
    assert Note(0.0, 1.5, 60) in notes and Note(0.0, 1.0, 64) in notes
    assert frames_of(Score(notes), 2, to_c=True) == FRAMES


def test_a_score_with_a_key_signature_is_moved_to_the_one_without() -> None:
    one = [Note(0, 1, 67)]
    moved = {k: frames_of(Score(one, k), 1, True)[0][0] + 21 for k in (-5, -1, 0, 1, 2, 6, 7)}
    assert moved == {-5: 66, -1: 62, 0: 67, 1: 72, 2: 65, 6: 61, 7: 66}
    assert frames_of(Score(one, 2), 1, False)[0][0] + 21 == 67


def test_midi_that_is_written_is_read_again_and_by_music21(tmp_path: Path) -> None:
    notes = notes_of(FRAMES, 2)
    path = tmp_path / "piece.mid"
    path.write_bytes(midi_of(notes))
    assert read_midi(path).notes == notes
    midi = pytest.importorskip("music21.midi").MidiFile()
    midi.readstr(path.read_bytes())
    ons = [e for e in midi.tracks[0].events if e.isNoteOn() and e.velocity]
    assert sorted(e.pitch for e in ons) == sorted(note.pitch for note in notes)


def test_midi_with_running_status_drums_and_a_key_is_read(tmp_path: Path) -> None:
    track = (
        b"\x00\xff\x59\x02\x02\x00"  # two sharps
        b"\x00\xf0\x02\x01\xf7"  # a message for one maker's machines
        b"\x00\xc0\x13\x00\xe0\x00\x40"  # an organ, its pitch not bent
        b"\x00\x90\x3c\x40\x00\x40\x40"  # two notes on, the second by running status
        b"\x00\x99\x24\x40"  # a drum
        b"\x60\x90\x3c\x00\x60\x80\x40\x00"  # one off by loudness 0, one by an event
        b"\x00\xff\x2f\x00"
    )
    head = b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60"
    path = tmp_path / "piece.mid"
    path.write_bytes(head + b"MTrk" + len(track).to_bytes(4, "big") + track)
    score = read_midi(path)
    assert score.notes == [Note(0.0, 1.0, 60), Note(0.0, 2.0, 64)]
    assert score.sharps == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (midi_of([]), "found no notes in 1 tracks"),
        (midi_of([Note(0, 1, 60)])[:-9], "cut short"),
        (b"RIFF....", "expected b'MThd'"),
        (b"", "expected b'MThd'"),
    ],
)
def test_a_midi_file_without_notes_or_that_is_none_is_named(
    content: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "piece.mid"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as raised:
        read_midi(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_score_is_read_with_chords_ties_and_voices(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("piece.mxl" if packed else "piece.musicxml")
    if packed:
        with zipfile.ZipFile(path, "w") as to:
            container = (
                '<container><rootfiles><rootfile full-path="s.xml"/></rootfiles></container>'
            )
            to.writestr("META-INF/container.xml", container)
            to.writestr("s.xml", SCORE)
    else:
        path.write_text(SCORE)
    score = read_musicxml(path)
    assert score.sharps == 1
    assert score.notes == [
        Note(0.0, 3.0, 67),
        Note(0.0, 2.0, 71),
        Note(1.0, 2.0, 54),
        Note(4.0, 5.0, 74),
    ]


@pytest.mark.parametrize("grid", [1, 2, 3, 4])
def test_a_score_that_is_written_is_read_again_and_by_music21(grid: int, tmp_path: Path) -> None:
    frames = [*FRAMES * 5, FRAMES[0]]
    path = tmp_path / "piece.musicxml"
    path.write_text(musicxml_of(frames, grid, "A piece"))
    assert frames_of(read_musicxml(path), grid, to_c=True) == frames
    if grid == 2:
        converter = pytest.importorskip("music21.converter")
        score = converter.parse(path)
        assert score.highestTime == len(frames) / grid
        sounding = {(p.midi, float(n.offset)) for n in score.flatten().notes for p in n.pitches}
        assert (60, 0.0) in sounding and (36, 2.5) in sounding


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<score-partwise/>", "found no notes"),
        ("<html/>", "found <html>"),
        ("C4 E4", "cannot be read as MusicXML"),
    ],
)
def test_a_score_without_notes_or_that_is_none_is_named(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "piece.xml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as raised:
        read_musicxml(path)
    assert str(path) in str(raised.value)


def rolls(*lengths: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [(draw.random((length, 88)) < 0.05).astype(np.uint8) for length in lengths]


def test_one_file_of_matlab_has_all_three_splits(tmp_path: Path) -> None:
    path = tmp_path / "rolls.mat"
    names = {"traindata": rolls(4, 7), "validdata": rolls(5), "testdata": rolls(3, 2, 1)}
    cells = {}
    for name, many in names.items():
        cells[name] = np.empty((1, len(many)), dtype=object)
        cells[name][0, :] = many
    scipy.io.savemat(path, cells)
    made = source()
    read = made.read(files(file=str(path)))
    assert {name: len(pieces) for name, pieces in read.items()} == {
        "train": 2,
        "validation": 1,
        "test": 2,
    }
    assert read["train"][1]["frames"] == [np.flatnonzero(f).tolist() for f in names["traindata"][1]]
    assert "1 pieces of test have one frame" in made.warnings(read)[0]


def test_plain_arrays_are_read_by_split_or_dealt(tmp_path: Path) -> None:
    path = tmp_path / "rolls.npz"
    write_arrays(path, {"train": rolls(4, 7), "test": rolls(5)})
    read = source().read(files(file=str(path)))
    assert [len(read[name]) for name in ("train", "validation", "test")] == [1, 1, 1]
    np.savez(path, **{f"piece{n}": roll for n, roll in enumerate(rolls(3, 4, 5))})
    read = source().read(files(file=str(path), split=[1, 1, 1]))
    assert [len(read[name][0]["frames"]) for name in ("train", "validation", "test")] == [3, 4, 5]


def test_pickled_arrays_are_refused_and_nothing_in_them_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "rolls.npz"
    trap = np.empty(1, dtype=object)
    trap[0] = Trap()
    np.savez(path, train=trap)
    with pytest.raises(UserError, match=r"'train' holds pickled objects.*plain arrays"):
        source().read(files(file=str(path)))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros((3, 87))}, "expected \\(frames, 88\\)"),
        ({"a": np.full((3, 88), 64)}, "other values than 0 and 1"),
        ({"a": np.zeros((3, 88)), "a_offsets": np.array([0, 2])}, "rise from 0 to 3"),
        ({"a": np.zeros((3, 88)), "a_offsets": np.array([0, 2, 1, 3])}, "rise from 0 to 3"),
        ({"a": np.zeros((1, 88))}, "no piece has two frames"),
    ],
)
def test_arrays_that_are_no_rolls_are_named(
    arrays: dict[str, np.ndarray], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "rolls.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=said):
        source().read(files(file=str(path)))


@pytest.mark.parametrize("suffix", [".mat", ".npz"])
def test_files_that_are_no_arrays_are_named(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rolls{suffix}"
    path.write_bytes(b"hello" * 40)
    with pytest.raises(UserError, match=f"cannot be read as a {suffix} file"):
        source().read(files(file=str(path)))


def test_scores_and_midi_are_read_by_their_suffix(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.mid").write_bytes(midi_of(notes_of(FRAMES, 1)))
    (tmp_path / "4.musicxml").write_text(musicxml_of(FRAMES[:3], 1, ""))
    given = files(train=str(tmp_path / "*.mid"), test=str(tmp_path / "4.musicxml"))
    read = source().read(given)
    assert read["train"][0] == {"name": "0", "frames": FRAMES}
    assert read["test"][0]["frames"] == FRAMES[:3]
    (tmp_path / "notes.txt").write_text("C4")
    with pytest.raises(UserError, match=r"found \.txt, expected .*\.mid"):
        source().read(files(file=str(tmp_path / "notes.txt")))


def test_arrays_are_written_and_read_again(tmp_path: Path) -> None:
    path, many = tmp_path / "rolls.npz", rolls(3, 1, 4)
    write_arrays(path, {"train": many})
    for found, wanted in zip(read_arrays(path, "")["train"], many, strict=True):
        assert np.array_equal(found, wanted)

"""Whether a text is C: what a parser accepts, brackets that match.

A text is cut off where its length ends, so only its whole pieces are judged: the functions and
declarations at the outermost level.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

OPEN = {"(": ")", "[": "]", "{": "}"}
_QUOTED = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)
_LINE_OF_CPP = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", re.MULTILINE)
_MARKED = re.compile(r"\b__\w+\b(?!\s*\()|\b[A-Z][A-Z0-9_]{3,}\b(?=\s+[A-Za-z_])")
"""Words that a compiler knows by a macro or as its own: `__init`, `NPY_NO_EXPORT int`."""
_WRAPPED = re.compile(
    r"^((?:\w+\s+)*?)[A-Za-z_]\w*\(([\w\s*]+)\)(?=\s+\*?\w+\s*[(;\[])", re.MULTILINE
)
"""A type within a macro: `PyAPI_FUNC(int) name(`."""
_BEFORE_TYPE = r"(?:\b(?:const|static|inline|extern|volatile|register|typedef|sizeof)\b|[;{}(,]|^)"
_TYPE = re.compile(
    rf"{_BEFORE_TYPE}\s*\(?\s*([A-Za-z_]\w*)(?=\s*\*+\s*[\w,)]|\s*\*+\s*const\b|\s+[A-Za-z_]|\s*\)\s*[\w(&*])",
    re.MULTILINE,
)
_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int
long register restrict return short signed sizeof static struct switch typedef union unsigned void
volatile while _Bool
"""


def shares_of_c(texts: Sequence[str]) -> dict[str, float]:
    """Return `parsed` and `balanced`: the share of pieces a C parser takes, of matched brackets."""
    pieces = [piece for text in texts for piece in outermost(text)]
    if not pieces:
        return {"parsed": 0.0, "balanced": 0.0}
    return {
        "parsed": sum(map(is_parsed, pieces)) / len(pieces),
        "balanced": sum(map(is_balanced, pieces)) / len(pieces),
    }


def outermost(code: str) -> list[str]:
    """Return the functions and declarations of a text that are whole, comments taken out.

    One ends at a line that begins with a closing brace, or with a semicolon at the outermost
    level; what stands before the first line that begins at the margin is the end of another.
    """
    plain = _LINE_OF_CPP.sub("", _QUOTED.sub(_blank, code))
    pieces: list[str] = []
    lines: list[str] = []
    for line in plain.splitlines(keepends=True):
        if not lines and not (line[:1].isalpha() or line[:1] == "_"):
            continue
        lines.append(line)
        margin = not line[:1].isspace()
        if line.startswith("}") or (margin and line.rstrip().endswith(";")):
            pieces.append("".join(lines))
            lines = []
    return pieces


def _blank(found: re.Match[str]) -> str:
    """Return a string or a character with nothing in it, no comment at all."""
    text = found.group()
    return {'"': '""', "'": "'0'"}.get(text[0], " ")


def is_balanced(code: str) -> bool:
    """Say whether every bracket is closed by its own kind."""
    waiting: list[str] = []
    for char in code:
        if char in OPEN:
            waiting.append(OPEN[char])
        elif char in OPEN.values() and (not waiting or waiting.pop() != char):
            return False
    return not waiting


def is_parsed(code: str) -> bool:
    """Say whether pycparser accepts a piece.

    Declarations that a header would bring are made up: whatever stands where a type must stand is
    taken for one, and words that only macros explain are taken out.
    """
    from pycparser import CParser
    from pycparser.c_parser import ParseError

    plain = _WRAPPED.sub(r"\1\2", _MARKED.sub("", code))
    names = sorted(set(_TYPE.findall(plain)) - set(_KEYWORDS.split()))
    known = "".join(f"typedef int {name};\n" for name in names)
    try:
        CParser().parse(known + plain)
    except (ParseError, RecursionError):
        return False
    return True

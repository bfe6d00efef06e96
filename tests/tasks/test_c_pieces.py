"""Is it C?"""

from __future__ import annotations

from seqline_tasks.c_code.pieces import is_balanced, is_parsed, outermost, shares_of_c

CODE = """ tail of a function;
}
#define MAX(a, b) \\
    ((a) > (b))
/* a comment with { */
static int __init add(struct pair *p, size_t n)
{
\tu32 x = sizeof(*p); // }
\tfor (int i = 0; i < n; i++) {
\t\tx += p->values[i];
\t}
\treturn (int)x + '{';
}
extern PyAPI_FUNC(int) PyList_Append(PyObject *list, PyObject *item);
static int broken(int a)
{
\treturn a +;
}
static void unclosed(void)
{
\tif (a) {
}
int cut(
"""


def test_whole_pieces_are_found_without_comments() -> None:
    pieces = outermost(CODE)
    assert [piece.split("(")[0] for piece in pieces] == [
        "static int __init add",
        "extern PyAPI_FUNC",
        "static int broken",
        "static void unclosed",
    ]
    assert [is_parsed(piece) for piece in pieces] == [True, True, False, False]
    assert [is_balanced(piece) for piece in pieces] == [True, True, True, False]


def test_shares_are_of_all_texts_together() -> None:
    assert shares_of_c([CODE, "int x;\n"]) == {"parsed": 3 / 5, "balanced": 4 / 5}
    assert shares_of_c(["nothing whole"]) == {"parsed": 0.0, "balanced": 0.0}


def test_brackets_match_by_kind() -> None:
    assert is_balanced("f(a[1]) { }")
    assert not is_balanced("f(a[1)]")
    assert not is_balanced("}")

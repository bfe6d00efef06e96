"""The C++ that stands around a cell's own values, and the words that it takes."""

from __future__ import annotations

import re

from seqline_plugins.recurrence.generated.graph import OF_NUMBERS, POINTWISE

HEADER = """// Generated from the equations of a cell; the names are the cell's own.
//   x_… W_F x + b of a gate   h_… W_R v of a gate   d_… a gradient
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("schedule-insns")  // long chains of functions side by side, not in turn
#endif
#include "vectors.h"
#include "step.h"
using namespace seqline;
#define AT(buffer, slot) ((buffer) + (slot) * s->padded)
#define ROW(buffer) ((buffer) + r * s->width)
#define KEPT(slot) (s->scratch + (slot) * s->scratch_size)
#define WIDE(gates) ((gates) * s->padded + 3 * VL)
#define GATE(buffer, of, gate) ((buffer) + r * WIDE(of) + (gate) * s->padded)
"""

FUNCTION = """
extern "C" void {name}_{number}(const Step* given) {{
    const Step step = *given, *const s = &step;  // a copy: no store can change it
    for (long r = 0; r < s->rows; r++) {{
        [[maybe_unused]] REAL* const slots = s->tape[r];
{passes}    }}
}}
"""
PASS = """        {{
{row}            const auto units = [&](const long j, [[maybe_unused]] auto left) INLINED {{
{units}            }};
            long j = 0;
            for (; j + VL <= s->hidden; j += VL) units(j, All());
            if (j < s->hidden) units(j, s->hidden - j);
{after}        }}
"""

AHEAD = re.compile(r"ahead\((.+), (s->next|-s->stride)\)")
"""A place in memory of which the next step's is to be brought nearer."""

KEYWORDS = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl const
constexpr continue decltype default delete do double else enum errno explicit export extern false
float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator
or or_eq private protected public register return short signed sizeof static struct switch template
this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile
wchar_t while xor xor_eq std seqline load store first total splat load_part store_part ahead
ahead_to_write sum slots v n kept saved
"""
_WRITTEN = " ".join([KEYWORDS, HEADER, FUNCTION, PASS, *POINTWISE.values(), *OF_NUMBERS.values()])
RESERVED = frozenset(re.findall(r"[a-z_]\w*", _WRITTEN))
"""Words that mean something in the source: a value of such a name gets a number."""

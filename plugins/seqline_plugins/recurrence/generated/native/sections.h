// Cells of which no unit knows of another one and nothing is kept: some units and rows at a time, through
// all of time.
//
// Without recurrent products such a layer has many units for its weights. A section's weights, their
// gradients and the gradients of its tokens, which no other section needs, stay in cache together.
#pragma once
#include <algorithm>
#include <vector>

#include "sizes.h"

namespace seqline {

// A call on some of the units and rows of another one.
struct Section {
    const Program& program;
    const Call& whole;
    Call call;
    std::vector<const REAL*> own, noise, initial, last_grad;
    std::vector<REAL*> own_grad, initial_grad, last;

    Section(const Program& program, const Call& whole) : program(program), whole(whole), call(whole) {}
    Section(const Section&) = delete;  // the call points into it

    void choose(long unit, long units, long row, long rows) {
        call = whole;
        call.H = units, call.B = rows;
        const long steps = row * whole.T, states = row * whole.all + unit;
        const auto move = [](auto*& place, long by) {
            if (place) place += by;
        };
        move(call.lengths, row), move(call.x, steps * whole.I), move(call.x_grad, steps * whole.I);
        move(call.output, steps * whole.all + unit), move(call.output_grad, steps * whole.all + unit);
        move(call.W_F, unit * whole.I), move(call.W_F_grad, unit * whole.I);
        move(call.bias, unit), move(call.bias_grad, unit);
        const auto move_all = [&](auto*& list, auto& moved, long count, long by) {
            if (!list) return;
            moved.assign(list, list + count);
            for (auto& place : moved) move(place, by);
            list = moved.data();
        };
        move_all(call.own, own, program.owns, unit);
        move_all(call.own_grad, own_grad, program.owns, unit);
        move_all(call.noise, noise, program.noises, steps * whole.all + unit);
        move_all(call.initial, initial, program.states, states);
        move_all(call.initial_grad, initial_grad, program.states, states);
        move_all(call.last, last, program.states, states);
        move_all(call.last_grad, last_grad, program.states, states);
    }
};

// How many units and rows a section has.
struct Sections {
    static constexpr long WEIGHTS = 256 * 1024, TOKENS = 384 * 1024;  // bytes, a thread's
    const Program& program;
    const Call& call;
    long units, rows;

    Sections(const Program& program, const Call& call)
        : program(program), call(call), units(units_of(program, call.I, call.H)), rows(call.B) {
        if (units == call.H) return;
        long tokens = call.B * call.T;  // without padding, of which nothing may depend on how much it is
        if (call.lengths) tokens = 0;
        for (long b = 0; call.lengths && b < call.B; b++) tokens += call.lengths[b];
        const long row = std::max(1L, tokens / std::max(1L, (long)call.B)) * stride(program, call.I, call.H);
        rows = call.threads * std::max(1L, TOKENS / (row * (long)sizeof(REAL)));
    }

    static long units_of(const Program& program, long I, long H) {
        if (!program.apart) return H;
        const long a_unit = rounded_up(I, PANEL) * program.gates * (long)sizeof(REAL);
        const long fitting = std::max(PANEL, WEIGHTS / a_unit);
        const long count = (H + fitting - 1) / fitting;
        return count < 3 ? H : std::min(H, rounded_up((H + count - 1) / count, PANEL));
    }
    // Numbers that a token takes on the tape, where each section begins anew.
    static long stride(const Program& program, long I, long H) {
        Call one{};
        one.H = units_of(program, I, H);
        return Sizes(one, program).stride;
    }

    // Calls `begin` with the units of each section, all rows, then `work` with each of its groups of rows.
    template <class Begin, class Work> void each(const Begin& begin, const Work& work) const {
        Section section(program, call), group(program, call);
        long unit = 0;
        do {
            const long here = std::min(units, (long)call.H - unit);
            section.choose(unit, here, 0, call.B);
            begin(section.call);
            long row = 0;
            do {
                const long count = std::min(rows, (long)call.B - row);
                group.choose(unit, here, row, count);
                group.call.adds = call.adds || row > 0;
                group.call.adds_to_x = call.adds_to_x || unit > 0;
                work(group.call);
                row += rows;
            } while (row < call.B);
            unit += units;
        } while (unit < call.H);
    }
};

}  // namespace seqline

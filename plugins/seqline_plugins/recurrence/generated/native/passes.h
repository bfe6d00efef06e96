// One thread's rows through all of time: the cell's passes and the products between them.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "buffers.h"
#include "rows.h"
#include "weights.h"

namespace seqline {

// Steps of fed-forward parts that are made at once: they should still be in cache when they are read.
static long chunk_of(const Program& program, const Sizes& sizes, long rows) {
    const long token = std::max(1L, program.gates) * sizes.padded * (long)sizeof(REAL);
    const long cached = 256 * 1024 / (std::max(1L, rows) * token);
    return std::max({1L, cached, gathered_of(program) / std::max(1L, rows)});
}

static void forward_part(const Program& program, const Call& call, const Sizes& sizes,
                         const Weights& weights, const std::vector<Row>& rows, const REAL* bias) {
    if (rows.empty()) return;
    const long n = (long)rows.size();
    const long chunk = std::min(chunk_of(program, sizes, n), call.stop - call.start);
    const long gathered = gathered_of(program), x_width = call.I + VL;
    const long next_x = call.reverse ? -call.I : call.I;
    const bool in_place = call.I * sizeof(REAL) % 1024;  // else inputs would share a few sets of the cache
    static thread_local Room room;
    const long kept = call.tape ? 0 : n * chunk * sizes.stride;
    const long cells_size = cells_room(program, call, sizes, std::max(n, gathered));
    room.reserve(room_needed(program, sizes, n, kept + gathered * x_width + cells_size));
    room.clear();
    Cell* const cells = room.take<Cell>(cells_size);
    Buffers buffers;
    lay_out(buffers, room, program, call, sizes, n, false);
    REAL* own_tape = kept ? room.take(kept) : nullptr;
    REAL* block_of_x = room.take(gathered * x_width);
    const auto slots_of = [&](long r, long t, long start) {
        return call.tape ? call.tape + (rows[r].token + t) * sizes.stride
                         : own_tape + (r * chunk + t - start) * sizes.stride;
    };
    for (long r = 0; r < n; r++)
        for (long s = 0; s < program.states; s++)
            if (call.initial[s])
                std::memcpy(buffers.before[s] + r * sizes.width, call.initial[s] + rows[r].b * call.all,
                            sizes.H * sizeof(REAL));
    const auto finish = [&](long r) {
        for (long s = 0; s < program.states; s++)
            std::memcpy(call.last[s] + rows[r].b * call.all, buffers.before[s] + r * sizes.width,
                        sizes.H * sizeof(REAL));
    };
    long active = n;
    while (active && rows[active - 1].length == 0) finish(--active);
    const Pass* passes = call.tape ? program.forward : program.infer;
    for (long start = 0; active; start += chunk) {
        // the gates' feed-forward parts of the chunk, W_F x + b
        REAL* places[GATHERED];
        long waiting = 0;
        const REAL* first_x = nullptr;  // of tokens that stand side by side, or null
        const auto flush = [&] {
            if (waiting)
                multiply(waiting, first_x ? first_x : block_of_x, first_x ? next_x : x_width,
                         weights.fed, places, false, bias ? Start::bias : Start::zero, cells, bias);
            waiting = 0;
        };
        if (program.gates)
            for (long r = 0; r < active; r++)
                for (long t = start, stop = std::min(rows[r].length, start + chunk); t < stop; t++) {
                    const REAL* const x = call.x + step_of(call, rows[r], t) * call.I;
                    if (!waiting) first_x = in_place && stop - t >= gathered ? x : nullptr;
                    if (!first_x) std::memcpy(block_of_x + waiting * x_width, x, call.I * sizeof(REAL));
                    places[waiting++] = slots_of(r, t, start) + program.fed_slot * sizes.padded;
                    if (waiting == gathered) flush();
                }
        flush();
        for (long t = start; t < start + chunk && active; t++) {
            Step& step = buffers.step;
            step.rows = active, step.next = call.reverse ? -call.all : call.all;
            for (long r = 0; r < active; r++) {
                const long place = step_of(call, rows[r], t);
                buffers.tape[r] = slots_of(r, t, start);
                buffers.output[r] = call.output + place * call.all;
                buffers.input[r] = call.x + place * call.I;
                for (long k = 0; k < program.noises; k++)
                    buffers.noise[k][r] = call.noise[k] + (rows[r].b * call.T + call.start + t) * call.all;
            }
            for (long pass = 0; pass < program.forward_parts; pass++) {
                for (long p = 0; p < program.products; p++) {
                    const Product& product = program.product[p];
                    if (product.forward_part != pass) continue;
                    const REAL* v = product.state >= 0 ? buffers.before[product.state]
                                                       : buffers.operand[p];
                    multiply(active, v, sizes.width, weights.products[p],
                             buffers.product_rows[p].data(), true, Start::zero, cells, nullptr,
                             t % 2);
                }
                passes[pass](&step);
            }
            swap_states(buffers, false);
            while (active && rows[active - 1].length == t + 1) finish(--active);
        }
    }
}

// Whether threads take units, not rows: of a single step the time goes into reading the weights, which each
// thread then does for its own units alone. No unit may wait for another one within the step.
static bool goes_by_units(const Program& program, const Call& call, const Sizes& sizes) {
    bool of_states = program.products > 0;
    for (long p = 0; p < program.products; p++) of_states &= program.product[p].state >= 0;
    for (long s = 0; s < program.states; s++) of_states &= call.initial[s] != nullptr;
    return of_states && !program.numbers && program.forward_parts == 1 && !call.tape &&
           call.stop - call.start == 1 && call.threads > 1 && sizes.padded % PANEL == 0 &&
           is_shared(call, program);
}

// Rows as a factor: cells in `room`, or where they stand, if they are numbers and equally far apart.
template <class PointerOf>
static std::pair<const Cell*, long> factor_of(long rows, long K, Cell* room, const PointerOf& pointer_of) {
#if !defined(HALF)
    const long apart = rows > 1 ? pointer_of(1) - pointer_of(0) : 0;
    bool even = true;
    for (long r = 2; r < rows && even; r++) even = pointer_of(r) - pointer_of(r - 1) == apart;
    if (rows && even) return {pointer_of(0), apart};
#endif
    const long width = row_of_cells(K) + VL;
    for (long r = 0; r < rows; r++) into_factor(pointer_of(r), room + r * width, K);
    return {room, width};
}

// Some units of a single step of all rows, those first that have one.
static void forward_units(const Program& program, const Call& call, const Sizes& sizes,
                          const Weights& weights, const std::vector<Row>& rows, const REAL* bias,
                          long first, long count) {
    const long n = (long)rows.size(), units = std::min(count, sizes.H - first);
    const long cells_size = n * (row_of_cells(std::max((long)call.I, sizes.H)) + VL);
    static thread_local Room room;
    room.reserve(room_needed(program, sizes, n, n * sizes.stride + cells_size));
    room.clear();
    Cell* const cells = room.take<Cell>(cells_size);
    Buffers buffers;
    lay_out(buffers, room, program, call, sizes, n, false, false);  // all is written before it is read
    REAL* const tape = room.take(n * sizes.stride);
    long active = 0;
    for (; active < n && rows[active].length; active++) {
        const long r = active, place = step_of(call, rows[r], 0);
        buffers.tape[r] = tape + r * sizes.stride + first;
        buffers.output[r] = call.output + place * call.all + first;
        buffers.input[r] = call.x + place * call.I + first;
        for (long k = 0; k < program.noises; k++)
            buffers.noise[k][r] = call.noise[k] + (rows[r].b * call.T + call.start) * call.all + first;
    }
    std::vector<REAL*> places(n);
    if (program.gates) {
        const auto [x, lda] = factor_of(active, call.I, cells, [&](long r) { return buffers.input[r] - first; });
        for (long gate = 0; gate < program.gates; gate++) {
            const long column = gate * sizes.padded + first;
            for (long r = 0; r < active; r++) places[r] = buffers.tape[r] + (program.fed_slot + gate) * sizes.padded;
            multiply_factor(active, x, lda, weights.fed.columns(column, count), places.data(), true,
                            bias ? Start::bias : Start::zero, bias ? bias + column : nullptr);
        }
    }
    for (long p = 0; p < program.products; p++) {
        const Product& product = program.product[p];
        const REAL* const states = call.initial[product.state];
        const auto [v, lda] = factor_of(active, sizes.H, cells, [&](long r) { return states + rows[r].b * call.all; });
        for (long gate = 0; gate < product.gates; gate++) {
            const long column = gate * sizes.padded + first;
            for (long r = 0; r < active; r++) places[r] = buffers.product_rows[p][r] + column;
            multiply_factor(active, v, lda, weights.products[p].columns(column, count), places.data(), true,
                            Start::zero);
        }
    }
    for (auto* list : {&buffers.before, &buffers.after, &buffers.product})
        for (REAL*& one : *list) one += first;
    for (const REAL*& one : buffers.own) one += first;
    for (long s = 0; s < program.states; s++)
        for (long r = 0; r < n; r++)
            std::memcpy(buffers.before[s] + r * sizes.width, call.initial[s] + rows[r].b * call.all + first,
                        units * sizeof(REAL));
    Step& step = buffers.step;
    step.rows = active, step.hidden = units, step.next = 0;
    program.infer[0](&step);
    for (long s = 0; s < program.states; s++)
        for (long r = 0; r < n; r++) {
            const REAL* const from = (r < active ? buffers.after : buffers.before)[s] + r * sizes.width;
            std::memcpy(call.last[s] + rows[r].b * call.all + first, from, units * sizeof(REAL));
        }
}

static void backward_part(const Program& program, const Call& call, const Sizes& sizes,
                          const Weights& weights, const std::vector<Row>& rows, REAL* own_grad) {
    if (rows.empty()) return;
    const long n = (long)rows.size();
    static thread_local Room room;
    const long cells_size = cells_room(program, call, sizes, std::max(n, GATHERED));
    room.reserve(room_needed(program, sizes, n, 2 * sizes.padded + cells_size));
    room.clear();
    Cell* const cells = room.take<Cell>(cells_size);
    Buffers buffers;
    lay_out(buffers, room, program, call, sizes, n, true);
    REAL* zeros = room.take(sizes.padded);
    std::fill(zeros, zeros + sizes.padded, (REAL)0);
    const auto bring_in = [&](long r) {
        for (long s = 0; s < program.states; s++) {
            REAL* to = buffers.grad_after[s] + r * sizes.width;
            if (call.last_grad[s])
                std::memcpy(to, call.last_grad[s] + rows[r].b * call.all, sizes.H * sizeof(REAL));
            else
                std::fill(to, to + sizes.padded, (REAL)0);
        }
    };
    long active = 0;
    for (long t = rows[0].length - 1; t >= 0; t--) {
        while (active < n && rows[active].length > t) bring_in(active++);
        Step& step = buffers.step;
        step.rows = active, step.next = call.reverse ? call.all : -call.all;
        for (long r = 0; r < active; r++) {
            const long place = step_of(call, rows[r], t);
            buffers.tape[r] = call.tape + (rows[r].token + t) * sizes.stride;
            buffers.input[r] = call.x + place * call.I;
            buffers.output[r] = call.output + place * call.all;
            buffers.output_grad[r] = call.output_grad ? call.output_grad + place * call.all : zeros;
            for (long k = 0; k < program.noises; k++)
                buffers.noise[k][r] = call.noise[k] + (rows[r].b * call.T + call.start + t) * call.all;
            REAL* const input_grad = call.x_grad ? call.x_grad + place * call.I : nullptr;
            buffers.input_grad[r] = input_grad;
            if (input_grad && (program.input_has_grad || !program.gates))  // the pass writes H of them
                std::fill(input_grad, input_grad + call.I, (REAL)0);
            for (long s = 0; s < program.states; s++) {
                const REAL* from;
                if (t == 0)
                    from = call.initial[s] ? call.initial[s] + rows[r].b * call.all : zeros;
                else if (program.state_slots[s] >= 0)
                    from = buffers.tape[r] - sizes.stride + program.state_slots[s] * sizes.padded;
                else
                    from = call.output + step_of(call, rows[r], t - 1) * call.all;
                buffers.saved_state[s][r] = from;
            }
        }
        for (long pass = 0; pass < program.backward_parts; pass++) {
            for (long p = 0; p < program.products; p++)
                if (program.product[p].state < 0 && program.product[p].backward_part == pass)
                    multiply(active, buffers.product_grad[p], sizes.product_width(program.product[p]),
                             weights.products[p], buffers.operand_grad_rows[p].data(), false,
                             Start::zero, cells, nullptr, t % 2);
            program.backward[pass](&step);
        }
        for (long p = 0; p < program.products; p++)
            if (program.product[p].state >= 0)
                multiply(active, buffers.product_grad[p], sizes.product_width(program.product[p]),
                         weights.products[p], buffers.state_rows[1][program.product[p].state].data(),
                         false, Start::add, cells, nullptr, t % 2);
        swap_states(buffers, true);
    }
    while (active < n) bring_in(active++);
    for (long s = 0; s < program.states; s++)
        if (call.initial_grad[s])
            for (long r = 0; r < n; r++)
                std::memcpy(call.initial_grad[s] + rows[r].b * call.all,
                            buffers.grad_after[s] + r * sizes.width, sizes.H * sizeof(REAL));
    for (long o = 0; o < program.owns; o++)
        std::memcpy(own_grad + o * sizes.padded, buffers.own_grad[o], sizes.padded * sizeof(REAL));

    if (!call.x_grad || !program.gates) return;
    REAL* places[GATHERED];
    const long gathered = gathered_of(program);
    const REAL* first_token = nullptr;
    long waiting = 0;
    const auto flush = [&] {
        if (waiting)
            multiply(waiting, first_token, sizes.stride, weights.fed, places, false,
                     program.input_has_grad || call.adds_to_x ? Start::add : Start::zero, cells);
        waiting = 0;
    };
    for (const Row& row : rows)  // its tokens stand side by side on the tape, as the rows do
        for (long t = 0; t < row.length; t++) {
            if (!waiting)
                first_token = call.tape + (row.token + t) * sizes.stride +
                              program.fed_grad_slot * sizes.padded;
            places[waiting++] = call.x_grad + step_of(call, row, t) * call.I;
            if (waiting == gathered) flush();
        }
    flush();
}

}  // namespace seqline

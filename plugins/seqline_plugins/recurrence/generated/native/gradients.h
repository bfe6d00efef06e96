// The gradients of the weights: dW = Σ over tokens of (gate's gradient) ⊗ (what it multiplied).
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "rows.h"
#include "sizes.h"
#include "threads.h"

namespace seqline {

struct Outer {  // one gate's gradient against one kind of vectors
    long kind;
    REAL* to;
};
struct Gradient {
    long slot;
    std::vector<Outer> against;
    REAL* sum;  // the bias's gradient, or null
};
constexpr int OUTER_ROWS = VL * sizeof(REAL) >= 64 ? 8 : 4;

static __attribute__((noinline)) void outer_block(const Cell* __restrict left, const Cell* __restrict right,
                                                  long K, REAL* __restrict to, long width, bool add) {
    Vector sum[OUTER_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < OUTER_ROWS; i++)
        for (int j = 0; j < 2; j++) sum[i][j] = add ? load(to + i * width + j * VL) : Vector{};
    for (long k = 0; k < K; k++) {
        const Cells first = *(const Cells*)(right + k * PANEL);
        const Cells second = *(const Cells*)(right + k * PANEL + VL);
#pragma GCC unroll 8
        for (int i = 0; i < OUTER_ROWS; i++) {
            const Cell one = left[k * OUTER_ROWS + i];
            sum[i][0] = plus_product(sum[i][0], one, first);
            sum[i][1] = plus_product(sum[i][1], one, second);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < OUTER_ROWS; i++)
        for (int j = 0; j < 2; j++) store(to + i * width + j * VL, sum[i][j]);
}

static void weight_gradients(const Program& program, const Call& call, const Sizes& sizes,
                             const Rows& rows) {
    // kinds of vectors that gates multiplied: x, and the v of every product
    struct Kind {
        std::vector<const REAL*> of_token;
        long width;
    };
    std::vector<Kind> kinds;
    std::vector<Gradient> gradients;
    std::vector<REAL> zeros(sizes.padded, 0);
    const auto gradient_of = [&](long slot) -> Gradient& {
        for (Gradient& one : gradients)
            if (one.slot == slot) return one;
        gradients.push_back({slot, {}, nullptr});
        return gradients.back();
    };
    const auto each_token = [&](auto&& pointer_of) {
        std::vector<const REAL*> found(rows.tokens);
        for (const auto& part : rows.parts)
            for (const Row& row : part)
                for (long t = 0; t < row.length; t++) found[row.token + t] = pointer_of(row, t);
        return found;
    };
    if (program.gates && (call.W_F_grad || call.bias_grad)) {
        if (call.W_F_grad)
            kinds.push_back({each_token([&](const Row& row, long t) {
                                 return call.x + step_of(call, row, t) * call.I;
                             }),
                             call.I});
        for (long g = 0; g < program.gates; g++) {
            Gradient& gradient = gradient_of(program.fed_grad_slot + g);
            if (call.W_F_grad) gradient.against.push_back({0, call.W_F_grad + g * sizes.H * call.I});
            if (call.bias_grad) gradient.sum = call.bias_grad + g * sizes.H;
        }
    }
    for (long p = 0; p < program.products; p++) {
        if (!call.W_R_grad[p]) continue;
        const Product& product = program.product[p];
        kinds.push_back(
            {each_token([&](const Row& row, long t) -> const REAL* {
                 const REAL* slots = call.tape + (row.token + t) * sizes.stride;
                 const long s = product.state;
                 if (s < 0) return slots + product.operand_slot * sizes.padded;
                 if (t == 0)
                     return call.initial[s] ? call.initial[s] + row.b * sizes.H : zeros.data();
                 if (program.state_slots[s] >= 0)
                     return slots - sizes.stride + program.state_slots[s] * sizes.padded;
                 return call.output + step_of(call, row, t - 1) * sizes.H;
             }),
             sizes.H});
        for (long g = 0; g < product.gates; g++)
            gradient_of(product.grad_slots[g])
                .against.push_back({(long)kinds.size() - 1, call.W_R_grad[p] + g * sizes.H * sizes.H});
    }
    long across = 0;
    for (const Kind& kind : kinds) across += rounded_up(kind.width, PANEL);
    long depth = 256;
    while (depth > 32 && depth * across * (long)sizeof(REAL) > 400 * 1024) depth /= 2;
    const long blocks_each = (sizes.H + OUTER_ROWS - 1) / OUTER_ROWS;
    const long blocks = blocks_each * (long)gradients.size();
    const double work = (double)rows.tokens * blocks * OUTER_ROWS * across;
    const long parts = work < 3e5 ? 1 : std::max(1L, std::min(call.threads, blocks));
    in_parts(call, parts, [&](long part) {
        static thread_local Room room;
        room.reserve((depth * (across + OUTER_ROWS) + OUTER_ROWS * PANEL) * sizeof(REAL) +
                     (kinds.size() + 3) * 192);
        room.clear();
        std::vector<Cell*> packed;
        for (const Kind& kind : kinds)
            packed.push_back(room.take<Cell>(depth * rounded_up(kind.width, PANEL)));
        Cell* left = room.take<Cell>(depth * OUTER_ROWS);
        REAL* edge = room.take(OUTER_ROWS * PANEL);
        for (long start = 0; start == 0 || start < rows.tokens; start += depth) {
            const bool adds = start || call.adds;
            const long K = std::min(depth, rows.tokens - start);
            const long cells = cells_of(K);
            for (size_t kind = 0; kind < kinds.size(); kind++)
                for (long k = 0; k < cells; k++) {
                    const long here = start + k * IN_CELL;
                    const REAL* from = kinds[kind].of_token[here];
                    const bool pair = IN_CELL > 1 && here + 1 < start + K;
                    const REAL* next = pair ? kinds[kind].of_token[here + 1] : nullptr;
                    for (long at = 0; at < kinds[kind].width; at += PANEL) {
                        Cell* to = packed[kind] + at * depth + k * PANEL;
                        const long valid = std::min(PANEL, kinds[kind].width - at);
                        pair_rows(to, from + at, next ? next + at : nullptr, valid);
                        std::fill(to + valid, to + PANEL, Cell{});
                    }
                }
            for (long number = blocks * part / parts; number < blocks * (part + 1) / parts; number++) {
                const Gradient& gradient = gradients[number / blocks_each];
                const long unit = number % blocks_each * OUTER_ROWS;
                const long units = std::min((long)OUTER_ROWS, sizes.H - unit);
                const REAL* from = call.tape + start * sizes.stride + gradient.slot * sizes.padded + unit;
                REAL sums[OUTER_ROWS] = {};
                for (long k = 0; k < cells; k++) {  // past H the slots hold zeros
                    const REAL* here = from + k * IN_CELL * sizes.stride;
                    const bool pair = IN_CELL > 1 && k * IN_CELL + 1 < K;
                    for (int i = 0; i < OUTER_ROWS; i++) {
                        const REAL one = here[i], next = pair ? here[sizes.stride + i] : 0;
                        left[k * OUTER_ROWS + i] = cell_of(one, next);
                        sums[i] += one;
                        if (IN_CELL > 1) sums[i] += next;
                    }
                }
                if (gradient.sum)
                    for (long i = 0; i < units; i++)
                        gradient.sum[unit + i] = sums[i] + (adds ? gradient.sum[unit + i] : 0);
                for (const Outer& outer : gradient.against) {
                    const long width = kinds[outer.kind].width;
                    for (long at = 0; at < width; at += PANEL) {
                        const Cell* right = packed[outer.kind] + at * depth;
                        REAL* to = outer.to + unit * width + at;
                        const long valid = std::min(PANEL, width - at);
                        if (units == OUTER_ROWS && valid == PANEL) {
                            outer_block(left, right, cells, to, width, adds);
                            continue;
                        }
                        for (long i = 0; i < units && adds; i++)
                            std::memcpy(edge + i * PANEL, to + i * width, valid * sizeof(REAL));
                        outer_block(left, right, cells, edge, PANEL, adds);
                        for (long i = 0; i < units; i++)
                            std::memcpy(to + i * width, edge + i * PANEL, valid * sizeof(REAL));
                    }
                }
            }
        }
    });
}

}  // namespace seqline

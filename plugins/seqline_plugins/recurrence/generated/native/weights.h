// The weights, packed for the products of one direction of the computation.
#pragma once
#include <algorithm>
#include <vector>

#include "products.h"
#include "sizes.h"
#include "threads.h"

namespace seqline {

// TILE cells of each of a panel's columns, through registers; false where that does not fit.
static bool pack_block([[maybe_unused]] Cell* to, [[maybe_unused]] const REAL* const (&columns)[PANEL],
                       [[maybe_unused]] long start, [[maybe_unused]] long count, [[maybe_unused]] long wide) {
#if defined(TRANSPOSES) && (!defined(HALF) || defined(__AVX512BF16__))
    if (sizeof(Cell) != 4 || count < TILE || (start + TILE) * IN_CELL > wide) return false;
    for (const REAL* column : columns)
        if (!column) return false;
    for (long half = 0; half < PANEL; half += TILE) {
        __m512i rows[TILE];
        for (long j = 0; j < TILE; j++) rows[j] = cells_at(columns[half + j] + start * IN_CELL);
        transpose(rows);
        for (long k = 0; k < TILE; k++) _mm512_storeu_si512(to + k * PANEL + half, rows[k]);
    }
    return true;
#else
    return false;
#endif
}
// H units of `gates` gates' weights, (gates × all, wide), as B of x W^T: K = wide, N = gates × padded.
static void pack_forward(Cell* to, const REAL* W, long gates, long all, long H, long padded, long wide,
                         long part, long parts) {
    const long N = gates * padded, panels = (N + PANEL - 1) / PANEL, depth = depth_of(wide);
    for (long panel = panels * part / parts; panel < panels * (part + 1) / parts; panel++) {
        const REAL* columns[PANEL];
        for (long j = 0; j < PANEL; j++) {
            const long n = panel * PANEL + j, gate = n / padded, unit = n % padded;
            columns[j] = gate < gates && unit < H ? W + (gate * all + unit) * wide : nullptr;
        }
        Cell* at = to + panel * PANEL * depth;
        for (long start = 0; start < depth; start += TILE) {
            const long count = std::min(TILE, depth - start);
            if (pack_block(at + start * PANEL, columns, start, count, wide)) continue;
            for (long j = 0; j < PANEL; j++)
                for (long k = start; k < start + count; k++) {
                    const bool inside = columns[j] && k * IN_CELL < wide;
                    const REAL* from = inside ? columns[j] + k * IN_CELL : nullptr;
                    const bool pair = IN_CELL > 1 && k * IN_CELL + 1 < wide;
                    at[k * PANEL + j] = from ? cell_of(from[0], pair ? from[1] : 0) : Cell{};
                }
        }
    }
}
// The same as B of g W: K = gates × padded, N = wide.
static void pack_backward(Cell* to, const REAL* W, long gates, long all, long H, long padded, long wide,
                          long part, long parts) {
    const long depth = depth_of(gates * padded), panels = (wide + PANEL - 1) / PANEL;
    const auto row_of = [&](long k) -> const REAL* {
        const long gate = k / padded, unit = k % padded;
        return gate < gates && unit < H ? W + (gate * all + unit) * wide : nullptr;
    };
    for (long panel = panels * part / parts; panel < panels * (part + 1) / parts; panel++) {
        const long column = panel * PANEL, valid = std::min(PANEL, wide - column);
        for (long k = 0; k < depth; k++) {
            Cell* at = to + (panel * depth + k) * PANEL;
            const REAL* here = row_of(k * IN_CELL);
            const REAL* next = IN_CELL > 1 ? row_of(k * IN_CELL + 1) : nullptr;
            pair_rows(at, here ? here + column : nullptr, next ? next + column : nullptr, valid);
            std::fill(at + valid, at + PANEL, Cell{});
        }
    }
}
static long packed_size(long K, long N) { return depth_of(K) * rounded_up(N, PANEL); }

struct Weights {  // packed for one direction of the computation
    Packed fed{};
    std::vector<Packed> products;
};

static Weights pack_weights(Room& room, const Program& program, const Call& call,
                            const Sizes& sizes, bool backward, bool with_fed,
                            bool filled = false) {
    Weights weights;
    std::vector<Cell*> places;
    const auto claim = [&](long gates, long wide) {
        const long K = backward ? gates * sizes.padded : wide;
        const long N = backward ? wide : gates * sizes.padded;
        places.push_back(room.take<Cell>(packed_size(K, N)));
        return Packed{places.back(), K, N};
    };
    if (with_fed) weights.fed = claim(program.gates, call.I);
    for (long p = 0; p < program.products; p++)
        weights.products.push_back(claim(program.product[p].gates, sizes.H));
    if (filled) return weights;
    const long parts = (long)call.B * (call.stop - call.start) < 64 ? 1 : call.threads;
    const auto pack = backward ? pack_backward : pack_forward;
    in_parts(call, parts, [&](long part) {
        long place = 0;
        if (with_fed)
            pack(places[place++], call.W_F, program.gates, call.all, sizes.H, sizes.padded, call.I, part,
                 parts);
        for (long p = 0; p < program.products; p++)
            pack(places[place++], call.W_R[p], program.product[p].gates, sizes.H, sizes.H, sizes.padded,
                 sizes.H, part, parts);
    });
    return weights;
}
static long weights_room(const Program& program, const Call& call, const Sizes& sizes) {
    long numbers = (rounded_up(call.I, PANEL)) * (program.gates * sizes.padded + PANEL);
    for (long p = 0; p < program.products; p++)
        numbers += rounded_up(sizes.H, PANEL) * (program.product[p].gates * sizes.padded + PANEL);
    return numbers * sizeof(REAL) + (program.products + 1) * 192;
}

}  // namespace seqline

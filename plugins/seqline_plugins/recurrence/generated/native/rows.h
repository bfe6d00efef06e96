// Which rows of the batch each thread takes, and where their steps are.
#pragma once
#include <algorithm>
#include <vector>

#include "products.h"
#include "program.h"

namespace seqline {

// Tokens that are brought together for a product. A cell without recurrent products has many units
// for its weights, so that fewer tokens of it stay in cache.
static long gathered_of(const Program& program) {
    if (program.products) return GATHERED;
#if defined(TILES)
    if (has_tiles) return GATHERED / 2 / TILE_ROWS * TILE_ROWS;
#endif
    return GATHERED / 2 / BLOCK * BLOCK;
}

// Whether there is enough to do for more than one thread.
static bool is_shared(const Call& call, const Program& program) {
    return (double)call.B * (call.stop - call.start) * call.H * (call.I + call.H) * program.gates >= 3e5;
}

// Which rows each thread takes, the longest first, and where their tokens stand on the tape.
struct Rows {
    struct Row {
        long b, whole;  // its place in the batch and its steps in all
        long length;    // its steps among those to do
        long token;     // its first token on the tape
    };
    std::vector<std::vector<Row>> parts;
    long threads;  // that take them, one part after the other
    long tokens = 0;
    // Rows of a part where no step waits for a product of all rows: many steps of each, side by side
    // in memory, are made before they are used. Short rows are taken together, as many tokens as
    // products like.
    static constexpr long FEW = 2;

    explicit Rows(const Call& call, const Program& program) {
        threads = std::max(1L, is_shared(call, program) ? std::min(call.threads, call.B) : 1);
        const long few = program.products ? 0 : std::max(FEW, gathered_of(program) / std::max(1L, call.stop - call.start));
        const long each = few ? std::min(few, (call.B + threads - 1) / threads) : 0;
        parts.resize(each ? (call.B + each - 1) / each : threads);
        std::vector<long> order(call.B);
        for (long b = 0; b < call.B; b++) order[b] = b;
        if (call.lengths)
            std::stable_sort(order.begin(), order.end(), [&](long a, long b) {
                return call.lengths[a] > call.lengths[b];
            });
        const long many = (long)parts.size();
        for (long place = 0; place < call.B; place++) {
            const long round = place / many, turn = place % many;
            const long part = each           ? place / each
                              : call.lengths ? (round % 2 ? many - 1 - turn : turn)
                                             : place * many / call.B;
            const long b = order[place];
            const long whole = call.lengths ? call.lengths[b] : call.T;
            const long length = std::max(0L, std::min(whole, call.stop) - call.start);
            parts[part].push_back({b, whole, length, 0});
        }
        for (auto& part : parts)
            for (Row& row : part) {
                row.token = tokens;
                tokens += row.length;
            }
    }
};
using Row = Rows::Row;

// The place in (B, T) of a row's step, counted from the first one to do.
static long step_of(const Call& call, const Row& row, long t) {
    const long step = call.start + t;
    return row.b * call.T + (call.reverse ? row.whole - 1 - step : step);
}

}  // namespace seqline

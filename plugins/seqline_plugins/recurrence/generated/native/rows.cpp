// What a model does with a row when no gradient is asked for: products and attention.
//
// A row's result is the same in bits whatever rows it stands beside: each number is one sum in an
// order that depends on the row alone.
#include <algorithm>
#include <cstring>
#include <new>

#include "products.h"
#include "threads.h"
#include "weights.h"

namespace seqline {

struct Linear {  // y = W x + b of every row
    int64_t rows, inputs, outputs, threads;
    Parallel parallel;
    const REAL* x;     // (rows, inputs)
    const Cell* packed;  // by `pack`
    const REAL* bias;  // (outputs), or null
    REAL* y;           // (rows, outputs)
};

static void run_linear(const Linear& linear) {
    constexpr long TOGETHER = 16 * BLOCK;
    const long parts = std::max<long>(1, std::min(linear.threads, linear.rows / BLOCK));
    const Packed packed{linear.packed, linear.inputs, linear.outputs};
    Call team{};
    team.parallel = linear.parallel;
    in_parts(team, parts, [&](long part) {
        const long stop = linear.rows * (part + 1) / parts;
        for (long row = linear.rows * part / parts; row < stop; row += TOGETHER) {
            const long many = std::min(TOGETHER, stop - row);
            REAL* places[TOGETHER];
            for (long i = 0; i < many; i++) places[i] = linear.y + (row + i) * linear.outputs;
            multiply(many, linear.x + row * linear.inputs, linear.inputs, packed, places, false,
                     linear.bias ? Start::bias : Start::zero, nullptr, linear.bias);
        }
    });
}

struct Attention {  // `queries` of each of `inputs` memories, side by side
    int64_t inputs, queries, places, query_size, memory_size, threads;
    Parallel parallel;
    const int64_t* lengths;  // (inputs), of `places`
    const REAL* query;       // (inputs × queries, query_size)
    const REAL* keys;        // (inputs, places, query_size)
    const REAL* memory;      // (inputs, places, memory_size)
    const REAL* score;       // v (query_size): v · tanh(query + key), or null: query · key
    const REAL* coverage;    // (inputs × queries, places), or null
    const REAL* of_coverage; // (query_size): what coverage adds inside tanh
    REAL* weights;           // (inputs × queries, places), 0 past a length
    REAL* context;           // (inputs × queries, memory_size)
};

// Runs over a row in whole vectors, then over what is left of it.
template <class Whole, class Part> INLINE void over(long count, const Whole& whole, const Part& part) {
    long at = 0;
    for (; at + VL <= count; at += VL) whole(at);
    if (at < count) part(at, count - at);
}

static REAL score_of(const Attention& a, const REAL* query, const REAL* key, REAL covered) {
    Vector sum{};
    const auto add = [&](long at, auto left) {
        const Vector q = load_part(query + at, left), k = load_part(key + at, left);
        if (!a.score) {
            sum += q * k;
            return;
        }
        Vector inner = q + k;
        if (a.coverage) inner += covered * load_part(a.of_coverage + at, left);
        sum += load_part(a.score + at, left) * tanh(inner);
    };
    over(a.query_size, [&](long at) { add(at, All{}); }, add);
    return total(sum);
}

static void attend(const Attention& a, long input, long row) {
    const long length = a.lengths[input], Q = a.query_size, M = a.memory_size;
    REAL* const weights = a.weights + row * a.places;
    REAL* const context = a.context + row * M;
    std::fill(weights, weights + a.places, (REAL)0);
    std::fill(context, context + M, (REAL)0);
    if (!length) return;
    REAL highest = -INFINITY;
    for (long s = 0; s < length; s++) {
        const REAL covered = a.coverage ? a.coverage[row * a.places + s] : 0;
        weights[s] = score_of(a, a.query + row * Q, a.keys + (input * a.places + s) * Q, covered);
        highest = std::max(highest, weights[s]);
    }
    REAL all = 0;
    for (long s = 0; s < length; s += VL) {
        const long left = std::min<long>(VL, length - s);
        const Vector e = exponential(load_part(weights + s, left) - highest);
        store_part(weights + s, e, left);
        for (long i = 0; i < left; i++) all += weights[s + i];
    }
    for (long s = 0; s < length; s++) {
        weights[s] /= all;
        const REAL* const from = a.memory + (input * a.places + s) * M;
        const Vector weight = splat(weights[s]);
        over(
            M, [&](long at) { store(context + at, load(context + at) + weight * load(from + at)); },
            [&](long at, long left) {
                const Vector sum = load_part(context + at, left);
                store_part(context + at, sum + weight * load_part(from + at, left), left);
            });
    }
}

static void run_attention(const Attention& a) {
    Call team{};
    team.parallel = a.parallel;
    const long parts = std::max<long>(1, std::min(a.threads, a.inputs));
    in_parts(team, parts, [&](long part) {
        for (long input = a.inputs * part / parts; input < a.inputs * (part + 1) / parts; input++)
            for (long query = 0; query < a.queries; query++)
                attend(a, input, input * a.queries + query);
    });
}

}  // namespace seqline

extern "C" {
// Cells that W (outputs, inputs) takes when it is packed.
int64_t seqline_linear_size(int64_t inputs, int64_t outputs) {
    return seqline::packed_size(inputs, outputs) * sizeof(seqline::Cell);
}
void seqline_pack(seqline::Cell* to, const REAL* W, int64_t inputs, int64_t outputs) {
    seqline::pack_forward(to, W, 1, outputs, outputs, outputs, inputs, 0, 1);
}
int64_t seqline_linear(const seqline::Linear* linear) {
    try {
        seqline::run_linear(*linear);
    } catch (...) {
        return 1;
    }
    return 0;
}
int64_t seqline_attention(const seqline::Attention* attention) {
    try {
        seqline::run_attention(*attention);
    } catch (...) {
        return 1;
    }
    return 0;
}
}

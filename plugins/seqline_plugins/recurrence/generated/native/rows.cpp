// What a model does with a row when no gradient is asked for: products, attention, the choice of the best;
// and attention a step at a time, with its gradient.
//
// A row's result is the same in bits whatever rows it stands beside: each number is one sum in an
// order that depends on the row alone. With HALF a product's factors are rounded to bfloat16.
#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

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
constexpr long MANY = 512;  // rows from which on threads take rows, not outputs

// Some of the rows and of the panels of packed weights.
static void multiply_part(const Linear& linear, long row, long stop, long panel, long last) {
    constexpr long TOGETHER = 16 * BLOCK;
    static thread_local Room room;
    room.reserve(IN_CELL > 1 ? TOGETHER * row_of_cells(linear.inputs) * sizeof(Cell) + 128 : 0);
    room.clear();
    Cell* const cells = room.take<Cell>(0);
    const long column = panel * PANEL, columns = std::min<long>(linear.outputs, last * PANEL) - column;
    const Packed packed = Packed{linear.packed, linear.inputs, linear.outputs}.columns(column, columns);
    for (; row < stop; row += TOGETHER) {
        const long many = std::min(TOGETHER, stop - row);
        REAL* places[TOGETHER];
        for (long i = 0; i < many; i++) places[i] = linear.y + (row + i) * linear.outputs + column;
        multiply(many, linear.x + row * linear.inputs, linear.inputs, packed, places, false,
                 linear.bias ? Start::bias : Start::zero, cells,
                 linear.bias ? linear.bias + column : nullptr);
    }
}

static void run_linear(const Linear& linear) {
    const long panels = (linear.outputs + PANEL - 1) / PANEL, rows = linear.rows;
    const bool across = rows <= MANY && panels >= linear.threads;  // each thread reads its weights alone
    const long work = across ? panels * rows / (2 * BLOCK) : rows / BLOCK;
    const long parts = std::max<long>(1, std::min<long>(linear.threads, work));
    Call team{};
    team.parallel = linear.parallel;
    in_parts(team, parts, [&](long part) {
        if (across)
            multiply_part(linear, 0, rows, panels * part / parts, panels * (part + 1) / parts);
        else
            multiply_part(linear, rows * part / parts, rows * (part + 1) / parts, 0, panels);
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

constexpr int PLACES = 4;  // that are looked at together, so that none waits for its own last sum

// The scores of as many places, whose keys and coverage begin here.
template <int Places>
static void scores_of(const Attention& a, const REAL* query, const REAL* keys, const REAL* covered, REAL* to) {
    Vector sum[Places] = {};
    const auto add = [&](long at, auto left) {
        const Vector q = load_part(query + at, left);
#pragma GCC unroll 4
        for (int i = 0; i < Places; i++) {
            const Vector k = load_part(keys + i * a.query_size + at, left);
            if (!a.score) {
                sum[i] += q * k;
                continue;
            }
            Vector inner = q + k;
            if (covered) inner += covered[i] * load_part(a.of_coverage + at, left);
            sum[i] += load_part(a.score + at, left) * tanh(inner);
        }
    };
    over(a.query_size, [&](long at) { add(at, All{}); }, add);
    for (int i = 0; i < Places; i++) to[i] = total(sum[i]);
}

// Some of a context's numbers, the weighted sum of the memory's.
template <int Vectors>
static void weigh(const REAL* memory, long width, const REAL* weights, long length, REAL* context) {
    Vector sum[Vectors] = {};
    for (long s = 0; s < length; s++)
#pragma GCC unroll 8
        for (int i = 0; i < Vectors; i++) sum[i] += weights[s] * load(memory + s * width + i * VL);
    for (int i = 0; i < Vectors; i++) store(context + i * VL, sum[i]);
}

static void attend(const Attention& a, long input, long row) {
    const long length = a.lengths[input], Q = a.query_size, M = a.memory_size;
    const REAL* const keys = a.keys + input * a.places * Q;
    const REAL* const memory = a.memory + input * a.places * M;
    const REAL* const query = a.query + row * Q;
    REAL* const weights = a.weights + row * a.places;
    REAL* const context = a.context + row * M;
    std::fill(weights + length, weights + a.places, (REAL)0);
    const auto covered = [&](long s) { return a.coverage ? a.coverage + row * a.places + s : nullptr; };
    long s = 0;
    for (; s + PLACES <= length; s += PLACES) scores_of<PLACES>(a, query, keys + s * Q, covered(s), weights + s);
    for (; s < length; s++) scores_of<1>(a, query, keys + s * Q, covered(s), weights + s);
    REAL highest = -INFINITY, all = 0;
    for (s = 0; s < length; s++) highest = std::max(highest, weights[s]);
    for (s = 0; s < length; s += VL) {
        const long left = std::min<long>(VL, length - s);
        const Vector e = exponential(load_part(weights + s, left) - highest);
        store_part(weights + s, e, left);
        for (long i = 0; i < left; i++) all += weights[s + i];
    }
    for (s = 0; s < length; s++) weights[s] /= all;
    long at = 0;
    for (; at + 8 * VL <= M; at += 8 * VL) weigh<8>(memory + at, M, weights, length, context + at);
    for (; at + VL <= M; at += VL) weigh<1>(memory + at, M, weights, length, context + at);
    if (at == M) return;
    Vector sum{};
    for (s = 0; s < length; s++) sum += weights[s] * load_part(memory + s * M + at, M - at);
    store_part(context + at, sum, M - at);
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

struct AttentionGradient {  // what one step of each query passes back; sums are added to what is there
    Attention step;            // with the weights that it found
    const REAL* context_grad;  // (inputs × queries, memory_size)
    const REAL* weights_grad;  // (inputs × queries, places), or null
    REAL* query_grad;          // (inputs × queries, query_size)
    REAL* coverage_grad;       // (inputs × queries, places), or null
    REAL* keys_grad;           // (inputs, places, query_size), summed
    REAL* memory_grad;         // (inputs, places, memory_size), summed
    REAL* score_grad;          // (query_size), summed, or null
    REAL* of_coverage_grad;    // (query_size), summed, or null
};

INLINE void add_to(REAL* place, Vector v, All) { store(place, load(place) + v); }
INLINE void add_to(REAL* place, Vector v, long left) { store_part(place, load_part(place, left) + v, left); }

// `of_score` and `of_coverage` are sums of this thread's own.
static void pass_back(const AttentionGradient& g, long input, long row, REAL* of_score, REAL* of_coverage) {
    const Attention& a = g.step;
    const long length = a.lengths[input], Q = a.query_size, M = a.memory_size, S = a.places;
    const REAL* const weights = a.weights + row * S;
    const REAL* const query = a.query + row * Q;
    const REAL* const context_grad = g.context_grad + row * M;
    REAL* const query_grad = g.query_grad + row * Q;
    std::fill(query_grad, query_grad + Q, (REAL)0);
    if (g.coverage_grad) std::fill(g.coverage_grad + row * S, g.coverage_grad + (row + 1) * S, (REAL)0);
    static thread_local std::vector<REAL> grads;  // of the weights, then of the scores
    grads.resize(S);
    REAL all = 0;
    for (long s = 0; s < length; s++) {
        const long place = (input * S + s) * M;
        Vector sum{};
        const auto one = [&](long at, auto left) {
            const Vector c = load_part(context_grad + at, left);
            sum += c * load_part(a.memory + place + at, left);
            add_to(g.memory_grad + place + at, weights[s] * c, left);
        };
        over(M, [&](long at) { one(at, All{}); }, one);
        grads[s] = total(sum) + (g.weights_grad ? g.weights_grad[row * S + s] : 0);
        all += weights[s] * grads[s];
    }
    for (long s = 0; s < length; s++) {
        const REAL grad = weights[s] * (grads[s] - all), covered = a.coverage ? a.coverage[row * S + s] : 0;
        const REAL* const key = a.keys + (input * S + s) * Q;
        REAL* const key_grad = g.keys_grad + (input * S + s) * Q;
        Vector sum{};
        const auto one = [&](long at, auto left) {
            const Vector q = load_part(query + at, left), k = load_part(key + at, left);
            if (!a.score) {
                add_to(query_grad + at, grad * k, left);
                add_to(key_grad + at, grad * q, left);
                return;
            }
            Vector inner = q + k;
            if (a.coverage) inner += covered * load_part(a.of_coverage + at, left);
            const Vector t = tanh(inner);
            const Vector inner_grad = grad * load_part(a.score + at, left) * (1 - t * t);
            add_to(query_grad + at, inner_grad, left);
            add_to(key_grad + at, inner_grad, left);
            add_to(of_score + at, grad * t, left);
            if (!a.coverage) return;
            add_to(of_coverage + at, covered * inner_grad, left);
            sum += inner_grad * load_part(a.of_coverage + at, left);
        };
        over(Q, [&](long at) { one(at, All{}); }, one);
        if (g.coverage_grad) g.coverage_grad[row * S + s] = total(sum);
    }
}

static void run_attention_back(const AttentionGradient& g) {
    const Attention& a = g.step;
    Call team{};
    team.parallel = a.parallel;
    const long parts = std::max<long>(1, std::min(a.threads, a.inputs)), Q = a.query_size;
    std::vector<REAL> sums(parts * 2 * Q, 0);
    in_parts(team, parts, [&](long part) {
        REAL* const own = sums.data() + part * 2 * Q;
        for (long input = a.inputs * part / parts; input < a.inputs * (part + 1) / parts; input++)
            for (long query = 0; query < a.queries; query++)
                pass_back(g, input, input * a.queries + query, own, own + Q);
    });
    for (long part = 0; part < parts; part++)
        for (long q = 0; q < Q; q++) {
            if (g.score_grad) g.score_grad[q] += sums[part * 2 * Q + q];
            if (g.of_coverage_grad) g.of_coverage_grad[q] += sums[(part * 2 + 1) * Q + q];
        }
}

struct Scores {  // of every row, of `count` choices
    int64_t rows, count, best, threads;
    Parallel parallel;
    REAL* scores;     // (rows, count)
    REAL* values;     // (rows, best): the highest of each row, the highest first
    int64_t* places;  // (rows, best): where they stand; of equals the first comes first
};

// Scores less log Σ e^score.
static void normalize(REAL* row, long count) {
    Vector highest = splat(-INFINITY), sums[2] = {};
    const auto raise = [&](Vector v) { highest = choose(v > highest, v, highest); };
    long at = 0;
    for (; at + VL <= count; at += VL) raise(load(row + at));
    REAL most = -INFINITY;
    for (int i = 0; i < VL; i++) most = std::max<REAL>(most, highest[i]);
    for (; at < count; at++) most = std::max(most, row[at]);
    for (at = 0; at + 2 * VL <= count; at += 2 * VL)
        for (int i = 0; i < 2; i++) sums[i] += exponential(load(row + at + i * VL) - most);
    REAL sum = total(sums[0] + sums[1]);
    for (; at < count; at += VL) {
        const long left = std::min<long>(VL, count - at);
        sum += total(first(exponential(load_part(row + at, left) - most), left));
    }
    const REAL less = std::log(sum);
    for (at = 0; at + VL <= count; at += VL) store(row + at, load(row + at) - most - less);
    for (; at < count; at++) row[at] = row[at] - most - less;
}

static void find_best(const REAL* row, long count, REAL* values, int64_t* places, long best) {
    constexpr long TOGETHER = 8 * VL;
    std::fill(values, values + best, -(REAL)INFINITY);
    std::fill(places, places + best, (int64_t)0);
    const auto take = [&](long place) {
        const REAL value = row[place];
        if (!(value > values[best - 1])) return;
        long at = best - 1;
        for (; at > 0 && value > values[at - 1]; at--) values[at] = values[at - 1], places[at] = places[at - 1];
        values[at] = value, places[at] = place;
    };
    long at = 0;
    for (; at + TOGETHER <= count; at += TOGETHER) {
        const Vector least = splat(values[best - 1]);
        Vector highest = least;
        for (long i = at; i < at + TOGETHER; i += VL) highest = choose(load(row + i) > highest, load(row + i), highest);
        if (!any(highest > least)) continue;
        for (long i = at; i < at + TOGETHER; i++) take(i);
    }
    for (; at < count; at++) take(at);
}

template <class Work> static void each_row(const Scores& scores, const Work& work) {
    Call team{};
    team.parallel = scores.parallel;
    const double enough = (double)scores.rows * scores.count;
    const long parts = enough < 1e5 ? 1 : std::max<long>(1, std::min(scores.threads, scores.rows));
    in_parts(team, parts, [&](long part) {
        for (long row = scores.rows * part / parts; row < scores.rows * (part + 1) / parts; row++) work(row);
    });
}

// 0, or 1 where there was not enough memory: an exception must not leave the library.
template <class Given> static int64_t status_of(void (*run)(const Given&), const Given* given) {
    try {
        run(*given);
    } catch (...) {
        return 1;
    }
    return 0;
}
static void run_normalize(const Scores& s) {
    each_row(s, [&](long row) { normalize(s.scores + row * s.count, s.count); });
}
static void run_best(const Scores& s) {
    each_row(s, [&](long row) {
        find_best(s.scores + row * s.count, s.count, s.values + row * s.best, s.places + row * s.best, s.best);
    });
}

}  // namespace seqline

extern "C" {
using namespace seqline;
// Cells that W (outputs, inputs) takes when it is packed.
int64_t seqline_linear_size(int64_t inputs, int64_t outputs) { return packed_size(inputs, outputs) * sizeof(Cell); }
void seqline_pack(Cell* to, const REAL* W, int64_t inputs, int64_t outputs) {
    pack_forward(to, W, 1, outputs, outputs, outputs, inputs, 0, 1);
}
int64_t seqline_linear(const Linear* given) { return status_of(run_linear, given); }
int64_t seqline_attention(const Attention* given) { return status_of(run_attention, given); }
int64_t seqline_attention_back(const AttentionGradient* given) { return status_of(run_attention_back, given); }
int64_t seqline_normalize(const Scores* given) { return status_of(run_normalize, given); }
int64_t seqline_best(const Scores* given) { return status_of(run_best, given); }
}

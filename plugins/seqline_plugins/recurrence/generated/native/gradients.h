// The gradients of the weights: dW = Σ over tokens of (gate's gradient) ⊗ (what it multiplied).
#pragma once
#include <algorithm>
#include <cstring>
#include <memory>
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
constexpr long TAKEN = 64;  // what it costs to take units, in columns that they are multiplied with
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

// Units of a gate that are taken together, from their place on the tape: so many tokens, `stride` apart.
struct Units {
    static constexpr long most = 32;
    const REAL* from;
    long stride, tokens, count;
};

// What the tokens of a block give to the weights of some units, and to their biases.
class OuterProducts {
  public:
    // Units of one product.
    static long height() {
#if defined(TILES)
        if (has_tiles) return TILE_ROWS;
#endif
        return OUTER_ROWS;
    }
    static long room(long depth) { return Units::most * row_of_cells(depth) + Units::most * PANEL + 64; }
    OuterProducts(Cell* room, long depth)
        : left_(room), lda_(row_of_cells(depth)), edge_((REAL*)(room + Units::most * lda_)) {}

    // The units' gradients are brought into the form of a factor; returns their sums over the tokens.
    const REAL* take(const Units& units) {
        units_ = units;
        std::fill(sums_, sums_ + Units::most, (REAL)0);
#if defined(TILES)
        if (has_tiles) {
            take_as_rows();
            return sums_;
        }
#endif
        if (units.count == Units::most)
            take_in_strips(Units::most / OUTER_ROWS);
        else  // past H the slots hold zeros
            take_in_strips((units.count + OUTER_ROWS - 1) / OUTER_ROWS);
        return sums_;
    }

    // Adds their products with a panel of what they multiplied, or sets them.
    void put(const Cell* panel, REAL* to, long width, long valid, bool adds) {
        for (long first = 0; first < units_.count; first += height()) {
            const long count = std::min(height(), units_.count - first);
            REAL* const here = to + first * width;
            if (count == height() && valid == PANEL) {
                multiply(first, panel, here, width, adds);
                continue;
            }
            for (long i = 0; i < count && adds; i++)
                std::memcpy(edge_ + i * PANEL, here + i * width, valid * sizeof(REAL));
            multiply(first, panel, edge_, PANEL, adds);
            for (long i = 0; i < count; i++)
                std::memcpy(here + i * width, edge_ + i * PANEL, valid * sizeof(REAL));
        }
    }

  private:
    void multiply(long first, const Cell* panel, REAL* to, long width, bool adds) {
#if defined(TILES)
        if (has_tiles)
            return tile_block(TILE_ROWS, left_, lda_, panel, depth_of(units_.tokens),
                              adds ? to : nullptr, width, to, width);
#endif
        outer_block(left_ + first * lda_, panel, cells_of(units_.tokens), to, width, adds);
    }
    // A strip of a token's units after the other, each strip's tokens side by side. What the next units
    // need is fetched meanwhile.
    INLINED void take_in_strips(const long strips) {
        typedef REAL Strip __attribute__((vector_size(OUTER_ROWS * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
        Strip sums[Units::most / OUTER_ROWS] = {};
        for (long token = 0; token < units_.tokens; token += IN_CELL) {
            const REAL* const here = units_.from + token * units_.stride;
            for (long at = 0; at < Units::most; at += 64 / (long)sizeof(REAL))
                __builtin_prefetch(here + Units::most + at, 0, 2);
            const bool pair = IN_CELL > 1 && token + 1 < units_.tokens;
#pragma GCC unroll 8
            for (long strip = 0; strip < strips; strip++) {
                const Strip one = *(const Strip*)(here + strip * OUTER_ROWS);
                const Strip next = pair ? *(const Strip*)(here + units_.stride + strip * OUTER_ROWS) : Strip{};
                Cell* const to = left_ + strip * OUTER_ROWS * lda_ + token / IN_CELL * OUTER_ROWS;
#pragma GCC unroll 8
                for (int i = 0; i < OUTER_ROWS; i++) to[i] = cell_of(one[i], next[i]);
                sums[strip] += one;
                if (IN_CELL > 1) sums[strip] += next;
            }
        }
        std::memcpy(sums_, sums, strips * sizeof(Strip));
    }
#if defined(TILES)
    void take_as_rows() {
        for (long half = 0; half < 2; half++) {
            Vector sum{};
            for (long start = 0; start < depth_of(units_.tokens); start += TILE) {
                __m512i cells[TILE];
                for (long k = 0; k < TILE; k++) {
                    const long token = 2 * (start + k);
                    const REAL* here = units_.from + token * units_.stride + half * TILE;
                    const Vector one = token < units_.tokens ? load(here) : Vector{};
                    const Vector next = token + 1 < units_.tokens ? load(here + units_.stride) : Vector{};
                    sum += one;
                    sum += next;
                    cells[k] = pairs(one, next);
                }
                transpose(cells);
                for (long i = 0; i < TILE; i++)
                    _mm512_storeu_si512(left_ + (half * TILE + i) * lda_ + start, cells[i]);
            }
            store(sums_ + half * TILE, sum);
        }
    }
#endif
    Cell* left_;
    long lda_;
    REAL* edge_;
    Units units_{};
    REAL sums_[Units::most];
};

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
            if (call.W_F_grad) gradient.against.push_back({0, call.W_F_grad + g * call.all * call.I});
            if (call.bias_grad) gradient.sum = call.bias_grad + g * call.all;
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
    long height = Units::most;
    const auto blocks_of_gate = [&] { return (sizes.H + height - 1) / height; };
    while (height > OuterProducts::height() && blocks_of_gate() * (long)gradients.size() < 4 * call.threads)
        height /= 2;  // enough for all threads
    const long blocks_each = blocks_of_gate();
    const long blocks = blocks_each * (long)gradients.size();
    const double work = (double)rows.tokens * blocks * height * across;
    const long parts = work < 3e5 ? 1 : std::max(1L, std::min(call.threads, blocks));
    // A gate whose gradient is against inputs alone, or states alone, has less to do: all threads as much.
    std::vector<long> done(blocks + 1, 0);
    for (long number = 0; number < blocks; number++) {
        done[number + 1] = done[number] + TAKEN;
        for (const Outer& outer : gradients[number / blocks_each].against)
            done[number + 1] += rounded_up(kinds[outer.kind].width, PANEL);
    }
    const auto first_of = [&](long part) {
        return std::lower_bound(done.begin(), done.end(), done[blocks] * part / parts) - done.begin();
    };
    in_parts(call, parts, [&](long part) {
        static thread_local Room room;
        room.reserve((depth * across + OuterProducts::room(depth)) * sizeof(REAL) +
                     (kinds.size() + 3) * 192);
        room.clear();
        std::vector<Cell*> packed;
        for (const Kind& kind : kinds)
            packed.push_back(room.take<Cell>(depth * rounded_up(kind.width, PANEL)));
        OuterProducts products(room.take<Cell>(OuterProducts::room(depth)), depth);
#if defined(TILES)
        const std::unique_ptr<Tiles> tiles(has_tiles ? new Tiles(TILE_ROWS) : nullptr);
#endif
        for (long start = 0; start == 0 || start < rows.tokens; start += depth) {
            const bool adds = start || call.adds;
            const long K = std::min(depth, rows.tokens - start);
            for (size_t kind = 0; kind < kinds.size(); kind++)
                for (long k = 0; k < depth_of(K); k++) {
                    const long here = start + k * IN_CELL;
                    const REAL* from = here < start + K ? kinds[kind].of_token[here] : nullptr;
                    const bool pair = IN_CELL > 1 && here + 1 < start + K;
                    const REAL* next = pair ? kinds[kind].of_token[here + 1] : nullptr;
                    for (long at = 0; at < kinds[kind].width; at += PANEL) {
                        Cell* to = packed[kind] + at * depth + k * PANEL;
                        const long valid = std::min(PANEL, kinds[kind].width - at);
                        pair_rows(to, from ? from + at : nullptr, next ? next + at : nullptr, valid);
                        std::fill(to + valid, to + PANEL, Cell{});
                    }
                }
            for (long number = first_of(part), stop = first_of(part + 1); number < stop; number++) {
                const Gradient& gradient = gradients[number / blocks_each];
                const long unit = number % blocks_each * height;
                const long units = std::min(height, sizes.H - unit);
                const REAL* from = call.tape + start * sizes.stride + gradient.slot * sizes.padded + unit;
                const REAL* const sums = products.take({from, sizes.stride, K, units});
                if (gradient.sum)
                    for (long i = 0; i < units; i++)
                        gradient.sum[unit + i] = sums[i] + (adds ? gradient.sum[unit + i] : 0);
                for (const Outer& outer : gradient.against) {
                    const long width = kinds[outer.kind].width;
                    for (long at = 0; at < width; at += PANEL)
                        products.put(packed[outer.kind] + at * depth, outer.to + unit * width + at,
                                     width, std::min(PANEL, width - at), adds);
                }
            }
        }
    });
}

}  // namespace seqline

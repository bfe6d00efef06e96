// Matrix products on packed weights: C (M × N) = A (M × K) B (K × N), in panels that stay in cache.
//
// Every number of C is one sum over K in order, whatever M is: a row's result does not depend on the
// rows it is computed with.
//
// With HALF, the factors are rounded to bfloat16 and summed up in float: two steps of K share a *cell*
// of 32 bits, the first in its lower half. Otherwise a cell is one number.
#pragma once
#include <algorithm>
#include <cstring>

#include "tiles.h"
#include "vectors.h"
#if defined(HALF) && defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace seqline {

constexpr long PANEL = 2 * VL;  // columns in a panel of packed B
#if defined(__AVX512F__)
constexpr int BLOCK = 14;  // rows at once: 28 accumulators of 32 registers
#elif defined(__aarch64__)
constexpr int BLOCK = 12;
#else
constexpr int BLOCK = 6;
#endif
constexpr long DEPTH = 1024;   // cells of K at once
constexpr long AHEAD = 32;     // of them that are brought nearer before they are needed
constexpr long GATHERED = 64;  // rows that are brought together for a product

#if defined(HALF)
using Cell = uint32_t;
typedef uint32_t Cells __attribute__((vector_size(VECTOR_BYTES)));
constexpr long IN_CELL = 2;
INLINE Cell rounded(REAL x) {  // to bfloat16: to the nearest, to even; a NaN stays one
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (bits >> 16) | 0x40;
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
}
INLINE Cell cell_of(REAL first, REAL second) { return rounded(first) | rounded(second) << 16; }
INLINE Vector plus_product(Vector sum, Cell left, Cells right) {
#if defined(__AVX512BF16__)
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)left),
                                    (__m512bh)right);
#else
    const Cells both = left - Cells{};
    sum += (Vector)(both << 16) * (Vector)(right << 16);
    return sum + (Vector)(both & 0xffff0000u) * (Vector)(right & 0xffff0000u);
#endif
}
// A row of numbers as cells; `to` has room for one more.
INLINE void into_cells(const REAL* from, Cell* to, long count) {
    long k = 0;
#if defined(__AVX512BF16__)
    for (; k + 16 <= count; k += 16) {
        const __m256bh half = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + k));
        std::memcpy(to + k / 2, &half, 32);
    }
#endif
    for (; k + 1 < count; k += 2) to[k / 2] = cell_of(from[k], from[k + 1]);
    if (k < count) to[k / 2] = cell_of(from[k], 0);
}
#else
using Cell = REAL;
using Cells = Vector;
constexpr long IN_CELL = 1;
INLINE Cell cell_of(REAL first, REAL) { return first; }
INLINE Vector plus_product(Vector sum, Cell left, Cells right) { return sum + left * right; }
#endif
// A row of cells across K: of each two numbers, one from either row; a missing row counts as zeros.
INLINE void pair_rows(Cell* to, const REAL* first, [[maybe_unused]] const REAL* second, long count) {
    if (!first) {
        std::memset(to, 0, count * sizeof(Cell));
        return;
    }
#if defined(HALF)
    long j = 0;
#if defined(__AVX512BF16__)
    for (; j + TILE <= count; j += TILE)
        _mm512_storeu_si512(to + j, pairs(load(first + j), second ? load(second + j) : Vector{}));
#endif
    for (; j < count; j++) to[j] = cell_of(first[j], second ? second[j] : 0);
#else
    std::memcpy(to, first, count * sizeof(Cell));
#endif
}
INLINE long cells_of(long count) { return (count + IN_CELL - 1) / IN_CELL; }

INLINE long rounded_up(long n, long unit) { return (n + unit - 1) / unit * unit; }

// Cells along K of packed factors: on tiles a whole number of them, zeros past K.
INLINE long depth_of(long K) {
#if defined(TILES)
    return rounded_up(cells_of(K), TILE);
#else
    return cells_of(K);
#endif
}
// Cells of a row of A that is brought into that form.
INLINE long row_of_cells(long K) { return depth_of(K) + (IN_CELL > 1 ? 16 : 0); }

enum class Start { zero, add, bias };  // what C begins with

// Rows × Panels × PANEL numbers of C; b's panels are `next` apart.
template <int Rows, int Panels>
static __attribute__((noinline)) void block(const Cell* __restrict a, long lda,
                                            const Cell* __restrict b, long next, long K,
                                            REAL* const* c, long column, Start start,
                                            const REAL* bias) {
    Vector sum[Rows][2 * Panels];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < 2 * Panels; j++) sum[i][j] = Vector{};
    if (start != Start::zero) {
#pragma GCC unroll 16
        for (int i = 0; i < Rows; i++) {
            const REAL* from = start == Start::add ? c[i] + column : bias + column;
#pragma GCC unroll 8
            for (int j = 0; j < 2 * Panels; j++) sum[i][j] = load(from + j * VL);
        }
    }
    for (long k = 0; k < K; k++) {
        Cells right[2 * Panels];
        if (Panels == 1) {  // with few rows each load waits for memory anyway
            __builtin_prefetch(b + (k + AHEAD) * PANEL, 0, 3);
            __builtin_prefetch(b + (k + AHEAD) * PANEL + VL, 0, 3);
        }
#pragma GCC unroll 8
        for (int j = 0; j < 2 * Panels; j++)
            right[j] = *(const Cells*)(b + (j / 2) * next + k * PANEL + (j % 2) * VL);
#pragma GCC unroll 16
        for (int i = 0; i < Rows; i++) {
            const Cell left = a[i * lda + k];
#pragma GCC unroll 8
            for (int j = 0; j < 2 * Panels; j++) sum[i][j] = plus_product(sum[i][j], left, right[j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < 2 * Panels; j++) store(c[i] + column + j * VL, sum[i][j]);
}

using Block = void (*)(const Cell*, long, const Cell*, long, long, REAL* const*, long, Start,
                       const REAL*);

template <int Panels> static Block block_of(long rows) {
    switch (rows) {
        case 1: return block<1, Panels>;
        case 2: return block<2, Panels>;
        case 3: return block<3, Panels>;
    }
    if constexpr (Panels == 1) switch (rows) {
        case 4: return block<4, 1>;
        case 5: return block<5, 1>;
        case 6: return block<6, 1>;
#if !defined(__AVX512F__) && !defined(__aarch64__)
    }
#else
        case 7: return block<7, 1>;
        case 8: return block<8, 1>;
        case 9: return block<9, 1>;
        case 10: return block<10, 1>;
        case 11: return block<11, 1>;
        case 12: return block<12, 1>;
        case 13: return block<BLOCK < 13 ? 1 : 13, 1>;
        case 14: return block<BLOCK < 14 ? 1 : 14, 1>;
    }
#endif
    return nullptr;
}

// B packed: K × N in panels of PANEL columns, cells along K, padded with zeros.
struct Packed {
    const Cell* cells;
    long K, N;
    long depth() const { return depth_of(K); }
    long panels() const { return (N + PANEL - 1) / PANEL; }
    Packed columns(long first, long count) const { return {cells + first * depth(), K, count}; }  // whole panels
};

// C's rows stand where `c` points; with `wide`, they have room for whole panels. `downward` takes the
// panels from the last to the first: weights a little larger than the cache, read to and fro, are
// found there for the most part; read always in one direction they never are.
static inline void multiply_cells(long M, const Cell* a, long lda, Packed b, REAL* const* c,
                                  bool wide, Start start, const REAL* bias, bool downward) {
    const long blocks = (M + BLOCK - 1) / BLOCK, panels = b.panels();
    const long together = M == 1 ? 4 : M <= 3 && VL * sizeof(REAL) >= 32 ? 2 : 1;
    const long depth = b.depth();
    for (long deep = 0; deep == 0 || deep < depth; deep += DEPTH) {
        const long K = depth - deep < DEPTH ? depth - deep : DEPTH;
        const Start begin = deep ? Start::add : start;
        const long groups = panels / together, singles = panels - groups * together;
        for (long turn = 0; turn < groups + singles; turn++) {
            const long place = downward ? groups + singles - 1 - turn : turn;
            const long panel = place < groups ? place * together : groups * together + place - groups;
            const long many = place < groups ? together : 1;
            const Cell* right = b.cells + panel * PANEL * depth + deep * PANEL;
            long row = 0;
            for (long q = 0; q < blocks; q++) {
                const long rows = M * (q + 1) / blocks - row;
                const Block run = many == 4   ? block_of<4>(rows)
                                  : many == 2 ? block_of<2>(rows)
                                              : block_of<1>(rows);
                const Cell* left = a + row * lda + deep;
                const long column = panel * PANEL, valid = b.N - column;
                if (wide || valid >= many * PANEL) {
                    run(left, lda, right, PANEL * depth, K, c + row, column, begin, bias);
                } else {  // C ends inside the panels
                    REAL room[BLOCK][4 * PANEL], start_of[4 * PANEL] = {};
                    REAL* places[BLOCK];
                    if (bias) std::memcpy(start_of, bias + column, valid * sizeof(REAL));
                    for (long i = 0; i < rows; i++) {
                        places[i] = room[i];
                        if (begin == Start::add)
                            std::memcpy(room[i], c[row + i] + column, valid * sizeof(REAL));
                    }
                    run(left, lda, right, PANEL * depth, K, places, 0, begin, start_of);
                    for (long i = 0; i < rows; i++)
                        std::memcpy(c[row + i] + column, room[i], valid * sizeof(REAL));
                }
                row += rows;
            }
        }
    }
}

#if defined(TILES)
// The same on tiles, of blocks of `height` rows: each panel stays near while all blocks are done.
static inline void multiply_blocks(long M, long height, const Cell* a, long lda, Packed b, REAL* const* c,
                                   bool wide, Start start, const REAL* bias, bool downward) {
    if (!M) return;
    const long panels = b.panels(), depth = b.depth();
    const Tiles tiles(height);
    const long stride = M > 1 ? c[1] - c[0] : PANEL;
    bool even = stride > 0;  // C's rows are equally far apart
    for (long i = 2; i < M && even; i++) even = c[i] - c[i - 1] == stride;
    for (long turn = 0; turn < panels; turn++) {
        const long panel = downward ? panels - 1 - turn : turn, column = panel * PANEL;
        const long valid = std::min(PANEL, b.N - column);
        const Cell* const right = b.cells + panel * PANEL * depth;
        for (long row = 0; row < M; row += height) {
            const Cell* const left = a + row * lda;
            REAL* const* const to = c + row;
            if (even && (wide || valid == PANEL)) {
                const REAL* const from = start == Start::zero  ? nullptr
                                         : start == Start::add ? to[0] + column
                                                               : bias + column;
                tile_block(height, left, lda, right, depth, from, start == Start::add ? stride : 0,
                           to[0] + column, stride);
                continue;
            }
            const long count = wide ? PANEL : valid;
            alignas(64) REAL sums[TILE_ROWS][PANEL] = {};
            for (long i = 0; i < height && start != Start::zero; i++)
                std::memcpy(sums[i], (start == Start::add ? to[i] : bias) + column, count * sizeof(REAL));
            tile_block(height, left, lda, right, depth, start == Start::zero ? nullptr : sums[0], PANEL,
                       sums[0], PANEL);
            for (long i = 0; i < height; i++) std::memcpy(to[i] + column, sums[i], count * sizeof(REAL));
        }
    }
}
static inline void multiply_tiles(long M, const Cell* a, long lda, Packed b, REAL* const* c, bool wide,
                                  Start start, const REAL* bias, bool downward) {
    const long rest = M % TILE_ROWS, whole = M - rest;
    multiply_blocks(whole, TILE_ROWS, a, lda, b, c, wide, start, bias, downward);
    multiply_blocks(rest, rest, a + whole * lda, lda, b, c + whole, wide, start, bias, downward);
}
#endif

// A row in the form of a factor; `to` has room for `row_of_cells`.
INLINE void into_factor(const REAL* from, Cell* to, [[maybe_unused]] long K) {
#if defined(HALF)
    into_cells(from, to, K);
    std::fill(to + cells_of(K), to + depth_of(K), Cell{});
#else
    std::memcpy(to, from, K * sizeof(REAL));
#endif
}

// The same with A in that form, `lda` cells apart.
static inline void multiply_factor(long M, const Cell* a, long lda, Packed b, REAL* const* c, bool wide,
                                   Start start, const REAL* bias = nullptr, bool downward = false) {
#if defined(TILES)
    if (has_tiles) return multiply_tiles(M, a, lda, b, c, wide, start, bias, downward);
#endif
    multiply_cells(M, a, lda, b, c, wide, start, bias, downward);
}

// The same with A in numbers; `room` takes its cells, M × `row_of_cells`, where that is needed.
static inline void multiply(long M, const REAL* a, long lda, Packed b, REAL* const* c, bool wide,
                            Start start, [[maybe_unused]] Cell* room, const REAL* bias = nullptr,
                            bool downward = false) {
#if defined(HALF)
    const long width = row_of_cells(b.K);
    for (long i = 0; i < M; i++) into_factor(a + i * lda, room + i * width, b.K);
    multiply_factor(M, room, width, b, c, wide, start, bias, downward);
#else
    multiply_factor(M, a, lda, b, c, wide, start, bias, downward);
#endif
}

}  // namespace seqline

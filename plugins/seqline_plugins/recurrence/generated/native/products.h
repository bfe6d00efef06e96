// Matrix products on packed weights: C (M × N) = A (M × K) B (K × N), in panels that stay in cache.
//
// Every number of C is one sum over K in order, whatever M is: a row's result does not depend on the
// rows it is computed with.
#pragma once
#include "vectors.h"

namespace seqline {

constexpr long PANEL = 2 * VL;  // columns in a panel of packed B
#if defined(__AVX512F__)
constexpr int BLOCK = 14;  // rows at once: 28 accumulators of 32 registers
#elif defined(__aarch64__)
constexpr int BLOCK = 12;
#else
constexpr int BLOCK = 6;
#endif
constexpr long DEPTH = 1024;  // of K at once

INLINE long rounded_up(long n, long unit) { return (n + unit - 1) / unit * unit; }

enum class Start { zero, add, bias };  // what C begins with

// Rows × Panels × PANEL numbers of C; b's panels are `next` apart.
template <int Rows, int Panels>
static __attribute__((noinline)) void block(const REAL* __restrict a, long lda,
                                            const REAL* __restrict b, long next, long K,
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
        Vector right[2 * Panels];
#pragma GCC unroll 8
        for (int j = 0; j < 2 * Panels; j++)
            right[j] = *(const Vector*)(b + (j / 2) * next + k * PANEL + (j % 2) * VL);
#pragma GCC unroll 16
        for (int i = 0; i < Rows; i++) {
            REAL left = a[i * lda + k];
#pragma GCC unroll 8
            for (int j = 0; j < 2 * Panels; j++) sum[i][j] += left * right[j];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++)
#pragma GCC unroll 8
        for (int j = 0; j < 2 * Panels; j++) store(c[i] + column + j * VL, sum[i][j]);
}

using Block = void (*)(const REAL*, long, const REAL*, long, long, REAL* const*, long, Start,
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

// B packed: K × N in panels of PANEL columns, padded with zeros.
struct Packed {
    const REAL* numbers;
    long K, N;
    long panels() const { return (N + PANEL - 1) / PANEL; }
};

// C's rows stand where `c` points; with `wide`, they have room for whole panels. `downward` takes the
// panels from the last to the first: weights a little larger than the cache, read to and fro, are
// found there for the most part; read always in one direction they never are.
static inline void multiply(long M, const REAL* a, long lda, Packed b, REAL* const* c, bool wide,
                            Start start, const REAL* bias = nullptr, bool downward = false) {
    const long blocks = (M + BLOCK - 1) / BLOCK, panels = b.panels();
    const long together = M == 1 ? 4 : M <= 3 && VL * sizeof(REAL) >= 32 ? 2 : 1;
    for (long deep = 0; deep == 0 || deep < b.K; deep += DEPTH) {
        const long K = b.K - deep < DEPTH ? b.K - deep : DEPTH;
        const Start begin = deep ? Start::add : start;
        const long groups = panels / together, singles = panels - groups * together;
        for (long turn = 0; turn < groups + singles; turn++) {
            const long place = downward ? groups + singles - 1 - turn : turn;
            const long panel = place < groups ? place * together : groups * together + place - groups;
            const long many = place < groups ? together : 1;
            const REAL* right = b.numbers + panel * PANEL * b.K + deep * PANEL;
            long row = 0;
            for (long q = 0; q < blocks; q++) {
                const long rows = M * (q + 1) / blocks - row;
                const Block run = many == 4   ? block_of<4>(rows)
                                  : many == 2 ? block_of<2>(rows)
                                              : block_of<1>(rows);
                const REAL* left = a + row * lda + deep;
                const long column = panel * PANEL, valid = b.N - column;
                if (wide || valid >= many * PANEL) {
                    run(left, lda, right, PANEL * b.K, K, c + row, column, begin, bias);
                } else {  // C ends inside the panels
                    REAL room[BLOCK][4 * PANEL], start_of[4 * PANEL] = {};
                    REAL* places[BLOCK];
                    if (bias) std::memcpy(start_of, bias + column, valid * sizeof(REAL));
                    for (long i = 0; i < rows; i++) {
                        places[i] = room[i];
                        if (begin == Start::add)
                            std::memcpy(room[i], c[row + i] + column, valid * sizeof(REAL));
                    }
                    run(left, lda, right, PANEL * b.K, K, places, 0, begin, start_of);
                    for (long i = 0; i < rows; i++)
                        std::memcpy(c[row + i] + column, room[i], valid * sizeof(REAL));
                }
                row += rows;
            }
        }
    }
}

}  // namespace seqline

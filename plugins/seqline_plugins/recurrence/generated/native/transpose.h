// Blocks of TILE × TILE cells of 32 bits with rows and columns exchanged, in AVX-512's registers.
#pragma once
#include "vectors.h"

namespace seqline {
constexpr long TILE = 16;
}
#if defined(__AVX512F__)
#define TRANSPOSES
#include <immintrin.h>

namespace seqline {

// 16 × 16 cells, rows and columns exchanged: in pairs, in fours, then whole quarters of the vectors.
INLINE void transpose(__m512i (&rows)[TILE]) {
    __m512i other[TILE];
    for (int i = 0; i < TILE; i += 2) {
        other[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        other[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < TILE; i += 4)
        for (int j = 0; j < 2; j++) {
            rows[i + 2 * j] = _mm512_unpacklo_epi64(other[i + j], other[i + j + 2]);
            rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(other[i + j], other[i + j + 2]);
        }
    for (int j = 0; j < 4; j++) {
        const __m512i a = _mm512_shuffle_i32x4(rows[j], rows[4 + j], 0x88);
        const __m512i b = _mm512_shuffle_i32x4(rows[j], rows[4 + j], 0xdd);
        const __m512i c = _mm512_shuffle_i32x4(rows[8 + j], rows[12 + j], 0x88);
        const __m512i d = _mm512_shuffle_i32x4(rows[8 + j], rows[12 + j], 0xdd);
        other[j] = _mm512_shuffle_i32x4(a, c, 0x88);
        other[8 + j] = _mm512_shuffle_i32x4(a, c, 0xdd);
        other[4 + j] = _mm512_shuffle_i32x4(b, d, 0x88);
        other[12 + j] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    for (int i = 0; i < TILE; i++) rows[i] = other[i];
}
#if defined(HALF) && defined(__AVX512BF16__)
// Cells of two rows of 16 numbers, the first in the lower halves.
INLINE __m512i pairs(Vector first, Vector second) {
    const __m512i lower = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)first));
    const __m512i upper = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)second));
    return _mm512_or_si512(lower, _mm512_slli_epi32(upper, 16));
}
// Cells of 32 numbers side by side.
INLINE __m512i cells_at(const REAL* from) {
    return (__m512i)_mm512_cvtne2ps_pbh((__m512)load(from + VL), (__m512)load(from));
}
#elif !defined(HALF)
INLINE __m512i cells_at(const REAL* from) { return (__m512i)load(from); }
#endif

}  // namespace seqline
#endif

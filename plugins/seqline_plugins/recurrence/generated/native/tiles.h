// Products of bfloat16 on the matrix tiles of Intel's processors (AMX): 16 rows × 16 columns of C and
// 32 numbers of K at once. A cell of 32 bits is a pair along K, as the tiles want them.
#pragma once
#include "transpose.h"
#if defined(HALF) && defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#define TILES
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace seqline {

// A tile has TILE rows of as many cells or floats.
constexpr long TILE_ROWS = 2 * TILE;  // of C at once, over the two halves of a panel

// A process must ask for the tiles' registers, once; a virtual machine or a sandbox may refuse them, and
// so may the user, to compare.
static bool ask_for_tiles() {
    constexpr long request = 0x1023, data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return !std::getenv("SEQLINE_WITHOUT_TILES") && syscall(SYS_arch_prctl, request, data) == 0;
}
static const bool has_tiles = ask_for_tiles();

// Tiles 0 to 3 are C, two by two; 4 and 5 the rows of A; 6 and 7 the halves of a panel of B.
class Tiles {
  public:
    explicit Tiles(long rows) {
        const long first = rows < TILE ? rows : TILE, second = rows - first;
        const long heights[8] = {first, first, second, second, first, second, TILE, TILE};
        for (int tile = 0; tile < 8; tile++) {
            shape_.rows[tile] = (uint8_t)heights[tile];
            shape_.bytes[tile] = heights[tile] ? 64 : 0;
        }
        _tile_loadconfig(&shape_);
    }
    Tiles(const Tiles&) = delete;
    ~Tiles() { _tile_release(); }

  private:
    struct alignas(64) {
        uint8_t palette = 1, start = 0, reserved[14] = {};
        uint16_t bytes[16] = {};
        uint8_t rows[16] = {};
    } shape_;
};

// C = start + A B: `b` is a panel, `start` null for zeros; both are as far apart as their strides say,
// in numbers. `depth` is a whole number of tiles; what stands past K is zero in both factors.
template <bool Two>
static __attribute__((noinline)) void tile_block(const uint32_t* a, long lda, const uint32_t* b,
                                                 long depth, const float* start, long start_stride,
                                                 float* c, long stride) {
    constexpr long panel = 2 * TILE, size = 4;
    asm volatile("" ::: "memory");  // what was written is read by instructions the compiler cannot see
    if (start) {
        _tile_loadd(0, start, start_stride * size);
        _tile_loadd(1, start + TILE, start_stride * size);
        if (Two) {
            _tile_loadd(2, start + TILE * start_stride, start_stride * size);
            _tile_loadd(3, start + TILE * start_stride + TILE, start_stride * size);
        }
    } else {
        _tile_zero(0);
        _tile_zero(1);
        if (Two) {
            _tile_zero(2);
            _tile_zero(3);
        }
    }
    for (long k = 0; k < depth; k += TILE) {
        _tile_loadd(6, b + k * panel, panel * size);
        _tile_loadd(4, a + k, lda * size);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, b + k * panel + TILE, panel * size);
        _tile_dpbf16ps(1, 4, 7);
        if (Two) {
            _tile_loadd(5, a + TILE * lda + k, lda * size);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, c, stride * size);
    _tile_stored(1, c + TILE, stride * size);
    if (Two) {
        _tile_stored(2, c + TILE * stride, stride * size);
        _tile_stored(3, c + TILE * stride + TILE, stride * size);
    }
}
static inline void tile_block(long rows, const uint32_t* a, long lda, const uint32_t* b, long depth,
                              const float* start, long start_stride, float* c, long stride) {
    (rows > TILE ? tile_block<true> : tile_block<false>)(a, lda, b, depth, start, start_stride, c, stride);
}

}  // namespace seqline
#endif

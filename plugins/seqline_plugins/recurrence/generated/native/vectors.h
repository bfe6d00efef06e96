// Vectors of REAL (float or double) and the functions that cells are made of, within 2 ulp.
//
// GCC's and clang's vector types compile to AVX-512, AVX2, SSE or NEON, whatever the machine has.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

namespace seqline {

template <class T> struct Bits;
template <> struct Bits<float> { using type = int32_t; };
template <> struct Bits<double> { using type = int64_t; };

constexpr int VL = VECTOR_BYTES / sizeof(REAL);  // lanes
using Integer = Bits<REAL>::type;
typedef REAL Vector __attribute__((vector_size(VECTOR_BYTES)));
typedef Integer Whole __attribute__((vector_size(VECTOR_BYTES)));
typedef REAL Loose __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

#define INLINED __attribute__((always_inline))
#define INLINE static inline INLINED

INLINE Vector splat(REAL x) { return x - Vector{}; }
INLINE Vector load(const REAL* p) { return *(const Loose*)p; }
INLINE void store(REAL* p, Vector v) { *(Loose*)p = v; }
// The place itself; what stands so far from it, the next step's, is brought nearer meanwhile.
INLINE const REAL* ahead(const REAL* p, long distance) {
    __builtin_prefetch(p + distance, 0, 2);
    return p;
}
INLINE REAL* ahead_to_write(REAL* p, long distance) {
    __builtin_prefetch(p + distance, 1, 2);
    return p;
}

// The end of a row may lie inside a vector: then `left` lanes count. All says that all do.
struct All {};
INLINE Vector load_part(const REAL* p, All) { return load(p); }
INLINE void store_part(REAL* p, Vector v, All) { store(p, v); }
INLINE Vector first(Vector v, All) { return v; }
INLINE Vector load_part(const REAL* p, long left) {  // the other lanes are zero
    Vector v = {};
    std::memcpy(&v, p, left * sizeof(REAL));
    return v;
}
INLINE void store_part(REAL* p, Vector v, long left) { std::memcpy(p, &v, left * sizeof(REAL)); }
INLINE Vector first(Vector v, long left) {  // the other lanes become zero, whatever they held
    Vector kept = {};
    std::memcpy(&kept, &v, left * sizeof(REAL));
    return kept;
}
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FOLDED
#endif
#endif
#if defined(FOLDED)
template <int Lanes> struct Part {
    typedef REAL type __attribute__((vector_size(Lanes * sizeof(REAL))));
};
template <int Lanes, int... I>
INLINE auto folded(typename Part<2 * Lanes>::type v, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(v, v, I...) + __builtin_shufflevector(v, v, (I + Lanes)...);
}
template <int Lanes> INLINE REAL total_of(typename Part<Lanes>::type v) {
    if constexpr (Lanes == 2)
        return v[0] + v[1];
    else
        return total_of<Lanes / 2>(folded<Lanes / 2>(v, std::make_integer_sequence<int, Lanes / 2>{}));
}
INLINE REAL total(Vector v) { return total_of<VL>(v); }  // one half added to the other, again and again
#else
INLINE REAL total(Vector v) {
    REAL lanes[VL];
    std::memcpy(lanes, &v, sizeof v);
    for (int width = VL / 2; width; width /= 2)
        for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
    return lanes[0];
}
#endif

INLINE Vector as_vector(Whole w) { return (Vector)w; }
INLINE Whole as_whole(Vector v) { return (Whole)v; }
INLINE bool any(Whole mask) {
    Integer found = 0;
    for (int i = 0; i < VL; i++) found |= mask[i];
    return found;
}
INLINE Vector choose(Whole mask, Vector a, Vector b) { return mask ? a : b; }
INLINE Vector absolute(Vector x) {
    const Integer sign = (Integer)1 << (8 * sizeof(REAL) - 1);
    return as_vector(as_whole(x) & ~(sign - Whole{}));
}
INLINE Vector with_sign_of(Vector magnitude, Vector x) {
    const Integer sign = (Integer)1 << (8 * sizeof(REAL) - 1);
    return as_vector(as_whole(magnitude) | (as_whole(x) & (sign - Whole{})));
}

// Constants by precision: bits of the fraction, ln 2 in two parts, and (e^r − 1 − r) / r² for |r| ≤ ln 2 / 2
// as a polynomial: of float the one of least error, 2^−28 of e^r (Remez), of double Taylor's.
template <class T> struct Exponential;
template <> struct Exponential<float> {
    static constexpr int fraction = 23, bias = 127;
    static constexpr float rounder = 12582912.0f;  // 1.5 × 2^23: adding it rounds to whole numbers
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
    static constexpr float lowest = -104.0f, highest = 89.0f, vanishing = -88.0f;
    static constexpr float tanh_one = 10.0f;  // tanh is 1 from here on
    static constexpr int terms = 5;
    static constexpr float series[] = {0.499999934f, 0.166665204f, 0.0416683908f, 0.00836874511f,
                                       0.00138145401f};
    static constexpr float smallest_normal = 1.17549435e-38f, two_to_fraction = 8388608.0f;
    static constexpr int log_terms = 5;
};
template <> struct Exponential<double> {
    static constexpr int fraction = 52, bias = 1023;
    static constexpr double rounder = 6755399441055744.0;
    static constexpr double ln2_high = 6.93147180369123816490e-01;
    static constexpr double ln2_low = 1.90821492927058770002e-10;
    static constexpr double lowest = -746.0, highest = 710.0, vanishing = -709.0;
    static constexpr double tanh_one = 20.0;
    static constexpr int terms = 12;
    static constexpr double series[] = {
        1 / 2., 1 / 6., 1 / 24., 1 / 120., 1 / 720., 1 / 5040., 1 / 40320., 1 / 362880.,
        1 / 3628800., 1 / 39916800., 1 / 479001600., 1 / 6227020800.};
    static constexpr double smallest_normal = 2.2250738585072014e-308;
    static constexpr double two_to_fraction = 4503599627370496.0;
    static constexpr int log_terms = 11;
};
using E = Exponential<REAL>;
constexpr REAL LOG2_E = (REAL)1.44269504088896340736;

INLINE Vector power_of_two(Whole n) { return as_vector((n + E::bias) << E::fraction); }

// x = n ln 2 + r with |r| ≤ ln 2 / 2; holds e^r − 1, what its rounding lost, and n, also in bits.
struct Reduced {
    Vector high, low, n;
    Whole bits;
#if defined(__AVX512F__)
    Vector scaled(Vector x) const {  // x · 2^n
        Vector y;
        if (sizeof(REAL) == 4)
            asm("vscalefps %2, %1, %0" : "=v"(y) : "v"(x), "v"(n));
        else
            asm("vscalefpd %2, %1, %0" : "=v"(y) : "v"(x), "v"(n));
        return y;
    }
    static constexpr REAL lowest = E::lowest;  // of x, where `scaled_once` of a positive number is 0
    Vector scaled_once(Vector x) const { return scaled(x); }
#else
    Vector scaled(Vector x) const {
        Whole half = bits >> 1;  // in two steps: 2^n alone may be too large or too small
        return x * power_of_two(half) * power_of_two(bits - half);
    }
    static constexpr REAL lowest = E::vanishing;
    Vector scaled_once(Vector x) const { return x * power_of_two(bits); }
#endif
};
INLINE Reduced reduced_expm1(Vector x) {
    Vector shifted = x * LOG2_E + E::rounder;
    Vector whole = shifted - E::rounder;
    Vector r = x - whole * E::ln2_high - whole * E::ln2_low;
    Vector p = splat(E::series[E::terms - 1]);
#pragma GCC unroll 16
    for (int i = E::terms - 2; i >= 0; i--) p = p * r + E::series[i];
    Vector rest = p * r * r;
    Vector high = rest + r;
    return {high, rest - (high - r), whole, as_whole(shifted) - as_whole(splat(E::rounder))};
}
INLINE Vector near_inverse(Vector x) {  // to 14 bits at least
#if defined(__AVX512F__)
    if (sizeof(REAL) == 4) {
        Vector y;
        asm("vrcp14ps %1, %0" : "=v"(y) : "v"(x));
        return y;
    }
#endif
    return 1 / x;
}
// (a + a_low) / (d + d_low), rounded nearly once: the error of a float's inverse counts squared.
INLINE Vector quotient(Vector a, Vector a_low, Vector d, Vector d_low) {
    Vector inverse = near_inverse(d);
    Vector q = a * inverse;
    Vector remainder = (a - q * d) + (a_low - q * d_low);
    return q + remainder * inverse;
}

// A NaN passes through all three: no comparison holds for it.
INLINE Vector exponential(Vector x) {
    Vector bounded = choose(x < E::lowest, splat(E::lowest), x);
    bounded = choose(bounded > E::highest, splat(E::highest), bounded);
    Reduced p = reduced_expm1(bounded);
    return p.scaled(p.high + 1);
}
INLINE Vector sigmoid(Vector x) {  // by e^−|x|, which cannot overflow
    Vector down = -absolute(x);
    down = choose(down < Reduced::lowest, splat(Reduced::lowest), down);
    Reduced p = reduced_expm1(down);
    Vector e = p.scaled_once(p.high + 1);
    Vector d = e + 1;
    return quotient(choose(x < 0, e, splat(1)), Vector{}, d, e - (d - 1));
}
INLINE Vector tanh(Vector x) {  // (e^2|x| − 1) / (e^2|x| + 1), with the sign of x
    Vector magnitude = absolute(x);
    Vector bounded = choose(magnitude > E::tanh_one, splat(E::tanh_one), magnitude);
    Reduced p = reduced_expm1(bounded + bounded);
    Vector scale = p.scaled_once(splat(1));
    Vector e = scale * p.high + (scale - 1), e_low = scale * p.low;
    Vector d = e + 2;
    return with_sign_of(quotient(e, e_low, d, (e - (d - 2)) + e_low), x);
}

// x = 2^k m with m in [√½, √2); log m = 2 artanh s with s = (m − 1) / (m + 1), by its series.
INLINE Vector logarithm(Vector x) {
    const Whole denormal = x < E::smallest_normal;
    const Whole bits = as_whole(choose(denormal, x * E::two_to_fraction, x));
    const Whole half = as_whole(splat((REAL)0.70710678118654752440));
    Whole k = (bits - half) >> E::fraction;
    const Vector f = as_vector(bits - (k << E::fraction)) - 1;
    k -= denormal & (Whole{} + E::fraction);
    const Vector s = f / (f + 2), z = s * s, half_square = (REAL)0.5 * f * f;
    Vector p = splat((REAL)2 / (2 * E::log_terms + 1));
#pragma GCC unroll 16
    for (int i = E::log_terms - 1; i > 0; i--) p = p * z + (REAL)2 / (2 * i + 1);
    const Vector exponent = __builtin_convertvector(k, Vector);
    const Vector rest = half_square - (s * (half_square + z * p) + exponent * E::ln2_low);
    const Vector found = exponent * E::ln2_high + (f - rest);
    const Vector ends = choose(x < 0, splat((REAL)NAN), choose(x == 0, splat((REAL)-INFINITY), x));
    return choose((x > 0) & (x < (REAL)INFINITY), found, ends);
}
INLINE Vector log_one_plus(Vector x) {  // log (u + (x − (u − 1))) with u = 1 + x rounded
    const Vector u = x + 1;
    const Vector lost = (x - (u - 1)) / u;
    return logarithm(u) + choose((u > 0) & (u < (REAL)INFINITY), lost, Vector{});
}

// What is rare in a cell goes lane by lane through the C library.
#define LANEWISE(NAME, CALL)                                \
    INLINE Vector NAME(Vector x) {                          \
        Vector y;                                           \
        for (int i = 0; i < VL; i++) y[i] = CALL((REAL)x[i]); \
        return y;                                           \
    }
LANEWISE(square_root, std::sqrt)
LANEWISE(sine, std::sin)
LANEWISE(cosine, std::cos)
LANEWISE(error_function, std::erf)
INLINE Vector power(Vector x, REAL exponent) {
    Vector y;
    for (int i = 0; i < VL; i++) y[i] = std::pow((REAL)x[i], exponent);
    return y;
}

// As torch: a NaN on either side stays.
INLINE Vector larger(Vector a, Vector b) { return choose((a > b) | (a != a), a, b); }
INLINE Vector smaller(Vector a, Vector b) { return choose((a < b) | (a != a), a, b); }
INLINE Vector one_where(Whole mask) { return choose(mask, splat(1), splat(0)); }
INLINE Vector is_less(Vector a, Vector b) { return one_where(a < b); }
INLINE Vector is_at_most(Vector a, Vector b) { return one_where(a <= b); }
INLINE Vector is_equal(Vector a, Vector b) { return one_where(a == b); }
INLINE Vector where(Vector mask, Vector a, Vector b) { return choose(mask != 0, a, b); }

}  // namespace seqline

/* A map of activations: height, width and channels; how far pixels and rows are apart; where its first pixel is in the
   arena; what zero is stored as. Counted in activations. */
typedef struct {
  int h, w, c, pixel, row, at, zero;
} Map;

/* A convolution's window: steps down and to the right, padding above and on the left. */
typedef struct {
  int h, w, down, right, top, left;
} Window;

/* Weights, biases and scales of a layer, and the limits of its outputs, as distances from zero. */
typedef struct {
  const int8_t *weights;
  const int32_t *biases;
  const float *scales;
  int low, high;
#if USE_SIGNED
  int even; /* zero is stored as an even number, and 16 bits hold every output with it */
#endif
} Layer;

#if defined(__GNUC__) || defined(__clang__)
#define UNROLL _Pragma("GCC unroll 16")
#define UNUSED __attribute__((unused))
#define ALWAYS __attribute__((always_inline, unused))
#define IS_KNOWN(condition) (__builtin_constant_p(condition) && (condition)) /* where it is compiled */
#else
#define UNROLL
#define UNUSED
#define ALWAYS
#define IS_KNOWN(condition) 0
#endif
#ifdef __clang__ /* a turn is long enough */
#define ROLLED _Pragma("clang loop unroll(disable)")
#else
#define ROLLED
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define ONCE __attribute__((unused, noinline, noclone)) /* not again for every constant that it is called with */
#else
#define ONCE UNUSED
#endif

static inline UNUSED int limit(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

/* The nearest integer, halves to the even one; |x| < 2^22. */
static inline UNUSED int nearest(float x) {
#if defined(__SSE2__)
  return _mm_cvtss_si32(_mm_set_ss(x));
#elif defined(__aarch64__)
  return vcvtns_s32_f32(x);
#elif EDGEFER_IS_M && defined(__ARM_FP) && defined(__GNUC__) && !defined(__clang__)
  float stored;
  int32_t whole;
  __asm__("vcvtr.s32.f32 %0, %1" : "=t"(stored) : "t"(x));
  memcpy(&whole, &stored, sizeof whole);
  return whole;
#else
  int32_t bits;
#if defined(__FP_FAST_FMAF) && !defined(__STRICT_ANSI__)
  __asm__("" : "+m"(x)); /* so that no multiplication before is fused with this addition */
#endif
  x += 12582912.0f;
  memcpy(&bits, &x, sizeof bits);
  return bits - 0x4B400000;
#endif
}

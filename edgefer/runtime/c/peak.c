/* The most products of int8 that the kernels of model.c could compute here: a tile of four by three dot products over
   data that stays in the first cache. It stands behind begin.c and the choice of end.c. */
#define STEPS 16
#define ROWS 4
#define COLUMNS 3
#define PEAK(name, TARGET, BYTES, sums, bytes, ZERO, LOAD, MAC, STORE)                                              \
  TARGET static int64_t name(int64_t rounds, const int8_t *data, int32_t *out) {                                   \
    sums s[ROWS][COLUMNS];                                                                                          \
    for (int i = 0; i < ROWS; i++)                                                                                  \
      for (int j = 0; j < COLUMNS; j++) s[i][j] = ZERO;                                                             \
    for (int64_t round = 0; round < rounds; round++)                                                                \
      for (int k = 0; k < STEPS; k++) {                                                                             \
        const int8_t *p = data + k * (ROWS + COLUMNS) * BYTES;                                                      \
        bytes a[ROWS], w[COLUMNS];                                                                                  \
        for (int i = 0; i < ROWS; i++) a[i] = LOAD(p + i * BYTES);                                                  \
        for (int j = 0; j < COLUMNS; j++) w[j] = LOAD(p + (ROWS + j) * BYTES);                                      \
        for (int i = 0; i < ROWS; i++)                                                                              \
          for (int j = 0; j < COLUMNS; j++) s[i][j] = MAC(s[i][j], a[i], w[j]);                                     \
      }                                                                                                             \
    for (int i = 0; i < ROWS; i++)                                                                                  \
      for (int j = 0; j < COLUMNS; j++) STORE(out + (i * COLUMNS + j) * (BYTES / 4), s[i][j]);                      \
    return rounds * STEPS * ROWS * COLUMNS * BYTES;                                                                 \
  }

#if USE_AVX512
#define LOAD_512(p) _mm512_loadu_si512(p)
#define STORE_512(p, v) _mm512_storeu_si512(p, v)
PEAK(avx512_peak, __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), 64, __m512i, __m512i,
     _mm512_setzero_si512(), LOAD_512, _mm512_dpbusd_epi32, STORE_512)
#endif
#if USE_AVX2
#define LOAD_256(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE_256(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define MAC_256(s, a, w) _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, w), _mm256_set1_epi16(1)))
PEAK(avx2_peak, __attribute__((target("avx2"))), 32, __m256i, __m256i, _mm256_setzero_si256(), LOAD_256, MAC_256, STORE_256)
#endif
#if USE_SSE41
#define LOAD_128(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define STORE_128(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define MAC_128(s, a, w) _mm_add_epi32(s, _mm_madd_epi16(_mm_maddubs_epi16(a, w), _mm_set1_epi16(1)))
PEAK(sse41_peak, __attribute__((target("sse4.1"))), 16, __m128i, __m128i, _mm_setzero_si128(), LOAD_128, MAC_128, STORE_128)
#endif
#if USE_DOTPROD
PEAK(dotprod_peak, __attribute__((target("arch=armv8.2-a+dotprod"))), 16, int32x4_t, int8x16_t, vdupq_n_s32(0), vld1q_s8,
     vdotq_s32, vst1q_s32)
#endif
#if USE_NEON
#define MAC_NEON(s, a, w) \
  vpadalq_s16(vpadalq_s16(s, vmull_s8(vget_low_s8(a), vget_low_s8(w))), vmull_high_s8(a, w))
PEAK(neon_peak, , 16, int32x4_t, int8x16_t, vdupq_n_s32(0), vld1q_s8, MAC_NEON, vst1q_s32)
#endif
#if USE_PLAIN
static int64_t plain_peak(int64_t rounds, const int8_t *data, int32_t *out) {
  int32_t sum = 0;
  for (int64_t round = 0; round < rounds; round++)
    for (int k = 0; k < 1024; k++) sum += data[k] * data[1024 + k + (int)(round & 15)];
  *out = sum;
  return rounds * 1024;
}
#endif

/* Products computed in so many rounds; `data` has 7,168 bytes, `out` room for 192 sums. */
int64_t edgefer_peak(int64_t rounds, const int8_t *data, int32_t *out) {
  switch (chosen()) {
#if USE_AVX512
    case AVX512: return avx512_peak(rounds, data, out);
#endif
#if USE_AVX2
    case AVX2: return avx2_peak(rounds, data, out);
#endif
#if USE_SSE41
    case SSE41: return sse41_peak(rounds, data, out);
#endif
#if USE_DOTPROD
    case DOTPROD: return dotprod_peak(rounds, data, out);
#endif
#if USE_NEON
    case NEON: return neon_peak(rounds, data, out);
#endif
#if USE_PLAIN
    case PLAIN: return plain_peak(rounds, data, out);
#endif
    default: return 0;
  }
}

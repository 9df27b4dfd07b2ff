/* AVX2: eight outputs a vector. */
#define K_V 8
#define K_INLINE static inline ALWAYS __attribute__((target("avx2")))
#define K_FUNCTION static UNUSED __attribute__((target("avx2")))
#define K_UNROLL UNROLL
typedef int16_t k_act;
typedef __m256i k_vi;
typedef __m256 k_vf;
typedef __m256i k_va;
typedef __m256i k_vw;

K_INLINE k_vi k_set(int x) { return _mm256_set1_epi32(x); }
K_INLINE k_vf k_setf(float x) { return _mm256_set1_ps(x); }
K_INLINE k_vi k_ints(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
K_INLINE k_vf k_floats(const float *p) { return _mm256_loadu_ps(p); }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
K_INLINE k_va k_group(const k_act *p) { int32_t pair; memcpy(&pair, p, sizeof pair); return _mm256_set1_epi32(pair); }
K_INLINE k_va k_pairs(const k_act *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
K_INLINE k_vw k_weights(const int8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p)); }
K_INLINE k_vw k_wide(const k_act *p) { return _mm256_load_si256((const __m256i *)(const void *)p); }
K_INLINE void k_put_weights(k_act *p, k_vw v) { _mm256_store_si256((__m256i *)(void *)p, v); }
K_INLINE k_vw k_later(k_vw w) { return _mm256_slli_epi32(w, 16); }
K_INLINE k_vw k_straddling(k_vw w, k_vw x) { return _mm256_or_si256(_mm256_srli_epi32(w, 16), _mm256_slli_epi32(x, 16)); }
K_INLINE k_vi k_mac(k_vi s, k_va a, k_vw w) { return _mm256_add_epi32(s, _mm256_madd_epi16(a, w)); }
K_INLINE k_vi k_get(const k_act *p, int zero) { (void)zero; return _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
/* Lanes of eight values or of four numbers, `apart` in memory. */
K_INLINE __m256i k_two(const void *p, const void *q) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p)), _mm_loadu_si128((const __m128i *)q), 1);
}
K_INLINE k_va k_lanes(const k_act *p, int apart) { return apart == 8 ? k_pairs(p) : k_two(p, p + apart); }
K_INLINE k_vi k_ints_lanes(const int32_t *p, int apart) { return k_two(p, p + apart); }
K_INLINE k_vf k_floats_lanes(const float *p, int apart) { return _mm256_castsi256_ps(k_two(p, p + apart)); }
K_INLINE k_vw k_weights_lanes(const int8_t *p, int apart) {
  return _mm256_cvtepi8_epi16(_mm_unpacklo_epi64(_mm_loadl_epi64((const __m128i *)(const void *)p), _mm_loadl_epi64((const __m128i *)(const void *)(p + apart))));
}
K_INLINE k_va k_larger(k_va a, k_va b) { return _mm256_max_epi16(a, b); }
K_INLINE void k_put_pairs(k_act *p, k_va v) { _mm256_storeu_si256((__m256i *)(void *)p, v); }
K_INLINE void k_put_eight(k_act *p, k_va v) { _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(v)); }
K_INLINE k_va k_low(k_va a, k_va b) { return _mm256_unpacklo_epi16(a, b); }
K_INLINE k_va k_high(k_va a, k_va b) { return _mm256_unpackhi_epi16(a, b); }
K_INLINE k_vi k_plus(k_vi a, k_vi b) { return _mm256_add_epi32(a, b); }
K_INLINE k_vi k_times(k_vi a, k_vi b) { return _mm256_mullo_epi32(a, b); }
K_INLINE k_vi k_shifted(k_vi a, int bits) { return _mm256_srai_epi32(a, bits); }
K_INLINE k_vf k_real(k_vi a) { return _mm256_cvtepi32_ps(a); }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { return _mm256_mul_ps(a, b); }
K_INLINE k_vi k_nearest(k_vf a) { return _mm256_cvtps_epi32(a); }
K_INLINE k_vi k_scaled(k_vi a, k_vf s) { return k_nearest(k_timesf(k_real(a), s)); }
/* Two vectors as int16 within limits, four of a and four of b in each half. */
K_INLINE __m256i k_packed(k_vi a, k_vi b, int low, int high) {
  __m256i most = _mm256_set1_epi16((short)high);
  if (IS_KNOWN(low == 0)) return _mm256_min_epu16(_mm256_packus_epi32(a, b), most);
  return _mm256_min_epi16(_mm256_max_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16((short)low)), most);
}
K_INLINE void k_put2(k_act *p, k_act *q, k_vi a, k_vi b, int low, int high) {
  __m256i v = _mm256_permute4x64_epi64(k_packed(a, b, low, high), 0xD8);
  _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(v));
  _mm_storeu_si128((__m128i *)(void *)q, _mm256_extracti128_si256(v, 1));
}
K_INLINE void k_put(k_act *p, k_vi v, int low, int high) {
  _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(_mm256_permute4x64_epi64(k_packed(v, v, low, high), 0xD8)));
}
K_INLINE void k_put_two(k_act *p, k_vi a, k_vi b, int low, int high) {
  _mm256_storeu_si256((__m256i *)(void *)p, _mm256_permute4x64_epi64(k_packed(a, b, low, high), 0xD8));
}
K_INLINE void k_put_lanes(k_act *p, int apart, k_vi a, k_vi b, int low, int high) {
  __m256i v = k_packed(a, b, low, high);
  if (apart == 8) {
    _mm256_storeu_si256((__m256i *)(void *)p, v);
    return;
  }
  _mm_storeu_si128((__m128i *)(void *)p, _mm256_castsi256_si128(v));
  _mm_storeu_si128((__m128i *)(void *)(p + apart), _mm256_extracti128_si256(v, 1));
}
K_INLINE void k_put_pair(k_act *p, k_vi a, k_vi b, int low, int high) {
  __m256i v = k_packed(a, b, low, high);
  _mm256_storeu_si256((__m256i *)(void *)p, _mm256_shuffle_epi8(v, _mm256_setr_epi8(
      0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)));
}

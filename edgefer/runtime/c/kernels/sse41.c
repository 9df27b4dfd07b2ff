/* SSE4.1: four outputs a vector. */
#define K_V 4
#define K_INLINE static inline ALWAYS __attribute__((target("sse4.1")))
#define K_FUNCTION static UNUSED __attribute__((target("sse4.1")))
#define K_UNROLL UNROLL
typedef int16_t k_act;
typedef __m128i k_vi;
typedef __m128 k_vf;
typedef __m128i k_va;
typedef __m128i k_vw;

K_INLINE k_vi k_set(int x) { return _mm_set1_epi32(x); }
K_INLINE k_vf k_setf(float x) { return _mm_set1_ps(x); }
K_INLINE k_vi k_ints(const int32_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
K_INLINE k_vf k_floats(const float *p) { return _mm_loadu_ps(p); }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { _mm_storeu_si128((__m128i *)(void *)p, v); }
K_INLINE k_va k_group(const k_act *p) { int32_t pair; memcpy(&pair, p, sizeof pair); return _mm_set1_epi32(pair); }
K_INLINE k_va k_pairs(const k_act *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
K_INLINE k_vw k_weights(const int8_t *p) { return _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
K_INLINE k_vw k_wide(const k_act *p) { return _mm_load_si128((const __m128i *)(const void *)p); }
K_INLINE void k_put_weights(k_act *p, k_vw v) { _mm_store_si128((__m128i *)(void *)p, v); }
K_INLINE k_vw k_later(k_vw w) { return _mm_slli_epi32(w, 16); }
K_INLINE k_vw k_straddling(k_vw w, k_vw x) { return _mm_or_si128(_mm_srli_epi32(w, 16), _mm_slli_epi32(x, 16)); }
K_INLINE k_vi k_mac(k_vi s, k_va a, k_vw w) { return _mm_add_epi32(s, _mm_madd_epi16(a, w)); }
K_INLINE k_vi k_get(const k_act *p, int zero) { (void)zero; return _mm_cvtepi16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
/* Eight values or four numbers: the one lane that there is. */
K_INLINE k_va k_lanes(const k_act *p, int apart) { (void)apart; return k_pairs(p); }
K_INLINE k_vi k_ints_lanes(const int32_t *p, int apart) { (void)apart; return k_ints(p); }
K_INLINE k_vf k_floats_lanes(const float *p, int apart) { (void)apart; return k_floats(p); }
K_INLINE k_vw k_weights_lanes(const int8_t *p, int apart) { (void)apart; return k_weights(p); }
K_INLINE k_va k_larger(k_va a, k_va b) { return _mm_max_epi16(a, b); }
K_INLINE void k_put_pairs(k_act *p, k_va v) { _mm_storeu_si128((__m128i *)(void *)p, v); }
K_INLINE void k_put_eight(k_act *p, k_va v) { k_put_pairs(p, v); }
K_INLINE k_va k_low(k_va a, k_va b) { return _mm_unpacklo_epi16(a, b); }
K_INLINE k_va k_high(k_va a, k_va b) { return _mm_unpackhi_epi16(a, b); }
K_INLINE k_vi k_plus(k_vi a, k_vi b) { return _mm_add_epi32(a, b); }
K_INLINE k_vi k_times(k_vi a, k_vi b) { return _mm_mullo_epi32(a, b); }
K_INLINE k_vi k_shifted(k_vi a, int bits) { return _mm_srai_epi32(a, bits); }
K_INLINE k_vf k_real(k_vi a) { return _mm_cvtepi32_ps(a); }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { return _mm_mul_ps(a, b); }
K_INLINE k_vi k_nearest(k_vf a) { return _mm_cvtps_epi32(a); }
K_INLINE k_vi k_scaled(k_vi a, k_vf s) { return k_nearest(k_timesf(k_real(a), s)); }
/* Two vectors as int16 within limits. */
K_INLINE __m128i k_packed(k_vi a, k_vi b, int low, int high) {
  __m128i most = _mm_set1_epi16((short)high);
  if (IS_KNOWN(low == 0)) return _mm_min_epu16(_mm_packus_epi32(a, b), most);
  return _mm_min_epi16(_mm_max_epi16(_mm_packs_epi32(a, b), _mm_set1_epi16((short)low)), most);
}
K_INLINE void k_put2(k_act *p, k_act *q, k_vi a, k_vi b, int low, int high) {
  __m128i v = k_packed(a, b, low, high);
  _mm_storel_epi64((__m128i *)(void *)p, v);
  _mm_storel_epi64((__m128i *)(void *)q, _mm_srli_si128(v, 8));
}
K_INLINE void k_put(k_act *p, k_vi v, int low, int high) { _mm_storel_epi64((__m128i *)(void *)p, k_packed(v, v, low, high)); }
K_INLINE void k_put_two(k_act *p, k_vi a, k_vi b, int low, int high) {
  _mm_storeu_si128((__m128i *)(void *)p, k_packed(a, b, low, high));
}
K_INLINE void k_put_lanes(k_act *p, int apart, k_vi a, k_vi b, int low, int high) { (void)apart; k_put_two(p, a, b, low, high); }
K_INLINE void k_put_pair(k_act *p, k_vi a, k_vi b, int low, int high) {
  __m128i v = k_packed(a, b, low, high);
  _mm_storeu_si128((__m128i *)(void *)p, _mm_unpacklo_epi16(v, _mm_srli_si128(v, 8)));
}

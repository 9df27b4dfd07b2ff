/* AVX-512 with VNNI: sixteen outputs a vector, four products at a time; activations are uint8. */
#define K_V 16
#define K_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define K_INLINE static inline ALWAYS K_TARGET
#define K_FUNCTION static UNUSED K_TARGET
#define K_UNROLL UNROLL
typedef uint8_t k_act;
typedef __m512i k_vi;
typedef __m512 k_vf;
typedef __m512i k_va;
typedef __m512i k_vw;

K_INLINE k_vi k_set(int x) { return _mm512_set1_epi32(x); }
K_INLINE k_vf k_setf(float x) { return _mm512_set1_ps(x); }
K_INLINE k_vi k_ints(const int32_t *p) { return _mm512_loadu_si512(p); }
K_INLINE k_vf k_floats(const float *p) { return _mm512_loadu_ps(p); }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { _mm512_storeu_si512(p, v); }
K_INLINE k_va k_group(const k_act *p) { int32_t four; memcpy(&four, p, sizeof four); return _mm512_set1_epi32(four); }
K_INLINE k_va k_fours(const k_act *p) { return _mm512_loadu_si512(p); }
K_INLINE k_vw k_weights(const int8_t *p) { return _mm512_loadu_si512(p); }
K_INLINE k_vw k_later(k_vw w) { return _mm512_slli_epi32(w, 8); }
K_INLINE k_vi k_mac(k_vi s, k_va a, k_vw w) { return _mm512_dpbusd_epi32(s, a, w); }
K_INLINE k_vi k_tap(const int8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
K_INLINE k_vi k_mac_tap(k_vi s, k_vi a, k_vi w) { return _mm512_add_epi32(s, _mm512_madd_epi16(a, _mm512_and_si512(w, _mm512_set1_epi32(0xFFFF)))); }
K_INLINE k_vi k_get(const k_act *p, int zero) {
  return _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)), _mm512_set1_epi32(zero));
}
#define K_GETS_PARTS
K_INLINE k_vi k_get_part(const k_act *p, int zero, int count) {
  __mmask16 there = (__mmask16)((1u << (count < 16 ? count : 16)) - 1);
  return _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(there, p)), _mm512_set1_epi32(zero));
}
K_INLINE k_vi k_plus(k_vi a, k_vi b) { return _mm512_add_epi32(a, b); }
K_INLINE k_vi k_times(k_vi a, k_vi b) { return _mm512_mullo_epi32(a, b); }
K_INLINE k_vi k_shifted(k_vi a, int bits) { return _mm512_sra_epi32(a, _mm_cvtsi32_si128(bits)); }
K_INLINE k_vf k_real(k_vi a) { return _mm512_cvtepi32_ps(a); }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { return _mm512_mul_ps(a, b); }
K_INLINE k_vi k_nearest(k_vf a) { return _mm512_cvtps_epi32(a); }
K_INLINE k_vi k_scaled(k_vi a, k_vf s) { return k_nearest(k_timesf(k_real(a), s)); }
/* Two vectors within limits as int16 as they are stored: in each lane of 128 bits four of a and four of b. */
K_INLINE __m512i k_paired(k_vi a, k_vi b, int low, int high, int zero) {
  __m512i v = _mm512_packs_epi32(a, b);
  if (low + zero > 0 || high + zero < 255)
    v = _mm512_min_epi16(_mm512_max_epi16(v, _mm512_set1_epi16((short)low)), _mm512_set1_epi16((short)high));
  return zero ? _mm512_adds_epi16(v, _mm512_set1_epi16((short)zero)) : v;
}
K_INLINE void k_put_lane(k_act *to, __m128i v, int count) {
  if (count >= 16) _mm_storeu_si128((__m128i *)(void *)to, v);
  else if (count == 8) _mm_storel_epi64((__m128i *)(void *)to, v);
  else _mm_mask_storeu_epi8(to, (__mmask16)((1u << count) - 1), v);
}
/* Of up to four pixels `count` channels each. */
K_INLINE void k_put_pixels(int pixels, k_act *to, int step, const k_vi *v, int low, int high, int zero, int count) {
  __m512i first = k_paired(v[0], v[pixels > 1], low, high, zero), r = first;
  if (pixels > 2) r = k_paired(v[2], v[pixels > 3 ? 3 : 2], low, high, zero);
  r = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), _mm512_packus_epi16(first, r));
  if (step == 16 && count >= 16 && pixels == 4) {
    _mm512_storeu_si512(to, r);
    return;
  }
  k_put_lane(to, _mm512_castsi512_si128(r), count);
  if (pixels > 1) k_put_lane(to + step, _mm512_extracti32x4_epi32(r, 1), count);
  if (pixels > 2) k_put_lane(to + 2 * step, _mm512_extracti32x4_epi32(r, 2), count);
  if (pixels > 3) k_put_lane(to + 3 * step, _mm512_extracti32x4_epi32(r, 3), count);
}
K_INLINE void k_put4(k_act *to, int step, const k_vi *v, int low, int high, int zero, int count) {
  k_put_pixels(4, to, step, v, low, high, zero, count);
}
K_INLINE void k_put1(k_act *to, k_vi v, int low, int high, int zero, int count) {
  v = _mm512_min_epi32(_mm512_max_epi32(v, _mm512_set1_epi32(low)), _mm512_set1_epi32(high));
  k_put_lane(to, _mm512_cvtepi32_epi8(_mm512_add_epi32(v, _mm512_set1_epi32(zero))), count);
}
/* Two pairs of columns, each channel's four side by side. */
K_INLINE void k_put_four(k_act *to, __m512i pair, __m512i next) {
  __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  _mm512_storeu_si512(to, _mm512_shuffle_epi8(_mm512_packus_epi16(pair, next), order));
}

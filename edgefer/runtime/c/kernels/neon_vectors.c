/* NEON of 64-bit ARM: sixteen outputs in four vectors; activations are int8. What multiplies is the
   kernel's own: k_sums, and the rows between two fused layers. */
#define K_V 16
#define K_INLINE static inline ALWAYS K_TARGET
#define K_FUNCTION static UNUSED K_TARGET
#define K_UNROLL UNROLL
#define K_SUM(i, e) sums[((i) * parts + (e)) / 4].v[((i) * parts + (e)) % 4] /* of pixel i, four outputs */
#define K_EACH K_UNROLL for (int e = 0; e < 4; e++)
#if defined(__clang__) || defined(__STRICT_ANSI__)
#define K_ROUNDED(a)
#else
#define K_ROUNDED(a) __asm__("" : "+w"(a)) /* so that no multiplication is fused with the addition behind it */
#endif
typedef int8_t k_act;
typedef struct { int32x4_t v[4]; } k_vi;
typedef struct { float32x4_t v[4]; } k_vf;

K_INLINE k_vi k_set(int x) { k_vi r; K_EACH r.v[e] = vdupq_n_s32(x); return r; }
K_INLINE k_vf k_setf(float x) { k_vf r; K_EACH r.v[e] = vdupq_n_f32(x); return r; }
K_INLINE k_vi k_ints(const int32_t *p) { k_vi r; K_EACH r.v[e] = vld1q_s32(p + 4 * e); return r; }
K_INLINE k_vf k_floats(const float *p) { k_vf r; K_EACH r.v[e] = vld1q_f32(p + 4 * e); return r; }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { K_EACH vst1q_s32(p + 4 * e, v.v[e]); }
K_INLINE k_vi k_wide16(int16x8_t l, int16x8_t h) {
  return (k_vi){{vmovl_s16(vget_low_s16(l)), vmovl_high_s16(l), vmovl_s16(vget_low_s16(h)), vmovl_high_s16(h)}};
}
K_INLINE k_vi k_wide(int8x16_t v) { return k_wide16(vmovl_s8(vget_low_s8(v)), vmovl_high_s8(v)); }
K_INLINE k_vi k_get(const k_act *p, int zero) {
  int16x8_t less = vdupq_n_s16((int16_t)zero);
  int8x16_t v = vld1q_s8(p);
  return k_wide16(vsubq_s16(vmovl_s8(vget_low_s8(v)), less), vsubq_s16(vmovl_high_s8(v), less));
}
K_INLINE k_vi k_plus(k_vi a, k_vi b) { K_EACH a.v[e] = vaddq_s32(a.v[e], b.v[e]); return a; }
K_INLINE k_vf k_real(k_vi a) { k_vf r; K_EACH r.v[e] = vcvtq_f32_s32(a.v[e]); return r; }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { K_EACH a.v[e] = vmulq_f32(a.v[e], b.v[e]); return a; }
K_INLINE k_vi k_nearest(k_vf a) { k_vi r; K_EACH r.v[e] = vcvtnq_s32_f32(a.v[e]); return r; }
K_INLINE k_vi k_scaled(k_vi a, k_vf s) { return k_nearest(k_timesf(k_real(a), s)); }
K_INLINE int8x16_t k_packed(k_vi a, int low, int high, int zero) {
  int16x8_t l = vqmovn_high_s32(vqmovn_s32(a.v[0]), a.v[1]), h = vqmovn_high_s32(vqmovn_s32(a.v[2]), a.v[3]);
  int narrower = (low + zero + 128) | (127 - high - zero); /* than int8 */
  l = vqaddq_s16(l, vdupq_n_s16((int16_t)zero)), h = vqaddq_s16(h, vdupq_n_s16((int16_t)zero));
  int8x16_t r = vqmovn_high_s16(vqmovn_s16(l), h);
  if (narrower) r = vminq_s8(vmaxq_s8(r, vdupq_n_s8((int8_t)(low + zero))), vdupq_n_s8((int8_t)(high + zero)));
  return r;
}
K_INLINE void k_put_lane(k_act *to, int8x16_t v, int count) {
  if (count >= 16) vst1q_s8(to, v);
  else if (count == 8) vst1_s8(to, vget_low_s8(v));
  else {
    k_act part[16];
    vst1q_s8(part, v);
    memcpy(to, part, (size_t)count);
  }
}
K_INLINE void k_put1(k_act *to, k_vi v, int low, int high, int zero, int count) { k_put_lane(to, k_packed(v, low, high, zero), count); }

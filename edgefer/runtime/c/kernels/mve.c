/* Helium (MVE) of Armv8.1-M: four outputs a vector, sixteen products an instruction. */
#define K_V 4
#define K_INLINE static inline ALWAYS
#define K_FUNCTION static ONCE
#define K_LARGE static ONCE
#define K_UNROLL UNROLL
typedef int8_t k_act;
typedef int32x4_t k_vi;
typedef float32x4_t k_vf;

K_INLINE k_vi k_set(int x) { return vdupq_n_s32(x); }
K_INLINE k_vf k_setf(float x) { return vdupq_n_f32(x); }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { vst1q_s32(p, v); }
K_INLINE k_vi k_get(const k_act *p, int zero) { return vsubq_n_s32(vldrbq_s32(p), zero); }
K_INLINE k_vi k_plus(k_vi a, k_vi b) { return vaddq_s32(a, b); }
K_INLINE k_vi k_times(k_vi a, k_vi b) { return vmulq_s32(a, b); }
K_INLINE k_vi k_shifted(k_vi a, int bits) { return vshlq_s32(a, vdupq_n_s32(-bits)); }
K_INLINE k_vf k_real(k_vi a) { return vcvtq_f32_s32(a); }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { return vmulq_f32(a, b); }
K_INLINE k_vi k_nearest(k_vf a) { return vcvtnq_s32_f32(a); }
K_INLINE void k_put1(k_act *to, k_vi v, int low, int high, int zero, int count) {
  v = vaddq_n_s32(vminq_s32(vmaxq_s32(v, vdupq_n_s32(low)), vdupq_n_s32(high)), zero);
  if (count >= 4) vstrbq_s32(to, v);
  else vstrbq_p_s32(to, v, vctp32q((uint32_t)count));
}

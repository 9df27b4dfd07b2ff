/* WebAssembly's 128-bit SIMD: four outputs a vector. */
#define K_V 4
#define K_INLINE static inline ALWAYS
#define K_FUNCTION static UNUSED __attribute__((noinline))
#define K_LARGE K_FUNCTION
#define K_UNROLL UNROLL
/* Nothing is moved across: LLVM adds several groups to each other first, and then the sums do not fit the registers. */
#define K_KEEP(v) __asm__ volatile("" : "+r"(v)::"memory")
typedef int16_t k_act;
typedef v128_t k_vi;
typedef v128_t k_vf;
typedef v128_t k_va;
typedef v128_t k_vw;

K_INLINE k_vi k_set(int x) { return wasm_i32x4_splat(x); }
K_INLINE k_vf k_setf(float x) { return wasm_f32x4_splat(x); }
K_INLINE k_vi k_ints(const int32_t *p) { return wasm_v128_load(p); }
K_INLINE k_vf k_floats(const float *p) { return wasm_v128_load(p); }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { wasm_v128_store(p, v); }
K_INLINE k_va k_group(const k_act *p) { return wasm_v128_load32_splat(p); }
K_INLINE k_va k_pairs(const k_act *p) { return wasm_v128_load(p); }
K_INLINE k_vw k_weights(const int8_t *p) { return wasm_i16x8_load8x8(p); }
K_INLINE k_vw k_later(k_vw w) { return wasm_i32x4_shl(w, 16); }
K_INLINE k_vw k_straddling(k_vw w, k_vw x) { return wasm_v128_or(wasm_u32x4_shr(w, 16), wasm_i32x4_shl(x, 16)); }
K_INLINE k_vi k_mac(k_vi s, k_va a, k_vw w) { return wasm_i32x4_add(s, wasm_i32x4_dot_i16x8(a, w)); }
K_INLINE k_vi k_get(const k_act *p, int zero) { (void)zero; return wasm_i32x4_load16x4(p); }
/* Eight values or four numbers: the one lane that there is. */
K_INLINE k_va k_lanes(const k_act *p, int apart) { (void)apart; return k_pairs(p); }
K_INLINE k_vi k_ints_lanes(const int32_t *p, int apart) { (void)apart; return k_ints(p); }
K_INLINE k_vf k_floats_lanes(const float *p, int apart) { (void)apart; return k_floats(p); }
K_INLINE k_vw k_weights_lanes(const int8_t *p, int apart) { (void)apart; return k_weights(p); }
K_INLINE k_va k_larger(k_va a, k_va b) { return wasm_i16x8_max(a, b); }
K_INLINE void k_put_pairs(k_act *p, k_va v) { wasm_v128_store(p, v); }
K_INLINE void k_put_eight(k_act *p, k_va v) { k_put_pairs(p, v); }
K_INLINE k_va k_low(k_va a, k_va b) { return wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
K_INLINE k_va k_high(k_va a, k_va b) { return wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
K_INLINE k_vi k_plus(k_vi a, k_vi b) { return wasm_i32x4_add(a, b); }
K_INLINE k_vi k_times(k_vi a, k_vi b) { return wasm_i32x4_mul(a, b); }
K_INLINE k_vi k_shifted(k_vi a, int bits) { return wasm_i32x4_shr(a, (uint32_t)bits); }
K_INLINE k_vf k_real(k_vi a) { return wasm_f32x4_convert_i32x4(a); }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { return wasm_f32x4_mul(a, b); }
/* 1.5 * 2^23 from memory: V8 makes a constant anew wherever it is used, of three instructions. */
static const float k_magic[1] = {12582912.0f};
K_INLINE k_vi k_nearest(k_vf a) {
  const float *p = k_magic;
  __asm__("" : "+r"(p)); /* the compiler knows the number too */
  k_vf magic = wasm_v128_load32_splat(p);
  return wasm_i32x4_sub(wasm_f32x4_add(a, magic), magic);
}
K_INLINE k_vi k_scaled(k_vi a, k_vf s) { return k_nearest(k_timesf(k_real(a), s)); }
K_INLINE v128_t k_limited(v128_t v, int low, int high) {
  return wasm_i16x8_min(wasm_i16x8_max(v, wasm_i16x8_splat((int16_t)low)), wasm_i16x8_splat((int16_t)high));
}
K_INLINE void k_put(k_act *p, k_vi v, int low, int high) {
  wasm_v128_store64_lane(p, k_limited(wasm_i16x8_narrow_i32x4(v, v), low, high), 0);
}
K_INLINE void k_put2(k_act *p, k_act *q, k_vi a, k_vi b, int low, int high) {
  v128_t v = k_limited(wasm_i16x8_narrow_i32x4(a, b), low, high);
  wasm_v128_store64_lane(p, v, 0);
  wasm_v128_store64_lane(q, v, 1);
}
K_INLINE void k_put_lanes(k_act *p, int apart, k_vi a, k_vi b, int low, int high) {
  (void)apart;
  wasm_v128_store(p, k_limited(wasm_i16x8_narrow_i32x4(a, b), low, high));
}
K_INLINE void k_put_pair(k_act *p, k_vi a, k_vi b, int low, int high) {
  v128_t first = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), second = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
  wasm_v128_store(p, k_limited(wasm_i16x8_narrow_i32x4(first, second), low, high));
}

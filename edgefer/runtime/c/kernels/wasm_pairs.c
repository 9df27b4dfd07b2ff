/* Pairs for 128-bit SIMD. */
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

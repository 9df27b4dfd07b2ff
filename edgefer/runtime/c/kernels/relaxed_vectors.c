/* Relaxed SIMD: four products at a time. What the dot product does with the eighth bit of a stored byte is the engine's
   choice: these kernels run only where relaxed_rule() is theirs. */
K_INLINE k_va k_group(const k_act *p) { return wasm_v128_load32_splat(p); }
K_INLINE k_vw k_weights(const int8_t *p) { return wasm_v128_load(p); }
K_INLINE k_vi k_mac(k_vi s, k_va a, k_vw w) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, a, s); }
K_INLINE k_vi k_tap(const int8_t *p) { return wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(p))); }
K_INLINE k_vi k_mac_tap(k_vi s, k_vi a, k_vi w) { return k_plus(s, k_times(a, w)); }
K_INLINE k_vi k_get(const k_act *p, int zero) {
  return wasm_i32x4_sub(wasm_i32x4_extend_low_i16x8(K_WIDER(wasm_v128_load32_zero(p))), k_set(zero));
}
/* Outputs of weights side by side in a layer. */
K_INLINE int k_block(int channels) { return channels % 16 ? 8 : 16; }
/* What rounding adds less what zero is stored as: taken off, it leaves a value as it is stored, without limits. */
K_INLINE k_vi k_less(int zero) { return k_set(0x4B400000 - zero); }
K_INLINE k_vi k_rounded(k_vf a, k_vi less) {
  const float *p = k_magic;
  __asm__("" : "+r"(p)); /* as in k_nearest */
  return wasm_i32x4_sub(wasm_f32x4_add(a, wasm_v128_load32_splat(p)), less);
}
K_INLINE k_vi k_stored(k_vi a, k_vf s, k_vi less) { return k_rounded(k_timesf(k_real(a), s), less); }
typedef struct { v128_t low, high; } k_Limits;
K_INLINE k_Limits k_limits(int low, int high, int zero) {
  k_Limits r = {wasm_i8x16_splat((int8_t)(low + zero)), wasm_i8x16_splat((int8_t)(high + zero))};
  return r;
}
/* Four vectors of stored values as bytes within limits. */
K_INLINE v128_t k_packed(k_vi a, k_vi b, k_vi c, k_vi d, k_Limits limits) {
  v128_t v = K_BYTES(wasm_i16x8_narrow_i32x4(a, b), wasm_i16x8_narrow_i32x4(c, d));
  return K_LOWER(K_HIGHER(v, limits.low), limits.high);
}
K_INLINE v128_t k_low_bytes(v128_t a, v128_t b) {
  return wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
K_INLINE v128_t k_low_words(v128_t a, v128_t b) { return wasm_i16x8_shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
K_INLINE v128_t k_high_words(v128_t a, v128_t b) { return wasm_i16x8_shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
K_INLINE void k_put4(k_act *to, int step, const k_vi *a, int low, int high, int zero, int count) {
  k_vi z = k_set(zero);
  v128_t v = k_packed(k_plus(a[0], z), k_plus(a[1], z), k_plus(a[2], z), k_plus(a[3], z), k_limits(low, high, zero));
  (void)count; /* channels are a multiple of 8 */
  wasm_v128_store32_lane(to, v, 0);
  wasm_v128_store32_lane(to + step, v, 1);
  wasm_v128_store32_lane(to + 2 * step, v, 2);
  wasm_v128_store32_lane(to + 3 * step, v, 3);
}
K_INLINE void k_put1(k_act *to, k_vi a, int low, int high, int zero, int count) {
  k_vi stored = k_plus(a, k_set(zero));
  v128_t v = k_packed(stored, stored, stored, stored, k_limits(low, high, zero));
  if (count >= 4) wasm_v128_store32_lane(to, v, 0);
  else {
    k_act part[4];
    wasm_v128_store32_lane(part, v, 0);
    memcpy(to, part, (size_t)count);
  }
}

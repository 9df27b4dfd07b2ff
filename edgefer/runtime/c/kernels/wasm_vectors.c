/* WebAssembly's 128-bit SIMD: four outputs a vector. */
#define K_V 4
#define K_INLINE static inline ALWAYS
#define K_FUNCTION static UNUSED __attribute__((noinline))
#define K_LARGE K_FUNCTION
#define K_UNROLL UNROLL
/* Nothing is moved across: LLVM adds several groups to each other first, and then the sums do not fit the registers. */
#define K_KEEP(v) __asm__ volatile("" : "+r"(v)::"memory")
typedef v128_t k_vi;
typedef v128_t k_vf;
typedef v128_t k_va;
typedef v128_t k_vw;

K_INLINE k_vi k_set(int x) { return wasm_i32x4_splat(x); }
K_INLINE k_vf k_setf(float x) { return wasm_f32x4_splat(x); }
K_INLINE k_vi k_ints(const int32_t *p) { return wasm_v128_load(p); }
K_INLINE k_vf k_floats(const float *p) { return wasm_v128_load(p); }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { wasm_v128_store(p, v); }
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

#define K_V 1
#define K_INLINE static inline ALWAYS
#define K_FUNCTION static ONCE
#define K_LARGE static ONCE
#define K_UNROLL UNROLL
typedef uint8_t k_act;
typedef int32_t k_vi;
typedef float k_vf;

K_INLINE k_vi k_set(int x) { return x; }
K_INLINE k_vf k_setf(float x) { return x; }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { *p = v; }
K_INLINE k_vi k_get(const k_act *p, int zero) { return *p - zero; }
K_INLINE k_vi k_plus(k_vi a, k_vi b) { return a + b; }
K_INLINE k_vi k_times(k_vi a, k_vi b) { return a * b; }
K_INLINE k_vi k_shifted(k_vi a, int bits) { return a >> bits; }
K_INLINE k_vf k_real(k_vi a) { return (float)a; }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { return a * b; }
K_INLINE k_vi k_nearest(k_vf a) { return nearest(a); }
K_INLINE void k_put1(k_act *to, k_vi v, int low, int high, int zero, int count) {
  (void)count;
  *to = (k_act)(limit(v, low, high) + zero);
}

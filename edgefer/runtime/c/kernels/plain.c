/* Plain C: eight outputs a vector. */
#define K_V 8
#define K_INLINE static UNUSED
#define K_FUNCTION static ONCE
#define K_UNROLL
#define K_KEEP(v) (void)v
typedef int16_t k_act;
typedef struct { int32_t v[8]; } k_vi;
typedef struct { float v[8]; } k_vf;
typedef struct { int16_t v[16]; } k_va;
typedef k_va k_vw;
#define EACH for (int i = 0; i < 8; i++)

K_INLINE k_vi k_set(int x) { k_vi r; EACH r.v[i] = x; return r; }
K_INLINE k_vf k_setf(float x) { k_vf r; EACH r.v[i] = x; return r; }
K_INLINE k_vi k_ints(const int32_t *p) { k_vi r; memcpy(&r, p, sizeof r); return r; }
K_INLINE k_vf k_floats(const float *p) { k_vf r; memcpy(&r, p, sizeof r); return r; }
K_INLINE void k_put_ints(int32_t *p, k_vi v) { memcpy(p, &v, sizeof v); }
K_INLINE k_va k_group(const k_act *p) { k_va r; EACH r.v[2 * i] = p[0], r.v[2 * i + 1] = p[1]; return r; }
K_INLINE k_va k_pairs(const k_act *p) { k_va r; memcpy(&r, p, sizeof r); return r; }
K_INLINE k_vw k_weights(const int8_t *p) { k_vw r; for (int i = 0; i < 16; i++) r.v[i] = p[i]; return r; }
K_INLINE k_vw k_later(k_vw w) { k_vw r; EACH r.v[2 * i] = 0, r.v[2 * i + 1] = w.v[2 * i]; return r; }
K_INLINE k_vw k_straddling(k_vw w, k_vw x) { k_vw r; EACH r.v[2 * i] = w.v[2 * i + 1], r.v[2 * i + 1] = x.v[2 * i]; return r; }
K_INLINE k_vi k_mac(k_vi s, k_va a, k_vw w) { EACH s.v[i] += a.v[2 * i] * w.v[2 * i] + a.v[2 * i + 1] * w.v[2 * i + 1]; return s; }
K_INLINE k_vi k_get(const k_act *p, int zero) { k_vi r; (void)zero; EACH r.v[i] = p[i]; return r; }
/* Lanes of eight values or of four numbers, `apart` in memory. */
K_INLINE k_va k_lanes(const k_act *p, int apart) { k_va r; EACH r.v[i] = p[i], r.v[8 + i] = p[apart + i]; return r; }
K_INLINE k_vi k_ints_lanes(const int32_t *p, int apart) { k_vi r; EACH r.v[i] = p[i % 4 + i / 4 * apart]; return r; }
K_INLINE k_vf k_floats_lanes(const float *p, int apart) { k_vf r; EACH r.v[i] = p[i % 4 + i / 4 * apart]; return r; }
K_INLINE k_vw k_weights_lanes(const int8_t *p, int apart) { k_vw r; EACH r.v[i] = p[i], r.v[8 + i] = p[apart + i]; return r; }
K_INLINE k_va k_larger(k_va a, k_va b) { for (int i = 0; i < 16; i++) a.v[i] = a.v[i] > b.v[i] ? a.v[i] : b.v[i]; return a; }
K_INLINE void k_put_pairs(k_act *p, k_va v) { memcpy(p, &v, sizeof v); }
K_INLINE void k_put_eight(k_act *p, k_va v) { memcpy(p, &v, sizeof v / 2); }
K_INLINE k_va k_low(k_va a, k_va b) { k_va r; EACH r.v[2 * i] = a.v[i % 4 + i / 4 * 8], r.v[2 * i + 1] = b.v[i % 4 + i / 4 * 8]; return r; }
K_INLINE k_va k_high(k_va a, k_va b) { k_va r; EACH r.v[2 * i] = a.v[4 + i % 4 + i / 4 * 8], r.v[2 * i + 1] = b.v[4 + i % 4 + i / 4 * 8]; return r; }
K_INLINE k_vi k_plus(k_vi a, k_vi b) { EACH a.v[i] += b.v[i]; return a; }
K_INLINE k_vi k_times(k_vi a, k_vi b) { EACH a.v[i] *= b.v[i]; return a; }
K_INLINE k_vi k_shifted(k_vi a, int bits) { EACH a.v[i] >>= bits; return a; }
K_INLINE k_vf k_real(k_vi a) { k_vf r; EACH r.v[i] = (float)a.v[i]; return r; }
K_INLINE k_vf k_timesf(k_vf a, k_vf b) { EACH a.v[i] *= b.v[i]; return a; }
K_INLINE k_vi k_nearest(k_vf a) { k_vi r; EACH r.v[i] = nearest(a.v[i]); return r; }
K_INLINE k_vi k_scaled(k_vi a, k_vf s) { return k_nearest(k_timesf(k_real(a), s)); }
K_INLINE void k_put(k_act *p, k_vi v, int low, int high) { EACH p[i] = (k_act)limit(v.v[i], low, high); }
K_INLINE void k_put2(k_act *p, k_act *q, k_vi a, k_vi b, int low, int high) {
  EACH p[i] = (k_act)limit(a.v[i], low, high);
  EACH q[i] = (k_act)limit(b.v[i], low, high);
}
K_INLINE void k_put_lanes(k_act *p, int apart, k_vi a, k_vi b, int low, int high) {
  EACH p[i % 4 + i / 4 * apart] = (k_act)limit(a.v[i], low, high);
  EACH p[4 + i % 4 + i / 4 * apart] = (k_act)limit(b.v[i], low, high);
}
K_INLINE void k_put_pair(k_act *p, k_vi a, k_vi b, int low, int high) {
  EACH p[2 * i] = (k_act)limit(a.v[i], low, high), p[2 * i + 1] = (k_act)limit(b.v[i], low, high);
}
#undef EACH

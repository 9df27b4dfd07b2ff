/* NEON with the dot product of ARMv8.2. */
#define K_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
static inline ALWAYS K_TARGET int32x4_t k_dot(int32x4_t s, int8x16_t a, int8x16_t w) { return vdotq_s32(s, w, a); }

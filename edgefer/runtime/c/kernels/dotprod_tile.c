/* Sums of `pixels` pixels by `parts` fours of outputs, over `rows` stretches of `groups` groups of inputs: sixteen inputs
   of a pixel are loaded at once, and each dot product takes four of them. What lies behind the last group is not used. */
#define K_LANE(n)                                                                                                   \
  K_UNROLL for (int e = 0; e < parts; e++) {                                                                        \
    int8x16_t u = vld1q_s8(w + (n) * K_STEP + 16 * e);                                                              \
    K_UNROLL for (int i = 0; i < pixels; i++) K_SUM(i, e) = vdotq_laneq_s32(K_SUM(i, e), u, a[i], n); \
  }
K_INLINE void k_sums(k_vi *sums, int parts, int pixels, const k_act *in, int pixel, int row, int rows, int groups,
                     const int8_t *w, const int32_t *biases) {
  K_UNROLL for (int i = 0; i < pixels; i++)
    K_UNROLL for (int e = 0; e < parts; e++) K_SUM(i, e) = vld1q_s32(biases + 4 * e);
  for (int r = 0; r < rows; r++, in += row) {
    int8x16_t a[8];
    const k_act *at = in;
    int left = groups;
    for (; left >= 4; left -= 4, at += 4 * K_GROUP, w += 4 * K_STEP) {
      K_UNROLL for (int i = 0; i < pixels; i++) a[i] = vld1q_s8(at + i * pixel);
      K_LANE(0) K_LANE(1) K_LANE(2) K_LANE(3)
    }
    if (left > 0) {
      K_UNROLL for (int i = 0; i < pixels; i++) a[i] = vld1q_s8(at + i * pixel);
      K_LANE(0)
      if (left > 1) K_LANE(1)
      if (left > 2) K_LANE(2)
      w += left * K_STEP;
    }
  }
}
#undef K_LANE

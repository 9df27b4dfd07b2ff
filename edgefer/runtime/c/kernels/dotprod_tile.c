/* As tile.c, by lanes: sixteen inputs of a pixel are loaded at once, and each dot product takes four of them. */
#define K_LANE(n)                                                        \
  {                                                                      \
    k_vw u = k_weights(w + (n) * K_STEP);                                \
    K_UNROLL for (int i = 0; i < pixels; i++)                            \
      K_EACH sums[i].v[e] = vdotq_laneq_s32(sums[i].v[e], u.v[e], a[i], n); \
  }
K_INLINE void k_tile(k_vi *sums, int vectors, int pixels, const k_act *in, int pixel, int row, int rows, int groups,
                     const int8_t *w, const int32_t *biases) {
  (void)vectors;
  K_UNROLL for (int i = 0; i < pixels; i++) sums[i] = k_ints(biases);
  for (int r = 0; r < rows; r++, in += row) {
    int8x16_t a[8];
    const k_act *at = in;
    int left = groups;
    for (; left >= 4; left -= 4, at += 4 * K_GROUP, w += 4 * K_STEP) {
      K_UNROLL for (int i = 0; i < pixels; i++) a[i] = vld1q_s8(at + i * pixel);
      K_LANE(0) K_LANE(1) K_LANE(2) K_LANE(3)
    }
    if (left >= 2) {
      K_UNROLL for (int i = 0; i < pixels; i++) a[i] = vcombine_s8(vld1_s8(at + i * pixel), vdup_n_s8(0));
      K_LANE(0) K_LANE(1)
      left -= 2, at += 2 * K_GROUP, w += 2 * K_STEP;
    }
    if (left) {
      K_UNROLL for (int i = 0; i < pixels; i++) a[i] = k_four(at + i * pixel);
      K_LANE(0)
      w += K_STEP;
    }
  }
}
#undef K_LANE

/* As tile.c: two products are added in 16 bits before they go to 32, for two pixels at a time. */
K_INLINE void k_tile(k_vi *sums, int vectors, int pixels, const k_act *in, int pixel, int row, int rows, int groups,
                     const int8_t *w, const int32_t *biases) {
  int half = pixels < 2 ? 1 : 2;
  (void)vectors;
  K_UNROLL for (int i = 0; i < pixels; i += half) {
    int32x4_t s[2][8];
    const k_act *first = in + i * pixel;
    const int8_t *u = w;
    K_UNROLL for (int p = 0; p < half; p++) K_UNROLL for (int e = 0; e < 8; e++) s[p][e] = vdupq_n_s32(0);
    for (int r = 0; r < rows; r++, first += row) {
      const k_act *at = first;
      int left = groups;
      for (; left >= 2; left -= 2, at += 2 * K_GROUP, u += 2 * K_STEP) {
        k_vw v = k_weights(u), next = k_weights(u + K_STEP);
        K_UNROLL for (int p = 0; p < half; p++) {
          int8x16_t a = k_four(at + p * pixel), b = k_four(at + p * pixel + K_GROUP);
          K_EACH {
            int16x8_t l = vmull_s8(vget_low_s8(v.v[e]), vget_low_s8(a)), h = vmull_high_s8(v.v[e], a);
            s[p][2 * e] = vpadalq_s16(s[p][2 * e], vmlal_s8(l, vget_low_s8(next.v[e]), vget_low_s8(b)));
            s[p][2 * e + 1] = vpadalq_s16(s[p][2 * e + 1], vmlal_high_s8(h, next.v[e], b));
          }
        }
      }
      if (left) {
        k_vw v = k_weights(u);
        K_UNROLL for (int p = 0; p < half; p++) {
          int8x16_t a = k_four(at + p * pixel);
          K_EACH {
            s[p][2 * e] = vpadalq_s16(s[p][2 * e], vmull_s8(vget_low_s8(v.v[e]), vget_low_s8(a)));
            s[p][2 * e + 1] = vpadalq_s16(s[p][2 * e + 1], vmull_high_s8(v.v[e], a));
          }
        }
        u += K_STEP;
      }
    }
    K_UNROLL for (int p = 0; p < half; p++)
      K_EACH sums[i + p].v[e] = vaddq_s32(vld1q_s32(biases + 4 * e), vpaddq_s32(s[p][2 * e], s[p][2 * e + 1]));
  }
}

/* Sums of `pixels` pixels by `parts` fours of outputs, over `rows` stretches of `groups` groups of inputs: pairs of inputs
   side by side, so that two products are added in 16 bits, and the two in their neighbouring half with them in 32. */
K_INLINE void k_sums(k_vi *sums, int parts, int pixels, const k_act *in, int pixel, int row, int rows, int groups,
                     const int8_t *w, const int32_t *biases) {
  K_UNROLL for (int i = 0; i < pixels; i++)
    K_UNROLL for (int e = 0; e < parts; e++) K_SUM(i, e) = vld1q_s32(biases + 4 * e);
  for (int r = 0; r < rows; r++, in += row) {
    const k_act *at[8];
    K_UNROLL for (int i = 0; i < pixels; i++) at[i] = in + i * pixel;
    for (int k = 0; k < groups; k++, w += K_STEP) {
      int16x8x2_t u[2], two = vld2q_dup_s16((const int16_t *)(const void *)at[0]), next;
      K_UNROLL for (int h = 0; h < parts / 2; h++) u[h] = vld2q_s16((const int16_t *)(const void *)(w + 32 * h));
      K_UNROLL for (int i = 0; i < pixels; i++, two = next) {
        at[i] += K_GROUP;
        next = i + 1 < pixels ? vld2q_dup_s16((const int16_t *)(const void *)at[i + 1]) : two;
        int8x16_t a = vreinterpretq_s8_s16(two.val[0]), b = vreinterpretq_s8_s16(two.val[1]);
        K_UNROLL for (int h = 0; h < parts / 2; h++) {
          int32x4_t *s = &K_SUM(i, 2 * h);
          int8x16_t v = vreinterpretq_s8_s16(u[h].val[0]), other = vreinterpretq_s8_s16(u[h].val[1]);
          s[0] = vpadalq_s16(s[0], vmlal_s8(vmull_s8(vget_low_s8(v), vget_low_s8(a)), vget_low_s8(other), vget_low_s8(b)));
          s[1] = vpadalq_s16(s[1], vmlal_high_s8(vmull_high_s8(v, a), other, b));
          K_IN_TURN(s[0], s[1], at[i]);
        }
      }
    }
  }
}

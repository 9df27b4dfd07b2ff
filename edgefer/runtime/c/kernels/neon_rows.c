/* The rows between two fused layers: per vector of channels its columns, one of zeros before the first and one behind the
   last. */
K_FUNCTION void k_expand(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int width, int channels,
                         int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels; o += K_V, out += (width + 2) * K_V) {
    vst1q_s8(out, vdupq_n_s8((int8_t)zero));
    vst1q_s8(out + (width + 1) * K_V, vdupq_n_s8((int8_t)zero));
    k_convolve_block(o, in, pixel, row, rows, groups, out + K_V, K_V, width, K_V, zero, layer);
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. Weights: [w0 w1 w2 0] a row and channel. */
K_INLINE void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                              int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels; o += K_V) {
    const k_act *at[3];
    int8x16_t taps[9];
    k_vi b = k_ints(layer->biases + o);
    k_vf s = k_floats(layer->scales + o);
    int count = channels - o < K_V ? channels - o : K_V;
    K_UNROLL for (int r = 0; r < 3; r++) {
      int8x16x4_t w = vld4q_s8(layer->weights + o * 12 + r * 64);
      taps[3 * r] = w.val[0], taps[3 * r + 1] = w.val[1], taps[3 * r + 2] = w.val[2];
      at[r] = rows[r] + o * (width + 2);
    }
    for (int x = 0; x < width; x += stride, out += pixel) {
      k_vi sums = b;
      int8x16_t v;
      k_nine(sums.v, at, K_V, taps);
      k_stored(&v, &sums, 1, s, zero, layer);
      k_put_lane(out, v, count);
      K_UNROLL for (int r = 0; r < 3; r++) at[r] += stride * K_V;
    }
    out += K_V - (width + stride - 1) / stride * pixel;
  }
}

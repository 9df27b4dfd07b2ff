/* What both kernels for 64-bit ARM do with k_sums, and depthwise layers without dot products. */

/* Outputs of a pixel, or eight of two pixels, as they are stored. */
K_INLINE int8x16_t k_stored(const int32x4_t *sums, k_vf s, int low, int high, int zero) {
  k_vi a;
  K_EACH a.v[e] = sums[e];
  return k_packed(k_scaled(a, s), low, high, zero);
}

/* All pixels of a row for `parts` fours of outputs, `tile` at a time; the last tile overlaps the one before. */
#define K_STRIPS
K_INLINE void k_strip(int parts, int tile, const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step,
                      int width, const int8_t *w, const int32_t *b, const float *scales, int low, int high, int zero, int count) {
  for (int x = 0;;) {
    int32x4_t sums[16];
    k_vf s;
    k_sums(sums, parts, tile, in + x * pixel, pixel, row, rows, groups, w, b);
    K_EACH s.v[e] = vld1q_f32(scales + 4 * (e % parts));
    k_act *to = out + x * step;
    K_UNROLL for (int i = 0; i < tile; i += 4 / parts) {
      int8x16_t v = k_stored(sums + i * parts, s, low, high, zero);
      if (parts == 4) k_put_lane(to + i * step, v, count);
      else if (step == 8) vst1q_s8(to + i * step, v);
      else {
        vst1_s8(to + i * step, vget_low_s8(v));
        vst1_s8(to + (i + 1) * step, vget_high_s8(v));
      }
    }
    if (x + tile >= width) return;
    x = x + 2 * tile > width ? width - tile : x + tile;
  }
}

/* A row's outputs from `o` on, sixteen or the eight that are left. */
K_INLINE void k_convolve_block(int o, const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step,
                               int width, int count, int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  const int8_t *w = layer->weights + K_WEIGHTS(o, rows * groups);
  const int32_t *b = layer->biases + o;
  const float *s = layer->scales + o;
  if (width < 4) k_strip(4, 1, in, pixel, row, rows, groups, out, step, width, w, b, s, low, high, zero, count);
  else if (count == K_V) k_strip(4, 4, in, pixel, row, rows, groups, out, step, width, w, b, s, low, high, zero, K_V);
  else if (width < 8) k_strip(2, 4, in, pixel, row, rows, groups, out, step, width, w, b, s, low, high, zero, K_V);
  else k_strip(2, 8, in, pixel, row, rows, groups, out, step, width, w, b, s, low, high, zero, K_V);
}

/* One row of a convolution: `rows` stretches of `groups` groups of inputs a pixel; channels are a multiple of 8. */
K_FUNCTION void k_convolve_row(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step, int width,
                               int channels, int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels; o += K_V) {
    int count = channels - o < K_V ? channels - o : K_V;
    k_convolve_block(o, in, pixel, row, rows, groups, out + o, step, width, count, zero, layer);
  }
}

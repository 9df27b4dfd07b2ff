/* The rows between two fused layers: pixel by pixel, with one of zero before and one behind. */

K_FUNCTION void k_expand(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int width, int channels,
                         int zero, const Layer *restrict layer) {
  memset(out, zero, (size_t)channels);
  memset(out + (width + 1) * channels, zero, (size_t)channels);
  k_convolve_row(in, pixel, row, rows, groups, out + channels, channels, width, channels, zero, layer);
}

/* Eight channels of a column, in two vectors: what three rows have, and a fourth that is zero. */
typedef struct { k_va half[2]; } k_Column;
K_INLINE k_Column k_column(const k_act *const *rows, int at) {
  v128_t pair = k_low_bytes(wasm_v128_load64_zero(rows[0] + at), wasm_v128_load64_zero(rows[1] + at));
  v128_t last = wasm_u16x8_load8x8(rows[2] + at);
  k_Column r = {{k_low_words(pair, last), k_high_words(pair, last)}};
  return r;
}
K_INLINE void k_taps(k_vi *sums, const k_Column *columns, const k_vw *w, const int32_t *biases) {
  K_UNROLL for (int v = 0; v < 2; v++) {
    sums[v] = k_ints(biases + v * K_V);
    K_UNROLL for (int k = 0; k < 3; k++) sums[v] = k_mac(sums[v], columns[k].half[v], w[2 * k + v]);
  }
}

/* Eight channels of a row, two outputs at a time; what lies behind the last one is computed too. */
K_INLINE void k_depthwise_strip(const k_act *const *rows, k_act *to, int outputs, int stride, int channels, int pixel,
                                const k_vw *w, const int32_t *biases, const float *scales, k_vi less, k_Limits limits) {
  k_Column columns[5];
  columns[0] = k_column(rows, 0);
  if (stride == 1) columns[1] = k_column(rows, channels);
  int at = (3 - stride) * channels;
  for (int left = outputs; left > 0; left -= 2, at += 2 * stride * channels, to += 2 * pixel) {
    k_vi a[4];
    K_UNROLL for (int k = 0; k < 2 * stride; k++) columns[3 - stride + k] = k_column(rows, at + k * channels);
    k_taps(a, columns, w, biases), k_taps(a + 2, columns + stride, w, biases);
    K_UNROLL for (int i = 0; i < 4; i++) a[i] = k_stored(a[i], k_floats(scales + i % 2 * K_V), less);
    v128_t v = k_packed(a[0], a[1], a[2], a[3], limits);
    wasm_v128_store64_lane(to, v, 0);
    if (left > 1) wasm_v128_store64_lane(to + pixel, v, 1);
    columns[0] = columns[2 * stride];
    if (stride == 1) columns[1] = columns[3];
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. Weights: [w0 w1 w2 0] a column and channel. */
K_FUNCTION void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                                int zero, const Layer *restrict layer) {
  k_Limits limits = k_limits(layer->low, layer->high, zero);
  k_vi less = k_less(zero);
  for (int o = 0; o < channels; o += 8) {
    const k_act *in[3] = {rows[0] + o, rows[1] + o, rows[2] + o};
    const int32_t *b = layer->biases + o;
    const float *s = layer->scales + o;
    k_vw w[6];
    K_UNROLL for (int i = 0; i < 6; i++) w[i] = k_weights(layer->weights + o * 12 + i * 16);
    if (stride == 1) k_depthwise_strip(in, out + o, width, 1, channels, pixel, w, b, s, less, limits);
    else k_depthwise_strip(in, out + o, (width + 1) / 2, 2, channels, pixel, w, b, s, less, limits);
  }
}

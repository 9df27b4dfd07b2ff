/* What depends on pairs: storing, and the rows between two fused layers. */

/* Four pixels of a vector of outputs. */
K_INLINE void k_put4(k_act *to, int step, const k_vi *v, int low, int high, int zero, int count) {
  (void)zero, (void)count;
  k_put2(to, to + step, v[0], v[1], low, high);
  k_put2(to + 2 * step, to + 3 * step, v[2], v[3], low, high);
}

/* Outputs of one pixel; count is less than a vector at the end of a row only. */
K_INLINE void k_put1(k_act *to, k_vi v, int low, int high, int zero, int count) {
  k_act part[K_V], rest[K_V];
  (void)zero;
  k_put2(part, rest, v, v, low, high);
  if (count >= K_V) memcpy(to, part, sizeof part);
  else memcpy(to, part, (size_t)count * sizeof *to);
}

/* One row of a convolution of stride 1 as the depthwise layer behind it reads it: per vector of channels, pairs of
   columns (2b - 1, 2b) side by side; the columns before the first and behind the last are 0. */
K_FUNCTION void k_expand(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int width, int channels,
                         int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  int pairs = (width + 3) / 2;
  (void)zero;
  for (int o = 0; o < channels; o += K_V) {
    const int8_t *w = layer->weights + K_WEIGHTS(o, rows * groups);
    const int32_t *b = layer->biases + o;
    k_vf s = k_floats(layer->scales + o);
    k_act *to = out + o * pairs * 2;
    k_vi last = k_set(0), a[8];
    int x = 0;
    for (; x + 8 <= width; x += 8, to += 8 * K_V) {
      k_tile(a, 1, 8, in + x * pixel, pixel, row, rows, groups, w, b);
      K_UNROLL for (int i = 0; i < 8; i++) a[i] = k_scaled(a[i], s);
      k_put_pair(to, last, a[0], low, high);
      k_put_pair(to + 2 * K_V, a[1], a[2], low, high);
      k_put_pair(to + 4 * K_V, a[3], a[4], low, high);
      k_put_pair(to + 6 * K_V, a[5], a[6], low, high);
      last = a[7];
    }
    for (; x < 2 * pairs; x += 2, to += 2 * K_V) {
      k_vi first = k_set(0), second = k_set(0);
      if (x < width) {
        k_tile(a, 1, 1, in + x * pixel, pixel, row, rows, groups, w, b);
        first = k_scaled(a[0], s);
      }
      if (x + 1 < width) {
        k_tile(a, 1, 1, in + (x + 1) * pixel, pixel, row, rows, groups, w, b);
        second = k_scaled(a[0], s);
      }
      k_put_pair(to, last, first, low, high);
      last = second;
    }
  }
}

/* Two outputs next to each other of a depthwise layer over three such rows, or the first of them only. */
K_INLINE void k_depthwise_two(const k_act *const *in, int offset, int stride, const k_vw *w, k_vi b, k_vi *a, int both) {
  a[0] = a[1] = b;
  K_UNROLL for (int r = 0; r < 3; r++) {
    k_va m = k_pairs(in[r] + offset), n = k_pairs(in[r] + offset + 2 * K_V);
    a[0] = k_mac(k_mac(a[0], m, w[2 * r]), n, w[2 * r + 1]);
    if (both && stride == 1) a[1] = k_mac(k_mac(a[1], m, k_later(w[2 * r])), n, k_straddling(w[2 * r], w[2 * r + 1]));
    if (both && stride == 2)
      a[1] = k_mac(k_mac(a[1], n, w[2 * r]), k_pairs(in[r] + offset + 4 * K_V), w[2 * r + 1]);
  }
}

/* All outputs of a row for one vector of channels. */
K_INLINE void k_depthwise_strip(const k_act *const *in, int outputs, int stride, const k_vw *w, k_vi b, k_vf s, k_act *to,
                                int pixel, int low, int high, int zero) {
  k_vi a[2];
  int x = 0;
  for (; x + 2 <= outputs; x += 2, to += 2 * pixel) {
    k_depthwise_two(in, x * stride * K_V, stride, w, b, a, 1);
    k_put2(to, to + pixel, k_scaled(a[0], s), k_scaled(a[1], s), low, high);
  }
  if (x < outputs) {
    k_depthwise_two(in, x * stride * K_V, stride, w, b, a, 0);
    k_put1(to, k_scaled(a[0], s), low, high, zero, K_V);
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. Weights: [w0 w1][w2 0] a row and channel. */
K_LARGE void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                              int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  int pairs = (width + 3) / 2, outputs = (width + stride - 1) / stride;
  for (int o = 0; o < channels; o += K_V) {
    const k_act *in[3];
    k_vw w[6];
    k_vi b = k_ints(layer->biases + o);
    k_vf s = k_floats(layer->scales + o);
    K_UNROLL for (int r = 0; r < 3; r++) {
      in[r] = rows[r] + o * pairs * 2;
      w[2 * r] = k_weights(layer->weights + o / 8 * 96 + r * 32 + o % 8 * 2);
      w[2 * r + 1] = k_weights(layer->weights + o / 8 * 96 + r * 32 + 16 + o % 8 * 2);
    }
    if (stride == 1) k_depthwise_strip(in, outputs, 1, w, b, s, out + o, pixel, low, high, zero);
    else k_depthwise_strip(in, outputs, 2, w, b, s, out + o, pixel, low, high, zero);
  }
}

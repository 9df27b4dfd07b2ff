/* A row of a depthwise layer behind the convolution that it is fused with. */

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
                                int pixel, int low, int high) {
  k_vi a[2];
  int x = 0;
  for (; x + 2 <= outputs; x += 2, to += 2 * pixel) {
    k_depthwise_two(in, x * stride * K_V, stride, w, b, a, 1);
    k_put2(to, to + pixel, k_scaled(a[0], s), k_scaled(a[1], s), low, high);
  }
  if (x < outputs) {
    k_depthwise_two(in, x * stride * K_V, stride, w, b, a, 0);
    k_put(to, k_scaled(a[0], s), low, high);
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. One that is the fourth has the zeros of a vector only.
   Weights: [w0 w1][w2 0] a row and channel. */
K_LARGE void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                              int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  (void)zero;
  const int vector = (width + 3) / 2 * 2 * K_V, outputs = (width + stride - 1) / stride;
  const int apart[3] = {rows[0] == rows[3] ? 0 : vector, vector, rows[2] == rows[3] ? 0 : vector};
  const k_act *in[3] = {rows[0], rows[1], rows[2]};
  for (int o = 0; o < channels; o += K_V) {
    k_vw w[6];
    k_vi b = k_ints(layer->biases + o);
    k_vf s = k_floats(layer->scales + o);
    K_UNROLL for (int r = 0; r < 3; r++) {
      w[2 * r] = k_weights(layer->weights + o / 8 * 96 + r * 32 + o % 8 * 2);
      w[2 * r + 1] = k_weights(layer->weights + o / 8 * 96 + r * 32 + 16 + o % 8 * 2);
    }
    if (stride == 1) k_depthwise_strip(in, outputs, 1, w, b, s, out + o, pixel, low, high);
    else k_depthwise_strip(in, outputs, 2, w, b, s, out + o, pixel, low, high);
    K_UNROLL for (int r = 0; r < 3; r++) in[r] += apart[r];
  }
}

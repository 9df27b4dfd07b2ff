/* What depends on bytes: the rows between two fused layers. */

/* One row of a convolution of stride 1 as the depthwise layer behind it reads it: per vector of channels, fours of columns
   (2b - 1, 2b, 2b + 1, 2b + 2) side by side; the columns before the first and behind the last are zero. */
K_INLINE void k_expand_vectors(int vectors, int tile, const k_act *in, int pixel, int row, int rows, int groups, k_act *out,
                               int width, int zero, const int8_t *w, const int32_t *b, const float *scales, int low, int high) {
  int apart = (width + 1) / 2 * 4 * K_V;
  k_vi pair[3], last[3], a[12];
  K_UNROLL for (int v = 0; v < vectors; v++) pair[v] = last[v] = k_set(0);
  for (int x = 0; x < width; x += tile, out += 2 * tile * K_V) {
    k_tile(a, vectors, tile, in + x * pixel, pixel, row, rows, groups, w, b); /* what lies behind the row too */
    K_UNROLL for (int v = 0; v < vectors; v++) {
      k_vf s = k_floats(scales + v * K_V);
      k_vi *of = a + v * tile;
      K_UNROLL for (int i = 0; i < tile; i++) of[i] = x + i < width ? k_scaled(of[i], s) : k_set(0);
      k_vi before = k_paired(last[v], of[0], low, high, zero);
      if (x) k_put_four(out + v * apart - 4 * K_V, pair[v], before);
      K_UNROLL for (int i = 1; i + 1 < tile; i += 2) {
        pair[v] = k_paired(of[i], of[i + 1], low, high, zero);
        k_put_four(out + v * apart + (i - 1) * 2 * K_V, before, pair[v]);
        before = pair[v];
      }
      last[v] = of[tile - 1];
    }
  }
  if ((width - 1) % tile >= tile - 2)
    K_UNROLL for (int v = 0; v < vectors; v++)
      k_put_four(out + v * apart - 4 * K_V, pair[v], k_paired(last[v], k_set(0), low, high, zero));
}

K_LARGE void k_expand(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int width, int channels,
                      int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high, apart = (width + 1) / 2 * 4;
  for (int o = 0; o < channels;) {
    const int8_t *w = layer->weights + K_WEIGHTS(o, rows * groups);
    const int32_t *b = layer->biases + o;
    const float *s = layer->scales + o;
    k_act *to = out + o * apart;
    int vectors = width >= 16 && channels - o > 2 * K_V ? 3 : 1;
    if (vectors == 3) k_expand_vectors(3, 4, in, pixel, row, rows, groups, to, width, zero, w, b, s, low, high);
    else if ((width - 1) % 6 >= 4) k_expand_vectors(1, 6, in, pixel, row, rows, groups, to, width, zero, w, b, s, low, high);
    else k_expand_vectors(1, 4, in, pixel, row, rows, groups, to, width, zero, w, b, s, low, high);
    o += vectors * K_V;
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. Weights: [w0 w1 w2 0] a row and channel. */
K_INLINE void k_depthwise_pixels(int pixels, const k_act *const *in, int at, int stride, const k_vw *w, k_vi b, k_vf s, k_act *to,
                                 int pixel, int low, int high, int zero, int count) {
  k_vi a[4];
  K_UNROLL for (int i = 0; i < pixels; i++) {
    a[i] = b;
    K_UNROLL for (int r = 0; r < 3; r++)
      a[i] = k_mac(a[i], k_fours(in[r] + at + (stride == 1 ? i / 2 : i) * 4 * K_V), w[stride == 1 && i % 2 ? 3 + r : r]);
    a[i] = k_scaled(a[i], s);
  }
  k_put_pixels(pixels, to, pixel, a, low, high, zero, count);
}
K_INLINE void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                              int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  int apart = (width + 1) / 2 * 4, outputs = (width + stride - 1) / stride;
  for (int o = 0; o < channels; o += K_V) {
    const k_act *in[3];
    k_vw w[6];
    k_vi b = k_ints(layer->biases + o);
    k_vf s = k_floats(layer->scales + o);
    int count = channels - o < K_V ? channels - o : K_V, x = 0, at = 0;
    k_act *to = out + o;
    K_UNROLL for (int r = 0; r < 3; r++) {
      in[r] = rows[r] + o * apart;
      w[r] = k_weights(layer->weights + o * 12 + r * 64);
      w[3 + r] = k_later(w[r]);
    }
    for (; x + 4 <= outputs; x += 4, at += (stride == 1 ? 2 : 4) * 4 * K_V, to += 4 * pixel)
      k_depthwise_pixels(4, in, at, stride, w, b, s, to, pixel, low, high, zero, count);
    if (outputs - x == 3) k_depthwise_pixels(3, in, at, stride, w, b, s, to, pixel, low, high, zero, count);
    else if (outputs - x == 2) k_depthwise_pixels(2, in, at, stride, w, b, s, to, pixel, low, high, zero, count);
    else if (outputs > x) k_depthwise_pixels(1, in, at, stride, w, b, s, to, pixel, low, high, zero, count);
  }
}

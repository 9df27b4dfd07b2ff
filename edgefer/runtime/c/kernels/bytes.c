/* What depends on bytes: the rows between two fused layers. */

/* One row of a convolution of stride 1 as the depthwise layer behind it reads it: per vector of channels, fours of columns
   (2b - 1, 2b, 2b + 1, 2b + 2) side by side; the columns before the first and behind the last are zero. */
K_INLINE void k_expand_vectors(int vectors, const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int width,
                               int zero, const int8_t *w, const int32_t *b, const float *scales, int low, int high) {
  int apart = (width + 1) / 2 * 4 * K_V;
  k_vi pair[3], third[3], a[12];
  K_UNROLL for (int v = 0; v < vectors; v++) pair[v] = third[v] = k_set(0);
  for (int x = 0; x < width; x += 4, out += 8 * K_V) {
    k_tile(a, vectors, 4, in + x * pixel, pixel, row, rows, groups, w, b); /* what lies behind the row too */
    K_UNROLL for (int v = 0; v < vectors; v++) {
      k_vf s = k_floats(scales + v * K_V);
      k_vi *of = a + v * 4;
      K_UNROLL for (int i = 0; i < 4; i++) of[i] = x + i < width ? k_scaled(of[i], s) : k_set(0);
      k_vi first = k_paired(third[v], of[0], low, high, zero), second = k_paired(of[1], of[2], low, high, zero);
      if (x) k_put_four(out + v * apart - 4 * K_V, pair[v], first);
      k_put_four(out + v * apart, first, second);
      pair[v] = second, third[v] = of[3];
    }
  }
  if ((width - 1) % 4 >= 2)
    K_UNROLL for (int v = 0; v < vectors; v++)
      k_put_four(out + v * apart - 4 * K_V, pair[v], k_paired(third[v], k_set(0), low, high, zero));
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
    if (vectors == 3) k_expand_vectors(3, in, pixel, row, rows, groups, to, width, zero, w, b, s, low, high);
    else k_expand_vectors(1, in, pixel, row, rows, groups, to, width, zero, w, b, s, low, high);
    o += vectors * K_V;
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. Weights: [w0 w1 w2 0] a row and channel. */
K_INLINE void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                              int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  int fours = (width + 1) / 2, outputs = (width + stride - 1) / stride;
  for (int o = 0; o < channels; o += K_V) {
    const k_act *in[3];
    k_vw w[3], later[3];
    k_vi b = k_ints(layer->biases + o), a[4];
    k_vf s = k_floats(layer->scales + o);
    int count = channels - o < K_V ? channels - o : K_V;
    K_UNROLL for (int r = 0; r < 3; r++) {
      in[r] = rows[r] + o * fours * 4;
      w[r] = k_weights(layer->weights + o * 12 + r * 64);
      later[r] = k_later(w[r]);
    }
    for (int x = 0; x < outputs; x += 4) { /* what lies behind the last output is computed too */
      K_UNROLL for (int i = 0; i < 4; i++) {
        int at = stride == 1 ? (x + i) / 2 * 4 * K_V : (x + i) * 4 * K_V;
        a[i] = b;
        K_UNROLL for (int r = 0; r < 3; r++) a[i] = k_mac(a[i], k_fours(in[r] + at), stride == 1 && i % 2 ? later[r] : w[r]);
        a[i] = k_scaled(a[i], s);
      }
      if (x + 4 <= outputs) k_put4(out + x * pixel + o, pixel, a, low, high, zero, count);
      else
        K_UNROLL for (int i = 0; i < 3; i++)
          if (x + i < outputs) k_put1(out + (x + i) * pixel + o, a[i], low, high, zero, count);
    }
  }
}

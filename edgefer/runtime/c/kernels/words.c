/* Rows of a convolution and of a depthwise layer; values of a row are `step` apart for a pixel, `apart` for a channel. */

/* What of a row is not within the limits, where these are narrower than a byte. */
K_FUNCTION void k_narrow(k_act *out, int step, int apart, int width, int channels, int low, int high) {
  for (int o = 0; o < channels; o++)
    for (int x = 0; x < width; x++) out[o * apart + x * step] = (k_act)limit(out[o * apart + x * step], low, high);
}

K_INLINE void k_narrowed(k_act *out, int step, int apart, int width, int channels, int zero, const Layer *restrict layer) {
  if (layer->low + zero > 0 || layer->high + zero < 255)
    k_narrow(out, step, apart, width, channels, layer->low + zero, layer->high + zero);
}

K_INLINE k_act k_stored(int32_t sum, float scale, int zero) { return (k_act)k_byte(nearest((float)sum * scale) + zero); }

/* Two outputs, or one, of all pixels of a row. */
K_INLINE void k_strip(const k_act *const *rows, int h, int groups, int pixel, const int8_t *w, const int32_t *b,
                      const float *scales, k_act *to, int step, int apart, int width, int zero, int both) {
  const k_act *first = rows[0];
  float s = scales[0], t = scales[1];
  int x = 0;
  for (; x + 1 < width; x += 2, to += 2 * step, first += 2 * pixel) {
    int32_t a[4] = {b[0], b[1], b[0], b[1]};
    if (h == 1) k_tile(&first, 1, 0, pixel, groups, w, a);
    else k_tile(rows, h, x * pixel, pixel, groups, w, a);
    to[0] = k_stored(a[0], s, zero);
    to[step] = k_stored(a[2], s, zero);
    if (both) to[apart] = k_stored(a[1], t, zero), to[step + apart] = k_stored(a[3], t, zero);
  }
  if (x < width) {
    int32_t a[4] = {b[0], b[1], 0, 0};
    k_tile(rows, h, x * pixel, 0, groups, w, a);
    to[0] = k_stored(a[0], s, zero);
    if (both) to[apart] = k_stored(a[1], t, zero);
  }
}

/* One row of a convolution: `rows` are the window's, pixels `pixel` apart; a row that is 0 is all zeros. */
K_FUNCTION void k_convolve_row(const k_act *const *rows, int h, int groups, int pixel, k_act *out, int step, int apart,
                               int width, int channels, int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels; o += 2) {
    const int8_t *w = layer->weights + o * h * groups * 4;
    const int32_t *b = layer->biases + o;
    const float *s = layer->scales + o;
    k_act *to = out + o * apart;
    if (o + 1 == channels) k_strip(rows, h, groups, pixel, w, b, s, to, step, apart, width, zero, 0);
    else if (h == 1) k_strip(rows, 1, groups, pixel, w, b, s, to, step, apart, width, zero, 1);
    else k_strip(rows, h, groups, pixel, w, b, s, to, step, apart, width, zero, 1);
  }
  k_narrowed(out, step, apart, width, channels, zero, layer);
}

/* One row of a depthwise 3x3 layer over rows of planes: a channel's columns lie side by side, channels `plane` apart. */
K_FUNCTION void k_depthwise_row(const k_act *const *rows, int plane, int stride, k_act *out, int step, int apart, int width,
                                int channels, int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels; o++) {
    const k_act *in[3];
    K_UNROLL for (int r = 0; r < 3; r++) in[r] = rows[r] ? rows[r] + o * plane : 0;
    k_plane(in, out + o * apart, step, width, stride, layer->weights + 12 * o, layer->biases[o], layer->scales[o], zero);
  }
  k_narrowed(out, step, apart, width, channels, zero, layer);
}

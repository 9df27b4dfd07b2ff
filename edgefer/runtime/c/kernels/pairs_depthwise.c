/* A depthwise layer of any window whose channels are a multiple of 8 in both maps: two taps a multiplication. Where a vector
   has two lanes of eight channels, the second one is eight channels on, or the next pixel. */
#define K_DEPTHWISE
#define K_TAPS 50 /* an even number */

/* The distances of a vector's second lane, in activations and in constants, and how many pixels are computed together. */
typedef struct {
  int in, out, channels, pixels;
} k_Lanes;

/* Tap t and the next one, which is not there behind the last: its weights are 0. */
K_INLINE void k_two_taps(k_vi *sums, const k_act *from, const int *at, int t, int taps, int apart, const k_vw *w) {
  k_va one = k_lanes(from + at[t], apart), other = t + 1 < taps ? k_lanes(from + at[t + 1], apart) : one;
  sums[0] = k_mac(sums[0], k_low(one, other), w[t]);
  sums[1] = k_mac(sums[1], k_high(one, other), w[t + 1]);
}

/* One row; `at` is where taps are from a pixel's first one. */
K_INLINE void k_depthwise_pixels(const k_act *in, int right, const int *at, int taps, k_Lanes lanes, const k_vw *w, const k_vi *b,
                                 const k_vf *s, k_act *out, int step, int width, int low, int high) {
  for (int x = 0;;) {
    const k_act *from = in + x * right;
    k_vi a[2] = {b[0], b[1]};
    if (taps == 9)
      K_UNROLL for (int t = 0; t < 9; t += 2) k_two_taps(a, from, at, t, 9, lanes.in, w);
    else
      for (int t = 0; t < taps; t += 2) k_two_taps(a, from, at, t, taps, lanes.in, w);
    k_put_lanes(out + x * step, lanes.out, k_scaled(a[0], s[0]), k_scaled(a[1], s[1]), low, high);
    if (x + lanes.pixels >= width) return;
    x = x + 2 * lanes.pixels > width ? width - lanes.pixels : x + lanes.pixels;
  }
}

/* All rows of eight channels, or of two times eight, from channel `c` on. */
K_INLINE void k_depthwise_channels(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                                   int taps, int c, k_Lanes lanes, const Layer *restrict layer) {
  const int8_t *weights = layer->weights + c * (taps + taps % 2);
  const int apart = lanes.channels * (taps + taps % 2);
  k_vw w[K_TAPS];
  k_vi b[2] = {k_ints_lanes(layer->biases + c, lanes.channels), k_ints_lanes(layer->biases + c + 4, lanes.channels)};
  k_vf s[2] = {k_floats_lanes(layer->scales + c, lanes.channels), k_floats_lanes(layer->scales + c + 4, lanes.channels)};
  int at[K_TAPS];
  for (int t = 0; t < taps; t += 2) {
    w[t] = k_weights_lanes(weights + t * 8, apart);
    w[t + 1] = k_weights_lanes(weights + t * 8 + 8, apart);
  }
  for (int t = 0; t < taps; t++) at[t] = t / window->w * in->row + t % window->w * in->pixel;
  for (int y = 0; y < out->h; y++)
    k_depthwise_pixels(arena + in->at + (y * window->down - window->top) * in->row - window->left * in->pixel + c,
                       window->right * in->pixel, at, taps, lanes, w, b, s, arena + out->at + y * out->row + c, out->pixel,
                       out->w, layer->low, layer->high);
}

K_LARGE void k_depthwise(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                         const Layer *restrict layer) {
  const k_Lanes channels = {8, 8, 8, 1}, pixels = {window->right * in->pixel, out->pixel, 0, 2}, one = {0, 0, 0, 1};
  for (int c = 0, n; c < out->pixel; c += n) {
    n = K_V == 8 && c + 16 <= out->pixel ? 16 : 8;
    k_depthwise_channels(arena, in, out, window, window->h * window->w, c, n == 16 || K_V == 4 ? channels : out->w > 1 ? pixels : one, layer);
  }
}

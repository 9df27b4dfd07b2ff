/* Convolutions of eight outputs by four pixels at a time, for kernels that are compiled once for all layers. */
#define K_EXPANDED 8 /* vectors of outputs of an expansion together: all the same here */
#define K_PARTS (8 / K_V)
#define K_ABREAST 4 /* groups of inputs a turn */

/* What a group of inputs of four pixels adds to their sums. */
K_INLINE void k_step(k_vi *sums, const k_act *const *at, unsigned group, const k_act *w) {
  k_va u[K_PARTS];
  K_UNROLL for (unsigned v = 0; v < K_PARTS; v++) u[v] = k_pairs(w + group * 16u + v * 8u);
  K_UNROLL for (unsigned i = 0; i < 4; i++) {
    k_va a = k_group(at[i] + group * 2u);
    K_UNROLL for (unsigned v = 0; v < K_PARTS; v++) sums[4 * v + i] = k_mac(sums[4 * v + i], a, u[v]);
  }
  K_UNROLL for (unsigned i = 0; i < 4 * K_PARTS; i++) K_KEEP(sums[i]);
}

/* Four columns and the one before them as pairs; those of the four from `width` on are not there. */
K_INLINE void k_put_columns(k_act *to, k_vi *a, k_vi *last, int beyond, int width, int low, int high) {
  for (; beyond > 0; beyond--) a[0] = a[1], a[1] = a[2], a[2] = a[3], a[3] = k_set(0);
  if (width < 4) {
    a[3] = k_set(0);
    if (width < 3) a[2] = a[3];
    if (width < 2) a[1] = a[3];
  }
  k_put_pair(to, *last, a[0], low, high);
  k_put_pair(to + 2 * K_V, a[1], a[2], low, high);
  *last = a[3];
}

/* One row of a convolution: `rows` stretches of `groups` groups of inputs a pixel; channels are a multiple of 8. Where
   `step` is 0 it is written as the depthwise layer behind it reads it: per vector of channels, pairs of columns
   (2b - 1, 2b) side by side; the columns before the first and behind the last are 0. The last pixels overlap those before;
   of less than four, the last one is computed several times. */
K_FUNCTION void k_convolve_row(k_Inputs in, k_act *out, int step, int width, int channels, const k_act *weights,
                               const Layer *restrict layer) {
  const int low = layer->low, high = layer->high, pairs = (width + 3) / 2 * 2 * K_V;
  int from[4], to[4];
  K_UNROLL for (int i = 0; i < 4; i++) {
    int x = i < width ? i : width - 1;
    from[i] = x * in.pixel, to[i] = x * step;
  }
  for (int o = 0; o < channels; o += 8, weights += in.rows * in.groups * 16) {
    k_vi a[4 * K_PARTS], last[K_PARTS];
    K_UNROLL for (int v = 0; v < K_PARTS; v++) last[v] = k_set(0);
    for (int x = 0; x < width; x += 4) {
      int beyond = x + 4 > width && width > 4 ? x + 4 - width : 0;
      const k_act *at = in.at + (x - beyond) * in.pixel;
      const k_act *w = weights;
      K_UNROLL for (int i = 0; i < 4 * K_PARTS; i++) a[i] = k_ints(layer->biases + o + i / 4 * K_V);
      for (int r = 0; r < in.rows; r++, at += in.row) {
        const k_act *p[4] = {at, at + from[1], at + from[2], at + from[3]};
        for (int k = in.groups / K_ABREAST; k > 0; k--, w += 16 * K_ABREAST) {
          K_UNROLL for (unsigned i = 0; i < 4; i++) K_KEEP(p[i]);
          K_KEEP(w);
          K_UNROLL for (unsigned i = 0; i < K_ABREAST; i++) k_step(a, p, i, w);
          K_UNROLL for (unsigned i = 0; i < 4; i++) p[i] += 2 * K_ABREAST;
        }
        for (int k = in.groups % K_ABREAST; k > 0; k--, w += 16) {
          k_step(a, p, 0, w);
          K_UNROLL for (unsigned i = 0; i < 4; i++) p[i] += 2;
        }
      }
      K_UNROLL for (int v = 0; v < K_PARTS; v++) {
        k_vf s = k_floats(layer->scales + o + v * K_V);
        k_vi *b = a + 4 * v;
        K_UNROLL for (int i = 0; i < 4; i++) b[i] = k_scaled(b[i], s);
        if (step) {
          k_act *p = out + (x - beyond) * step + o + v * K_V;
          k_put2(p, p + to[1], b[0], b[1], low, high);
          k_put2(p + to[2], p + to[3], b[2], b[3], low, high);
        } else
          k_put_columns(out + (o / K_V + v) * pairs + x * K_V, b, last + v, beyond, width, low, high);
      }
    }
    if (!step && width % 4 % 3 == 0)
      K_UNROLL for (int v = 0; v < K_PARTS; v++)
        k_put_pair(out + (o / K_V + v) * pairs + (width + 3) / 4 * 4 * K_V, last[v], k_set(0), low, high);
  }
}

K_INLINE void k_expand(k_Inputs in, k_act *out, int width, int channels, const k_act *weights, const Layer *restrict layer) {
  k_convolve_row(in, out, 0, width, channels, weights, layer);
}

/* All weights of a layer as int16, in their order. */
K_FUNCTION void k_widen_all(const int8_t *weights, int channels, int steps, int most, k_act *to) {
  (void)most;
  for (int left = channels * steps; left > 0; left -= K_V, weights += 2 * K_V, to += 2 * K_V) k_put_pairs(to, k_weights(weights));
}

/* 64 outputs at a time, as many as there is memory for. */
K_FUNCTION void k_convolve(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                           int groups, const Layer *restrict layer, int scratch) {
  for (int o = 0; o < out->pixel; o += 64) {
    int channels = out->pixel - o < 64 ? out->pixel - o : 64, steps = window->h * groups;
    Layer part = {layer->weights + o * steps * 2, layer->biases + o, layer->scales + o, layer->low, layer->high};
    k_widen_all(part.weights, channels, steps, 0, arena + scratch);
    for (int y = 0; y < out->h; y++)
      k_convolve_row(k_inputs(arena, in, window, y * window->down - window->top, groups),
                     arena + out->at + y * out->row + o, out->pixel, out->w, channels, arena + scratch, &part);
  }
}

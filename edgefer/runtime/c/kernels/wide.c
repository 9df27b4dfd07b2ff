/* Convolutions whose weights are int16 in the arena: a multiplication reads them where they lie, so that registers hold one
   pixel's input and all the sums that it is added to. */
#define K_EXPANDED 6 /* vectors of outputs of an expansion together */

/* Weights of some outputs, for each group of inputs side by side, and what belongs to their sums. */
typedef struct {
  const k_act *weights;
  const int32_t *biases;
  const float *scales;
  int low, high;
} k_Outputs;

/* Vectors of outputs that are computed together: at most `most`, in parts that are as large as each other. */
K_INLINE int k_together(int channels, int most) {
  int blocks = channels / 8, limit = most * K_V / 8, parts = (blocks + limit - 1) / limit;
  return (blocks + parts - 1) / parts * (8 / K_V);
}

K_INLINE int k_least(int a, int b) { return a < b ? a : b; }

K_INLINE k_Outputs k_outputs(const Layer *restrict layer, const k_act *weights, int o) {
  k_Outputs these = {weights, layer->biases + o, layer->scales + o, layer->low, layer->high};
  return these;
}

/* `vectors` vectors of weights from output `o` on. */
K_FUNCTION void k_widen(const int8_t *weights, int o, int vectors, int steps, k_act *to) {
  for (int v = 0; v < vectors; v++) {
    const int8_t *w = weights + K_WEIGHTS(o + v * K_V, steps);
    k_act *at = to + v * 2 * K_V;
    for (int k = 0; k < steps; k++, w += K_STEP, at += vectors * 2 * K_V) k_put_weights(at, k_weights(w));
  }
}

/* All weights of a layer, in parts of at most `most` vectors. */
K_FUNCTION void k_widen_all(const int8_t *weights, int channels, int steps, int most, k_act *to) {
  int n = k_together(channels, most);
  for (int o = 0; o < channels; o += n * K_V)
    k_widen(weights, o, k_least(n, (channels - o) / K_V), steps, to + o * steps * 2);
}

K_INLINE void k_step(k_vi *sums, int vectors, const k_act *at, const k_act *w) {
  k_va a = k_group(at);
  K_UNROLL for (int v = 0; v < vectors; v++) sums[v] = k_mac(sums[v], a, k_wide(w + v * 2 * K_V));
}

/* Pixel x's outputs, less their zero point. */
K_INLINE void k_pixel(k_vi *sums, int vectors, k_Inputs in, int x, k_Outputs out) {
  const int apart = vectors * 2 * K_V;
  const k_act *w = out.weights;
  K_UNROLL for (int v = 0; v < vectors; v++) sums[v] = k_ints(out.biases + v * K_V);
  for (int r = 0; r < in.rows; r++) {
    const k_act *at = in.at + x * in.pixel + r * in.row;
    ROLLED
    for (int k = in.groups / 8; k > 0; k--, at += 16, w += 8 * apart)
      K_UNROLL for (int i = 0; i < 8; i++) k_step(sums, vectors, at + 2 * i, w + i * apart);
    K_UNROLL for (int i = 0; i < in.groups % 8; i++, at += 2, w += apart) k_step(sums, vectors, at, w);
  }
  K_UNROLL for (int v = 0; v < vectors; v++) sums[v] = k_scaled(sums[v], k_floats(out.scales + v * K_V));
}

/* Some vectors of outputs of a row of pixels, which are `step` apart. */
K_INLINE void k_strip(int vectors, k_Inputs in, k_Outputs these, k_act *out, int step, int width) {
  k_vi a[8];
  int x = 0;
  if (vectors == 1)
    for (; x + 2 <= width; x += 2) {
      k_pixel(a, 1, in, x, these);
      k_pixel(a + 1, 1, in, x + 1, these);
      k_put2(out + x * step, out + (x + 1) * step, a[0], a[1], these.low, these.high);
    }
  for (; x < width; x++) {
    k_act *to = out + x * step;
    k_pixel(a, vectors, in, x, these);
    K_UNROLL for (int v = 0; v + 1 < vectors; v += 2) k_put_two(to + v * K_V, a[v], a[v + 1], these.low, these.high);
    if (vectors % 2) k_put(to + (vectors - 1) * K_V, a[vectors - 1], these.low, these.high);
  }
}

/* The same of a row as the depthwise layer behind it reads it: per vector, pairs of columns (2b - 1, 2b) side by side;
   the columns before the first and behind the last are 0. */
K_INLINE void k_columns(int vectors, k_Inputs in, k_Outputs these, k_act *out, int width) {
  const int pairs = (width + 3) / 2;
  k_vi a[6], b[6];
  K_UNROLL for (int v = 0; v < vectors; v++) a[v] = k_set(0);
  for (int x = 0; x < width; x++) {
    k_pixel(b, vectors, in, x, these);
    if (x % 2 == 0) {
      K_UNROLL for (int v = 0; v < vectors; v++) k_put_pair(out + v * pairs * 2 * K_V, a[v], b[v], these.low, these.high);
      out += 2 * K_V;
    }
    K_UNROLL for (int v = 0; v < vectors; v++) a[v] = b[v];
  }
  K_UNROLL for (int v = 0; v < vectors; v++) {
    if (width % 2) a[v] = k_set(0);
    k_put_pair(out + v * pairs * 2 * K_V, a[v], k_set(0), these.low, these.high);
  }
}

/* One row of a convolution by weights of k_widen_all; channels are a multiple of 8. */
K_INLINE void k_convolve_row(k_Inputs in, k_act *out, int step, int width, int channels, const k_act *weights,
                             const Layer *restrict layer) {
  int n = k_together(channels, 8), whole = channels - channels % (n * K_V), steps = in.rows * in.groups;
  for (int o = 0; o < whole; o += n * K_V) k_strip(n, in, k_outputs(layer, weights + o * steps * 2, o), out + o, step, width);
  if (whole < channels)
    k_strip((channels - whole) / K_V, in, k_outputs(layer, weights + whole * steps * 2, whole), out + whole, step, width);
}

/* One row of a convolution of stride 1 as the depthwise layer behind it reads it. */
K_INLINE void k_expand(k_Inputs in, k_act *out, int width, int channels, const k_act *weights, const Layer *restrict layer) {
  int n = k_together(channels, K_EXPANDED), whole = channels - channels % (n * K_V), steps = in.rows * in.groups;
  int columns = (width + 3) / 2 * 2;
  for (int o = 0; o < whole; o += n * K_V)
    k_columns(n, in, k_outputs(layer, weights + o * steps * 2, o), out + o * columns, width);
  if (whole < channels)
    k_columns((channels - whole) / K_V, in, k_outputs(layer, weights + whole * steps * 2, whole), out + whole * columns, width);
}

/* Some vectors of outputs of all rows. */
K_INLINE void k_rows(int vectors, k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                     int groups, const Layer *restrict layer, int o, int scratch) {
  k_widen(layer->weights, o, vectors, window->h * groups, arena + scratch);
  for (int y = 0; y < out->h; y++)
    k_strip(vectors, k_inputs(arena, in, window, y * window->down - window->top, groups),
            k_outputs(layer, arena + scratch, o), arena + out->at + y * out->row + o, out->pixel, out->w);
}

K_INLINE void k_convolve(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                         int groups, const Layer *restrict layer, int scratch) {
  int n = k_together(out->pixel, 8), whole = out->pixel - out->pixel % (n * K_V);
  for (int o = 0; o < whole; o += n * K_V) k_rows(n, arena, in, out, window, groups, layer, o, scratch);
  if (whole < out->pixel) k_rows((out->pixel - whole) / K_V, arena, in, out, window, groups, layer, whole, scratch);
}

/* The rows between two fused layers as in bytes.c, for 32 registers of 16 bytes: columns are packed once and kept as
   bytes, and outputs of a depthwise layer are made one at a time, even and odd ones apart. */

typedef struct { int8x16_t v[4]; } k_columns; /* fours of columns of sixteen channels, or their weights */
K_INLINE k_columns k_fours(const k_act *p) { k_columns r; K_EACH r.v[e] = vld1q_s8(p + 16 * e); return r; }
K_INLINE k_columns k_later(k_columns w) {
  K_EACH w.v[e] = vreinterpretq_s8_s32(vshlq_n_s32(vreinterpretq_s32_s8(w.v[e]), 8));
  return w;
}
K_INLINE void k_put_columns(k_act *to, int8x16_t a, int8x16_t b, int8x16_t c, int8x16_t d) {
  int8x16x4_t four = {{a, b, c, d}};
  vst4q_s8(to, four);
}

/* Fours of columns (2b - 1, 2b, 2b + 1, 2b + 2) side by side; those before the first and behind the last are zero. */
K_FUNCTION void k_expand(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int width, int channels,
                         int zero, const Layer *restrict layer) {
  int fours = (width + 1) / 2;
  for (int o = 0; o < channels; o += K_V) {
    const int8_t *w = layer->weights + K_WEIGHTS(o, rows * groups);
    const int32_t *b = layer->biases + o;
    const float *s = layer->scales + o;
    k_act *to = out + o * fours * 4;
    int8x16_t nothing = vdupq_n_s8((int8_t)zero), last[3] = {nothing, nothing, nothing}, p[4];
    for (int x = 0; x <= width; x += 4, to += 8 * K_V) {
      k_vi sums[4];
      if (x + 2 < width) { /* what lies behind the row too */
        k_sums(sums, 4, 4, in + x * pixel, pixel, row, rows, groups, w, b);
        k_stored(p, sums, 4, k_floats(s), zero, layer);
      } else if (x < width) {
        k_sums(sums, 4, 2, in + x * pixel, pixel, row, rows, groups, w, b);
        k_stored(p, sums, 2, k_floats(s), zero, layer);
      }
      K_UNROLL for (int i = 0; i < 4; i++)
        if (x + i >= width) p[i] = nothing;
      if (x) k_put_columns(to - 4 * K_V, last[0], last[1], last[2], p[0]);
      if (x < width) k_put_columns(to, last[2], p[0], p[1], p[2]);
      if (x + 2 < width && x + 4 > width) k_put_columns(to + 4 * K_V, p[1], p[2], p[3], nothing);
      last[0] = p[1], last[1] = p[2], last[2] = p[3];
    }
  }
}

/* One row of a depthwise 3x3 layer over three rows of k_expand. Weights: [w0 w1 w2 0] a row and channel. */
K_INLINE void k_depthwise_row(const k_act *const *rows, k_act *out, int width, int stride, int channels, int pixel,
                              int zero, const Layer *restrict layer) {
  int fours = (width + 1) / 2, outputs = (width + stride - 1) / stride, turns = stride == 1 ? 2 : 1;
  for (int o = 0; o < channels; o += K_V) {
    k_vi b = k_ints(layer->biases + o);
    k_vf s = k_floats(layer->scales + o);
    int count = channels - o < K_V ? channels - o : K_V;
    for (int turn = 0; turn < turns; turn++) {
      const k_act *in[3];
      k_columns w[3];
      K_UNROLL for (int r = 0; r < 3; r++) {
        in[r] = rows[r] + o * fours * 4;
        w[r] = k_fours(layer->weights + o * 12 + r * 64);
        if (turn) w[r] = k_later(w[r]);
      }
      for (int x = turn; x < outputs; x += turns) {
        k_vi a = b;
        int8x16_t v;
        K_UNROLL for (int r = 0; r < 3; r++) {
          k_columns c = k_fours(in[r] + x / turns * 4 * K_V);
          K_EACH a.v[e] = vdotq_s32(a.v[e], w[r].v[e], c.v[e]);
        }
        k_stored(&v, &a, 1, s, zero, layer);
        k_put_lane(out + x * pixel + o, v, count);
      }
    }
  }
}

/* Depthwise layers, maxima and sums for 64-bit ARM: sixteen values at a time. */

/* Two taps, or the first of them: their products are added in 16 bits before they go to 32. */
K_INLINE void k_taps(int32x4_t *sums, int8x16_t a, int8x16_t u, int8x16_t b, int8x16_t v, int both) {
  int16x8_t l = vmull_s8(vget_low_s8(a), vget_low_s8(u)), h = vmull_high_s8(a, u);
  if (both) l = vmlal_s8(l, vget_low_s8(b), vget_low_s8(v)), h = vmlal_high_s8(h, b, v);
  sums[0] = vaddw_s16(sums[0], vget_low_s16(l)), sums[1] = vaddw_high_s16(sums[1], l);
  sums[2] = vaddw_s16(sums[2], vget_low_s16(h)), sums[3] = vaddw_high_s16(sums[3], h);
}

/* Weights of a tap; `twice`: the same eight for two pixels. */
K_INLINE int8x16_t k_weight(const int8_t *w, int twice) { return twice ? vcombine_s8(vld1_s8(w), vld1_s8(w)) : vld1q_s8(w); }

/* Nine taps that are in registers, of three rows. */
K_INLINE void k_nine(int32x4_t *sums, const k_act *const *rows, int pixel, const int8x16_t *taps) {
  int8x16_t a[9];
  K_UNROLL for (int n = 0; n < 9; n++) a[n] = vld1q_s8(rows[n / 3] + n % 3 * pixel);
  K_UNROLL for (int n = 0; n < 8; n += 2) k_taps(sums, a[n], taps[n], a[n + 1], taps[n + 1], 1);
  k_taps(sums, a[8], taps[8], a[8], taps[8], 0);
}

/* Any window: `apart` are its weights from one tap to the next. */
K_INLINE void k_many(int32x4_t *sums, const k_act *in, int pixel, int row, int h, int w, const int8_t *taps, int apart,
                     int twice) {
  for (int r = 0; r < h; r++, in += row)
    for (int k = 0; k < w; k += 2, taps += apart) {
      int8x16_t a = vld1q_s8(in + k * pixel), u = k_weight(taps, twice);
      if (k + 1 < w) {
        taps += apart;
        k_taps(sums, a, u, vld1q_s8(in + (k + 1) * pixel), k_weight(taps, twice), 1);
      } else k_taps(sums, a, u, a, u, 0);
    }
}

/* A depthwise layer of any window; channels are a multiple of 8 in both maps. `twice`: a vector is eight channels of two
   pixels. */
#define K_DEPTHWISE
K_FUNCTION void k_depthwise(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                            const Layer *restrict layer) {
  int twice = out->pixel == 8 && window->right == 1 && out->w > 1, nine = window->h == 3 && window->w == 3;
  int by = twice ? 2 : 1, parts = twice ? 2 : 4;
  for (int c = 0; c < out->pixel; c += K_V) {
    const int8_t *w = layer->weights + c;
    int8x16_t taps[9];
    k_vi b;
    k_vf s;
    int count = out->pixel - c < K_V && !twice ? out->pixel - c : K_V;
    K_EACH b.v[e] = vld1q_s32(layer->biases + c + 4 * (e % parts)), s.v[e] = vld1q_f32(layer->scales + c + 4 * (e % parts));
    K_UNROLL for (int n = 0; n < 9; n++) taps[n] = nine ? k_weight(w + n * out->pixel, twice) : vdupq_n_s8(0);
    for (int y = 0; y < out->h; y++) {
      const k_act *from = arena + in->at + (y * window->down - window->top) * in->row - window->left * in->pixel + c;
      k_act *to = arena + out->at + y * out->row + c;
      for (int x = 0;;) {
        const k_act *at = from + x * window->right * in->pixel, *rows[3] = {at, at + in->row, at + 2 * in->row};
        k_vi sums = b;
        int8x16_t v;
        if (nine) k_nine(sums.v, rows, in->pixel, taps);
        else k_many(sums.v, at, in->pixel, in->row, window->h, window->w, w, out->pixel, twice);
        k_stored(&v, &sums, 1, s, out->zero, layer);
        k_put_lane(to + x * out->pixel, v, count);
        if (x + by >= out->w) break;
        x = x + 2 * by > out->w ? out->w - by : x + by;
      }
    }
  }
}

/* The largest of sixteen channels over h rows of w pixels. */
K_INLINE int8x16_t k_largest(const k_act *at, int h, int w, int row, int pixel) {
  int8x16_t most = vld1q_s8(at);
  for (int r = 0; r < h; r++, at += row)
    for (int k = 0; k < w; k++) most = vmaxq_s8(most, vld1q_s8(at + k * pixel));
  return most;
}

#define K_MAX_POOL
K_FUNCTION void k_max_pool(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window) {
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++) {
      int top = y * window->down - window->top, left = x * window->right - window->left, h = window->h, w = window->w;
      if (top < 0) h += top, top = 0;
      if (left < 0) w += left, left = 0;
      if (h > in->h - top) h = in->h - top;
      if (w > in->w - left) w = in->w - left;
      const k_act *at = arena + in->at + top * in->row + left * in->pixel;
      k_act *to = arena + out->at + y * out->row + x * out->pixel;
      for (int c = 0; c < out->pixel; c += K_V) {
        int8x16_t most = h == 3 && w == 3 ? k_largest(at + c, 3, 3, in->row, in->pixel) : k_largest(at + c, h, w, in->row, in->pixel);
        k_put_lane(to + c, most, out->pixel - c);
      }
    }
}

/* XNNPACK's sum of sixteen values: what zero is stored as is in `sum` already. */
K_INLINE int8x16_t k_sum(int8x16_t a, int8x16_t b, int32x4_t f, int32x4_t g, int32x4_t sum, int32x4_t shift, int low, int high,
                         int zero) {
  k_vi p = k_wide(a), q = k_wide(b), s;
  K_EACH s.v[e] = vshlq_s32(vmlaq_s32(vmlaq_s32(sum, p.v[e], f), q.v[e], g), shift);
  return k_packed(s, low, high, zero);
}

/* XNNPACK's sum: integers with `shift` bits of fraction. Rows of nothing but values are taken as a whole. */
#define K_ADD
K_FUNCTION void k_add(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, int a_factor,
                      int b_factor, int shift, int low, int high) {
  int dense = a->pixel == out->c && b->pixel == out->c && out->pixel == out->c;
  int pixels = dense ? 1 : out->w, values = dense ? out->w * out->c : out->c, count = values < K_V ? values : K_V;
  int32x4_t f = vdupq_n_s32(a_factor), g = vdupq_n_s32(b_factor), right = vdupq_n_s32(-shift);
  int32x4_t sum = vdupq_n_s32((1 << (shift - 1)) - a_factor * a->zero - b_factor * b->zero);
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < pixels; x++) {
      const k_act *p = arena + a->at + y * a->row + x * a->pixel, *q = arena + b->at + y * b->row + x * b->pixel;
      k_act *to = arena + out->at + y * out->row + x * out->pixel;
      for (int i = 0;;) {
        k_put_lane(to + i, k_sum(vld1q_s8(p + i), vld1q_s8(q + i), f, g, sum, right, low, high, out->zero), count);
        if (i + K_V >= values) break;
        i = i + 2 * K_V > values ? values - K_V : i + K_V;
      }
    }
}

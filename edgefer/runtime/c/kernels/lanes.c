/* Rows of a convolution and of a depthwise layer; pixels of the row that is made are `step` apart. What the narrowing to a
   byte does not limit is limited afterwards. */

K_FUNCTION void k_narrow(k_act *out, int step, int width, int channels, int low, int high) {
  for (int x = 0; x < width; x++)
    for (int o = 0; o < channels; o++) out[x * step + o] = (k_act)limit(out[x * step + o], low, high);
}

K_INLINE void k_narrowed(k_act *out, int step, int width, int channels, int zero, const Layer *restrict layer) {
  if (layer->low + zero > -128 || layer->high + zero < 127)
    k_narrow(out, step, width, channels, layer->low + zero, layer->high + zero);
}

K_INLINE void k_put_bytes(k_act *to, k_vi a, k_vf s, int zero, int count) {
  k_vi v = vaddq_n_s32(k_nearest(k_timesf(k_real(a), s)), zero);
  int16x8_t half = vqmovnbq_s32(vreinterpretq_s16_s32(v), v);
  v = vreinterpretq_s32_s8(vqmovnbq_s16(vreinterpretq_s8_s16(half), half));
  if (count >= 4) vstrbq_s32(to, v);
  else vstrbq_p_s32(to, v, vctp32q((uint32_t)count));
}

/* Four outputs, or `count`, of all pixels of a row: the sums over `h` stretches of `groups` groups of sixteen inputs. */
K_INLINE void k_strip(const k_act *const *rows, int h, int groups, int pixel, const int8_t *weights, const int32_t *b, k_vf s,
                      k_act *to, int step, int width, int zero, int count) {
  const k_act *first = rows[0];
  k_vi bias = vld1q_s32(b);
  for (int x = 0; x < width; x++, to += step, first += pixel) {
    const int8_t *w = weights;
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int r = 0; r < h; r++) {
      const k_act *p = h == 1 ? first : rows[r] + x * pixel;
      for (int left = groups; left > 0; left--, p += 16, w += 64) {
        int8x16_t in = vld1q_s8(p);
        s0 = vmladavaq_s8(s0, in, vld1q_s8(w));
        s1 = vmladavaq_s8(s1, in, vld1q_s8(w + 16));
        s2 = vmladavaq_s8(s2, in, vld1q_s8(w + 32));
        s3 = vmladavaq_s8(s3, in, vld1q_s8(w + 48));
      }
    }
    k_vi v = {s0, s1, s2, s3};
    k_put_bytes(to, vaddq_s32(v, bias), s, zero, count);
  }
}

/* The same of pixels of up to sixteen inputs: the weights stay in registers. */
K_INLINE void k_thin(const k_act *in, int pixel, const int8_t *w, const int32_t *b, k_vf s, k_act *to, int step, int width,
                     int zero) {
  int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16), w2 = vld1q_s8(w + 32), w3 = vld1q_s8(w + 48);
  k_vi bias = vld1q_s32(b);
  for (int x = 0; x < width; x++, to += step, in += pixel) {
    int8x16_t a = vld1q_s8(in);
    k_vi v = {vmladavq_s8(a, w0), vmladavq_s8(a, w1), vmladavq_s8(a, w2), vmladavq_s8(a, w3)};
    k_put_bytes(to, vaddq_s32(v, bias), s, zero, 4);
  }
}

/* One row of a convolution: `rows` are the window's, pixels `pixel` apart. */
K_FUNCTION void k_convolve_row(const k_act *const *rows, int h, int groups, int pixel, k_act *out, int step, int apart,
                               int width, int channels, int zero, const Layer *restrict layer) {
  (void)apart;
  for (int o = 0; o < channels; o += 4) {
    const int8_t *w = layer->weights + o * h * groups * 16;
    const int32_t *b = layer->biases + o;
    k_vf s = vld1q_f32(layer->scales + o);
    if (channels - o < 4) k_strip(rows, h, groups, pixel, w, b, s, out + o, step, width, zero, channels - o);
    else if (h == 1 && groups == 1) k_thin(rows[0], pixel, w, b, s, out + o, step, width, zero);
    else if (h == 1) k_strip(rows, 1, groups, pixel, w, b, s, out + o, step, width, zero, 4);
    else if (h == 3 && groups == 1) k_strip(rows, 3, 1, pixel, w, b, s, out + o, step, width, zero, 4);
    else k_strip(rows, h, groups, pixel, w, b, s, out + o, step, width, zero, 4);
  }
  k_narrowed(out, step, width, channels, zero, layer);
}

/* Eight channels of a row of a depthwise layer: products of even channels and of odd ones. */
K_INLINE void k_eight(const k_act *const *rows, int h, int w, int pixel, int inputs, const int8_t *u, int at, int32x4x2_t b,
                      float32x4x2_t s, k_act *to, int step, int width, int zero) {
  for (int x = 0; x < width; x++, to += step, at += pixel) {
    k_vi even = b.val[0], odd = b.val[1];
    const int8_t *taps = u;
    K_UNROLL for (int r = 0; r < h; r++) {
      const k_act *p = rows[r] + at;
      K_UNROLL for (int k = 0; k < w; k++, p += inputs, taps += 8) {
        /* One tap after the other: all loads first, or all sums last, would spill the eight vector registers. */
        __asm__ volatile("" : "+w"(even), "+w"(odd), "+r"(taps), "+r"(p)::"memory");
        int16x8_t a = vldrbq_s16(p), t = vldrbq_s16(taps);
        even = vaddq_s32(even, vmullbq_int_s16(a, t));
        odd = vaddq_s32(odd, vmulltq_int_s16(a, t));
      }
    }
    int16x8_t v = vdupq_n_s16(0);
    v = vqmovnbq_s32(v, k_nearest(k_timesf(k_real(even), s.val[0])));
    v = vqaddq_n_s16(vqmovntq_s32(v, k_nearest(k_timesf(k_real(odd), s.val[1]))), (int16_t)zero);
    vstrbq_s16(to, vreinterpretq_s16_s8(vqmovnbq_s16(vreinterpretq_s8_s16(v), v)));
  }
}

/* Up to four channels. */
K_INLINE void k_few(const k_act *const *rows, int h, int w, int pixel, int inputs, const int8_t *u, int at, k_vi b, k_vf s,
                    k_act *to, int step, int width, int zero, int count) {
  for (int x = 0; x < width; x++, to += step, at += pixel) {
    k_vi a = b;
    for (int r = 0; r < h; r++)
      for (int k = 0; k < w; k++)
        a = vaddq_s32(a, vmulq_s32(vldrbq_s32(rows[r] + at + k * inputs), vldrbq_s32(u + (r * w + k) * 8)));
    k_put_bytes(to, a, s, zero, count);
  }
}

/* One row of a depthwise layer; weights of eight channels lie side by side. */
K_FUNCTION void k_depthwise_row(const k_act *const *rows, int h, int w, int pixel, int inputs, k_act *out, int step, int width,
                                int channels, int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels;) {
    const int8_t *u = layer->weights + o / 8 * h * w * 8 + o % 8;
    const float *s = layer->scales + o;
    const int32_t *b = layer->biases + o;
    if (channels - o < 8) {
      k_few(rows, h, w, pixel, inputs, u, o, vld1q_s32(b), vld1q_f32(s), out + o, step, width, zero, channels - o);
      o += 4;
      continue;
    }
    if (h == 3 && w == 3) k_eight(rows, 3, 3, pixel, inputs, u, o, vld2q_s32(b), vld2q_f32(s), out + o, step, width, zero);
    else k_eight(rows, h, w, pixel, inputs, u, o, vld2q_s32(b), vld2q_f32(s), out + o, step, width, zero);
    o += 8;
  }
  k_narrowed(out, step, width, channels, zero, layer);
}

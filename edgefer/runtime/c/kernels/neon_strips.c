/* Rows of convolutions for 64-bit ARM: what its kernels make of k_sums. */

/* Vectors of sums as outputs are stored. Where zero is even it is added before the rounding, which 1.5 * 2^23 brings about
   (halves go to the even number, with or without zero), and the low halves of the floats' bits are the outputs. */
K_INLINE void k_stored(int8x16_t *out, const k_vi *sums, int vectors, k_vf s, int zero, const Layer *restrict layer) {
  int low = layer->low + zero, high = layer->high + zero;
  if (layer->even) {
    float32x4_t shift = vdupq_n_f32(12582912.0f + (float)zero);
    K_UNROLL for (int i = 0; i < vectors; i++) {
      int16x8_t v[4];
      K_EACH {
        float32x4_t a = vmulq_f32(vcvtq_f32_s32(sums[i].v[e]), s.v[e]);
        K_ROUNDED(a);
        v[e] = vreinterpretq_s16_f32(vaddq_f32(a, shift));
      }
      out[i] = vqmovn_high_s16(vqmovn_s16(vuzp1q_s16(v[0], v[1])), vuzp1q_s16(v[2], v[3]));
    }
  } else
    K_UNROLL for (int i = 0; i < vectors; i++) out[i] = k_packed(k_scaled(sums[i], s), -128 - zero, 127 - zero, zero);
  if (low > -128 || high < 127)
    K_UNROLL for (int i = 0; i < vectors; i++)
      out[i] = vminq_s8(vmaxq_s8(out[i], vdupq_n_s8((int8_t)low)), vdupq_n_s8((int8_t)high));
}

/* All pixels of a row for `parts` fours of outputs, `tile` at a time; the last tile overlaps the one before. Outputs of a
   pixel are a vector, or eight of two pixels are. */
K_INLINE void k_strip(int parts, int tile, const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step,
                      int width, const int8_t *w, int o, int count, int zero, const Layer *restrict layer) {
  const int32_t *b = layer->biases + o;
  const float *scales = layer->scales + o;
  int at_once = 4 / parts, vectors = tile / at_once;
  for (int x = 0;;) {
    k_vi sums[4];
    k_vf s;
    int8x16_t v[4];
    k_act *to = out + x * step;
    k_sums(sums, parts, tile, in + x * pixel, pixel, row, rows, groups, w, b);
    K_EACH s.v[e] = vld1q_f32(scales + 4 * (e % parts));
    k_stored(v, sums, vectors, s, zero, layer);
    K_UNROLL for (int i = 0; i < vectors; i++, to += at_once * step) {
      if (parts == 4) k_put_lane(to, v[i], count);
      else if (step == 8) vst1q_s8(to, v[i]);
      else {
        vst1_s8(to, vget_low_s8(v[i]));
        vst1_s8(to + step, vget_high_s8(v[i]));
      }
    }
    if (x + tile >= width) return;
    x = x + 2 * tile > width ? width - tile : x + tile;
  }
}

/* A row's outputs from `o` on, sixteen or the eight that are left. */
K_INLINE void k_convolve_block(int o, const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step,
                               int width, int count, int zero, const Layer *restrict layer) {
  const int8_t *w = layer->weights + K_WEIGHTS(o, rows * groups);
  if (width < 4) k_strip(4, 1, in, pixel, row, rows, groups, out, step, width, w, o, count, zero, layer);
  else if (count == K_V) k_strip(4, 4, in, pixel, row, rows, groups, out, step, width, w, o, K_V, zero, layer);
  else if (width < 8) k_strip(2, 4, in, pixel, row, rows, groups, out, step, width, w, o, K_V, zero, layer);
  else k_strip(2, 8, in, pixel, row, rows, groups, out, step, width, w, o, K_V, zero, layer);
}

/* One row of a convolution: `rows` stretches of `groups` groups of inputs a pixel; channels are a multiple of 8. */
K_FUNCTION void k_convolve_row(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step, int width,
                               int channels, int zero, const Layer *restrict layer) {
  for (int o = 0; o < channels; o += K_V) {
    int count = channels - o < K_V ? channels - o : K_V;
    k_convolve_block(o, in, pixel, row, rows, groups, out + o, step, width, count, zero, layer);
  }
}

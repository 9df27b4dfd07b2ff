/* Convolutions of eight outputs by four pixels at a time: their sums, two vectors of weights and one of inputs are in
   registers. */

/* What a group of inputs of four pixels adds to their sums. */
K_INLINE void k_step(k_vi *sums, const k_act *const *at, unsigned group, const int8_t *w) {
  k_vw u = k_weights(w), v = k_weights(w + 16);
  K_UNROLL for (unsigned i = 0; i < 4; i++) {
    k_va a = k_group(at[i] + group * K_GROUP);
    sums[i] = k_mac(sums[i], a, u), sums[4 + i] = k_mac(sums[4 + i], a, v);
  }
  K_UNROLL for (unsigned i = 0; i < 8; i++) K_KEEP(sums[i]);
}

/* Where the inputs and outputs of four pixels are, from those of the first: of less than four, the last one is computed
   several times. */
K_INLINE void k_apart(int *apart, int width, int step) {
  K_UNROLL for (int i = 0; i < 4; i++) apart[i] = (i < width ? i : width - 1) * step;
}

/* The sums of four pixels, as they are stored. */
K_INLINE void k_sums(k_vi *sums, const k_act *at, const int *from, int row, int rows, int groups, const int8_t *w, int next,
                     const int32_t *biases, const float *scales, k_vi less) {
  K_UNROLL for (int i = 0; i < 8; i++) sums[i] = k_ints(biases + i / 4 * K_V);
  for (int r = 0; r < rows; r++, at += row) {
    const k_act *p[4] = {at, at + from[1], at + from[2], at + from[3]};
    for (int k = groups / 2; k > 0; k--) {
      K_UNROLL for (unsigned i = 0; i < 4; i++) K_KEEP(p[i]);
      K_UNROLL for (unsigned i = 0; i < 2; i++, w += next) k_step(sums, p, i, w);
      K_UNROLL for (unsigned i = 0; i < 4; i++) p[i] += 2 * K_GROUP;
    }
    for (int k = groups % 2; k > 0; k--, w += next) {
      k_step(sums, p, 0, w);
      K_UNROLL for (unsigned i = 0; i < 4; i++) p[i] += K_GROUP;
    }
  }
  K_UNROLL for (int i = 0; i < 8; i++) sums[i] = k_stored(sums[i], k_floats(scales + i / 4 * K_V), less);
}

/* One row of a convolution: `rows` stretches of `groups` groups of inputs a pixel; channels are a multiple of 8. The last
   pixels overlap those before. */
K_FUNCTION void k_convolve_row(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step, int width,
                               int channels, int zero, const Layer *restrict layer) {
  k_Limits limits = k_limits(layer->low, layer->high, zero);
  k_vi less = k_less(zero);
  int from[4], to[4], block = k_block(channels), next = block * K_GROUP;
  k_apart(from, width, pixel), k_apart(to, width, step);
  for (int o = 0; o < channels; o += 8) {
    const int8_t *w = layer->weights + o / block * rows * groups * next + o % block * K_GROUP;
    for (int x = 0;;) {
      k_vi a[8];
      k_act *p = out + x * step + o;
      k_sums(a, in + x * pixel, from, row, rows, groups, w, next, layer->biases + o, layer->scales + o, less);
      v128_t v = k_packed(a[0], a[4], a[1], a[5], limits), u = k_packed(a[2], a[6], a[3], a[7], limits);
      wasm_v128_store64_lane(p, v, 0);
      wasm_v128_store64_lane(p + to[1], v, 1);
      wasm_v128_store64_lane(p + to[2], u, 0);
      wasm_v128_store64_lane(p + to[3], u, 1);
      if (x + 4 >= width) break;
      x = x + 8 > width ? width - 4 : x + 4;
    }
  }
}

/* A row of a convolution, pixel by pixel: vectors of sixteen outputs; a last half vector of eight takes two groups of inputs
   at a time, whose products lie side by side. */
#define K_PLACED K_INLINE /* so that k_convolve_row knows its layer */

/* All pixels of a row for one vector of outputs, `tile` at a time; the last tile overlaps the one before, or, where it is of
   twelve, is of `width`, which is more than eight. `rests`, if there are any, is one group more of each pixel. */
K_INLINE void k_strip(int tile, const k_act *in, int pixel, int row, int rows, int groups, const k_act *rests, k_act *out, int step,
                      int width, const int8_t *w, const int32_t *b, const float *scales, int low, int high, int zero) {
  k_vf s = k_floats(scales);
  for (int x = 0;;) {
    k_vi a[12];
    k_tile(a, 1, tile, in + x * pixel, pixel, row, rows, groups, w, b);
    if (rests) {
      k_vw u = k_weights(w + K_NEXT(rows * groups));
      K_UNROLL for (int i = 0; i < tile; i++) a[i] = k_mac(a[i], k_group(rests + (x + i) * K_GROUP), u);
    }
    K_UNROLL for (int i = 0; i < tile; i++) a[i] = k_scaled(a[i], s);
    K_UNROLL for (int i = 0; i < tile && i < 8; i += 4) k_put4(out + (x + i) * step, step, a + i, low, high, zero, K_V);
    if (tile == 12) {
      k_act *to = out + (x + 8) * step;
      if (width - x > 11) k_put4(to, step, a + 8, low, high, zero, K_V);
      else if (width - x == 11) k_put_pixels(3, to, step, a + 8, low, high, zero, K_V);
      else if (width - x == 10) k_put_pixels(2, to, step, a + 8, low, high, zero, K_V);
      else k_put_pixels(1, to, step, a + 8, low, high, zero, K_V);
    }
    if (x + tile >= width) return;
    x = x + 2 * tile > width ? width - tile : x + tile;
  }
}

/* The same for the eight outputs of half a vector. */
K_INLINE k_va k_two_groups(const k_act *p) { int64_t eight; memcpy(&eight, p, sizeof eight); return _mm512_set1_epi64(eight); }
K_INLINE k_vi k_half_biases(const int32_t *b) { return _mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i *)(const void *)b)); }
K_INLINE void k_half_strip(int tile, const k_act *in, int pixel, int row, int rows, int pairs, k_act *out, int step, int width,
                           const int8_t *w, const int32_t *b, const float *scales, int low, int high, int zero) {
  const __m512i order = _mm512_cvtepi8_epi16(_mm256_setr_epi8(0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26, 3, 11, 19, 27, 4, 12,
                                                              20, 28, 5, 13, 21, 29, 6, 14, 22, 30, 7, 15, 23, 31));
  k_vi biases = k_half_biases(b), a[8];
  k_vf s = _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5, 6, 7, 6, 7), k_floats(scales));
  for (int x = 0;;) {
    K_UNROLL for (int i = 0; i < tile; i++) a[i] = biases;
    for (int r = 0; r < rows; r++)
      for (int k = 0; k < pairs; k++) {
        k_vw u = k_weights(w + (r * pairs + k) * 64);
        const k_act *at = in + x * pixel + r * row + 8 * k;
        K_UNROLL for (int i = 0; i < tile; i++) a[i] = k_mac(a[i], k_two_groups(at + i * pixel), u);
      }
    K_UNROLL for (int i = 0; i < tile; i += 2) { /* in each lane two outputs of one pixel and of the next */
      k_vf one = _mm512_castsi512_ps(a[i]), other = _mm512_castsi512_ps(a[i + 1]);
      a[i / 2] = k_scaled(k_plus(_mm512_castps_si512(_mm512_shuffle_ps(one, other, 0x88)),
                                 _mm512_castps_si512(_mm512_shuffle_ps(one, other, 0xDD))), s);
    }
    __m512i v = k_paired(a[0], a[1], low, high, zero), r;
    r = _mm512_permutexvar_epi16(order, _mm512_packus_epi16(v, tile == 8 ? k_paired(a[2], a[3], low, high, zero) : v));
    k_act *to = out + x * step;
    if (step == 8 && tile == 8) _mm512_storeu_si512(to, r);
    else if (step == 8) _mm256_storeu_si256((__m256i *)(void *)to, _mm512_castsi512_si256(r));
    else {
      int64_t eights[8];
      _mm512_storeu_si512(eights, r);
      K_UNROLL for (int i = 0; i < tile; i++) memcpy(to + i * step, eights + i, 8);
    }
    if (x + tile >= width) return;
    x = x + 2 * tile > width ? width - tile : x + tile;
  }
}

/* One pixel: four sums, so that no addition waits for the one before. */
K_INLINE void k_point(const k_act *in, int row, int rows, int groups, k_act *out, const int8_t *w, const int32_t *b,
                      const float *scales, int low, int high, int zero, int count) {
  int half = count == 8, turns = half ? (groups + 1) / 2 : groups, size = half ? 8 : 4;
  k_vi a[4] = {half ? k_half_biases(b) : k_ints(b), k_set(0), k_set(0), k_set(0)};
  for (int r = 0; r < rows; r++, in += row) {
    const k_act *at = in;
    int left = turns;
    for (; left >= 4; left -= 4, at += 4 * size, w += 4 * 64)
      K_UNROLL for (int i = 0; i < 4; i++)
        a[i] = k_mac(a[i], half ? k_two_groups(at + i * size) : k_group(at + i * size), k_weights(w + i * 64));
    for (; left > 0; left--, at += size, w += 64) a[0] = k_mac(a[0], half ? k_two_groups(at) : k_group(at), k_weights(w));
  }
  k_vi sum = k_plus(k_plus(a[0], a[1]), k_plus(a[2], a[3]));
  if (half) sum = _mm512_castsi256_si512(_mm512_cvtepi64_epi32(k_plus(sum, _mm512_srli_epi64(sum, 32))));
  k_put1(out, k_scaled(sum, k_floats(scales)), low, high, zero, count);
}

/* One row: `rows` stretches of `groups` groups of inputs a pixel; channels are a multiple of 8. */
K_INLINE void k_convolve_here(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step, int width,
                              int channels, int zero, const Layer *restrict layer) {
  const int low = layer->low, high = layer->high;
  for (int o = 0; o < channels; o += K_V) {
    const int8_t *w = layer->weights + K_WEIGHTS(o, rows * groups);
    const int32_t *b = layer->biases + o;
    const float *s = layer->scales + o;
    k_act *to = out + o;
    int pairs = (groups + 1) / 2, by8 = width % 8 == 0 || width % 8 > 4 ? width : width / 8 * 8, rest = width - 4;
    if (width < 4) {
      for (int x = 0; x < width; x++) {
        const k_act *at = in + x * pixel;
        if (channels - o == 8) k_point(at, row, rows, groups, to + x * step, w, b, s, low, high, zero, 8);
        else k_point(at, row, rows, groups, to + x * step, w, b, s, low, high, zero, K_V);
      }
    } else if (channels - o == 8) {
      if (width >= 8) k_half_strip(8, in, pixel, row, rows, pairs, to, step, width, w, b, s, low, high, zero);
      else k_half_strip(4, in, pixel, row, rows, pairs, to, step, width, w, b, s, low, high, zero);
    } else {
      if (width > 8 && (width <= 12 || width % 12 == 0)) k_strip(12, in, pixel, row, rows, groups, 0, to, step, width, w, b, s, low, high, zero);
      else if (width >= 8) k_strip(8, in, pixel, row, rows, groups, 0, to, step, by8, w, b, s, low, high, zero);
      if (width < 8) k_strip(4, in, pixel, row, rows, groups, 0, to, step, width, w, b, s, low, high, zero);
      else if (width > 12 && width % 12 && by8 < width) k_strip(4, in + rest * pixel, pixel, row, rows, groups, 0, to + rest * step, step, 4, w, b, s, low, high, zero);
    }
  }
}
K_FUNCTION void k_convolve_there(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step, int width,
                                 int channels, int zero, const Layer *restrict layer) {
  k_convolve_here(in, pixel, row, rows, groups, out, step, width, channels, zero, layer);
}
/* Compiled anew where a layer's weights find room in registers. */
K_INLINE void k_convolve_row(const k_act *in, int pixel, int row, int rows, int groups, k_act *out, int step, int width,
                             int channels, int zero, const Layer *restrict layer) {
  if (IS_KNOWN(channels <= K_V && width >= 8 && rows * groups <= 12))
    k_convolve_here(in, pixel, row, rows, groups, out, step, width, channels, zero, layer);
  else k_convolve_there(in, pixel, row, rows, groups, out, step, width, channels, zero, layer);
}

/* A window of three rows of nine inputs, three on from pixel to pixel: what is left of each row after two groups is the
   seventh group. */
#define K_RESTS 128 /* pixels of a row at most */
K_INLINE __m512i k_thirds(const k_act *p, int place) {
  const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
  const __m128i bytes = _mm_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
  __m512i v = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(lanes, k_fours(p)), _mm512_broadcast_i32x4(bytes));
  return place == 0 ? v : place == 1 ? _mm512_slli_epi32(v, 8) : _mm512_slli_epi32(v, 16);
}
K_INLINE void k_convolve_rests(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                               const Layer *restrict layer) {
  const int low = layer->low, high = layer->high, width = out->w, by8 = width % 8 > 4 ? width : width / 8 * 8, rest = width - 4;
  k_act rests[K_RESTS * K_GROUP];
  for (int y = 0; y < out->h; y++) {
    const k_act *at = arena + in->at + (y * window->down - window->top) * in->row - window->left * 3, *last = at + 8;
    for (int x = 0; x < width; x += 16, last += 48)
      _mm512_storeu_si512(rests + x * K_GROUP, _mm512_or_si512(_mm512_or_si512(k_thirds(last, 0), k_thirds(last + in->row, 1)),
                                                               k_thirds(last + 2 * in->row, 2)));
    for (int o = 0; o < out->pixel; o += K_V) {
      const int8_t *w = layer->weights + K_WEIGHTS(o, 7);
      const int32_t *b = layer->biases + o;
      const float *s = layer->scales + o;
      k_act *to = arena + out->at + y * out->row + o;
      k_strip(8, at, 3, in->row, 3, 2, rests, to, out->pixel, by8, w, b, s, low, high, out->zero);
      if (by8 < width)
        k_strip(4, at + rest * 3, 3, in->row, 3, 2, rests + rest * K_GROUP, to + rest * out->pixel, out->pixel, 4, w, b, s, low, high, out->zero);
    }
  }
}

/* Operators, one function each; maps and arena are in activations. */

K_INLINE k_act *k_row(k_act *arena, const Map *restrict map, int y) { return arena + map->at + y * map->row; }

#ifndef K_ROWS
#ifndef K_CONVOLVE
#ifndef K_PLACED
#define K_PLACED K_FUNCTION
#endif
K_PLACED void k_convolve(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                           int groups, const Layer *restrict layer) {
  for (int y = 0; y < out->h; y++)
    k_convolve_row(k_row(arena, in, y * window->down - window->top) - window->left * in->pixel, window->right * in->pixel,
                   in->row, window->h, groups, k_row(arena, out, y), out->pixel, out->w, out->pixel, out->zero, layer);
}

/* A convolution of stride 1 whose only reader is a depthwise 3x3 layer with one pixel of padding: its map of `middle`'s
   height, width and channels is never whole; three rows of it are, in `middle.at` and three times `middle.row`, and a
   fourth of zeros. `row` is for a row of the depthwise layer, of which a convolution of 1x1 follows, if there is one. */
K_LARGE void k_convolve_depthwise(k_act *arena, const Map *restrict in, const Map *restrict middle, const Map *restrict out,
                                  const Window *restrict window, int groups, const Layer *restrict first, int stride,
                                  const Layer *restrict second, int scratch, int scratch_zero, int last_groups,
                                  const Layer *restrict last) {
  k_act *ring[4];
  int made = 0;
  for (int i = 0; i < 4; i++) ring[i] = arena + middle->at + i * middle->row;
  for (int i = 0; i < middle->row; i++) ring[3][i] = (k_act)middle->zero;
  for (int y = 0; y < out->h; y++) {
    int centre = y * stride;
    for (; made < middle->h && made <= centre + 1; made++)
      k_expand(k_row(arena, in, made - window->top) - window->left * in->pixel, in->pixel, in->row, window->h, groups,
               ring[made % 3], middle->w, middle->c, middle->zero, first);
    const k_act *rows[4] = {y ? ring[(centre - 1) % 3] : ring[3], ring[centre % 3],
                            centre + 1 < middle->h ? ring[(centre + 1) % 3] : ring[3], ring[3]};
    k_act *to = last_groups ? arena + scratch : k_row(arena, out, y);
    k_depthwise_row(rows, to, middle->w, stride, middle->c, last_groups ? middle->c : out->pixel,
                    last_groups ? scratch_zero : out->zero, second);
    if (last_groups)
      k_convolve_row(to, middle->c, 0, 1, last_groups, k_row(arena, out, y), out->pixel, out->w, out->pixel, out->zero, last);
  }
}
#endif

#ifndef K_DEPTHWISE
/* Pixels next to each other of one vector of channels of a depthwise layer. */
K_INLINE void k_depthwise_tile(int tile, const k_act *in, const Map *restrict from, const Window *restrict window,
                               const int8_t *w, k_vi b, k_vf s, k_act *out, const Map *restrict to, const Layer *restrict layer,
                               int count) {
  k_vi a[4];
  K_UNROLL for (int i = 0; i < tile; i++) a[i] = b;
  for (int r = 0; r < window->h; r++)
    for (int k = 0; k < window->w; k++) {
      k_vi t = k_tap(w + (r * window->w + k) * to->pixel);
      const k_act *at = in + r * from->row + k * from->pixel;
      K_UNROLL for (int i = 0; i < tile; i++)
        a[i] = k_mac_tap(a[i], k_get(at + i * window->right * from->pixel, from->zero), t);
    }
  K_UNROLL for (int i = 0; i < tile; i++) a[i] = k_scaled(a[i], s);
  if (tile == 1) k_put1(out, a[0], layer->low, layer->high, to->zero, count);
  else k_put4(out, to->pixel, a, layer->low, layer->high, to->zero, count);
}

/* A depthwise layer of any window; channels are a multiple of 8 in both maps. */
K_FUNCTION void k_depthwise(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                            const Layer *restrict layer) {
  for (int y = 0; y < out->h; y++)
    for (int c = 0; c < out->pixel; c += K_V) {
      const k_act *at = k_row(arena, in, y * window->down - window->top) - window->left * in->pixel + c;
      k_vi b = k_ints(layer->biases + c);
      k_vf s = k_floats(layer->scales + c);
      int count = out->pixel - c < K_V ? out->pixel - c : K_V, tile = out->w >= 4 ? 4 : 1;
      for (int x = 0;;) {
        const k_act *from = at + x * window->right * in->pixel;
        k_act *to = k_row(arena, out, y) + x * out->pixel + c;
        if (tile == 4) k_depthwise_tile(4, from, in, window, layer->weights + c, b, s, to, out, layer, count);
        else k_depthwise_tile(1, from, in, window, layer->weights + c, b, s, to, out, layer, count);
        if (x + tile >= out->w) break;
        x = x + 2 * tile > out->w ? out->w - tile : x + tile;
      }
    }
}
#endif

/* A depthwise layer of any number of channels, each of which makes `multiplier` outputs. */
K_LARGE void k_depthwise_any(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window,
                             int multiplier, const Layer *restrict layer) {
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++)
      for (int c = 0; c < out->c; c++) {
        int32_t sum = layer->biases[c];
        for (int r = 0; r < window->h; r++)
          for (int k = 0; k < window->w; k++)
            sum += (k_row(arena, in, y * window->down - window->top + r)[(x * window->right - window->left + k) * in->pixel + c / multiplier] - in->zero) *
                   layer->weights[(r * window->w + k) * out->c + c];
        k_row(arena, out, y)[x * out->pixel + c] =
            (k_act)(limit(nearest((float)sum * layer->scales[c]), layer->low, layer->high) + out->zero);
      }
}

#ifndef K_MAX_POOL
/* The largest of `count` channels over h rows of w pixels. */
K_INLINE void k_largest(int count, const k_act *at, int h, int w, int row, int pixel, k_act *to) {
  k_act most[16];
  K_UNROLL for (int i = 0; i < count; i++) most[i] = at[i];
  for (int r = 0; r < h; r++)
    for (int k = 0; k < w; k++) {
      const k_act *next = at + r * row + k * pixel;
      K_UNROLL for (int i = 0; i < count; i++) most[i] = next[i] > most[i] ? next[i] : most[i];
    }
  memcpy(to, most, (size_t)count * sizeof *to);
}

K_FUNCTION void k_max_pool(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window) {
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++) {
      int top = y * window->down - window->top, left = x * window->right - window->left, c = 0;
      int v = top < 0 ? 0 : top, u = left < 0 ? 0 : left;
      int h = (top + window->h < in->h ? top + window->h : in->h) - v, w = (left + window->w < in->w ? left + window->w : in->w) - u;
      const k_act *at = k_row(arena, in, v) + u * in->pixel;
      k_act *to = k_row(arena, out, y) + x * out->pixel;
      for (; c + 16 <= out->pixel; c += 16) k_largest(16, at + c, h, w, in->row, in->pixel, to + c);
      for (; c + 8 <= out->pixel; c += 8) k_largest(8, at + c, h, w, in->row, in->pixel, to + c);
      for (; c < out->pixel; c++) k_largest(1, at + c, h, w, in->row, in->pixel, to + c);
    }
}
#endif

#endif
#ifndef K_GETS_PARTS
/* A vector of which only `count` values are there. */
K_INLINE k_vi k_get_part(const k_act *at, int zero, int count) {
  k_act part[K_V];
  if (K_V == 1 || count >= K_V) return k_get(at, zero);
  memset(part, 0, sizeof part);
  memcpy(part, at, (size_t)count * sizeof *at);
  return k_get(part, zero);
}
#endif

#ifndef K_ADD
/* XNNPACK's sum: integers with `shift` bits of fraction. */
K_FUNCTION void k_add(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, int a_factor,
                      int b_factor, int shift, int low, int high) {
  k_vi f = k_set(a_factor), g = k_set(b_factor), half = k_set(1 << (shift - 1));
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++)
      for (int c = 0; c < out->c; c += K_V) {
        int count = out->c - c < K_V ? out->c - c : K_V;
        k_vi p = k_times(k_get_part(k_row(arena, a, y) + x * a->pixel + c, a->zero, count), f);
        k_vi q = k_times(k_get_part(k_row(arena, b, y) + x * b->pixel + c, b->zero, count), g);
        k_put1(k_row(arena, out, y) + x * out->pixel + c, k_shifted(k_plus(k_plus(p, q), half), shift), low, high, out->zero, count);
      }
}
#endif

#ifndef K_MULTIPLY
/* A product, rounded once; b has out's shape, or one pixel, or one value. Where a vector holds two pixels, it takes two. */
K_LARGE void k_multiply(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, float scale,
                        int low, int high) {
#ifdef K_MULTIPLY_ALL
  if (k_multiply_all(arena, a, b, out, scale, low, high)) return;
#endif
  k_vf s = k_setf(scale), other = s;
  int down = b->h > 1, right = b->w > 1, two = 2 * out->c == K_V && b->c > 1 && !down && !right && out->h * out->w % 2 == 0 &&
      a->pixel == out->c && out->pixel == out->c && a->row == a->w * a->c && out->row == a->row;
  int h = two ? 1 : out->h, w = two ? out->h * out->w / 2 : out->w, apart = two ? K_V : out->pixel;
  k_act twice[K_V];
  for (int c = 0; c < out->c; c += K_V) {
    int count = out->c - c < K_V && !two ? out->c - c : K_V;
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++) {
        if (down || right || x + y == 0) {
          const k_act *g = k_row(arena, b, y * down) + x * right * b->pixel + c;
          if (two)
            for (int i = 0; i < K_V; i++) twice[i] = g[i % out->c];
          other = k_real(b->c == 1 && out->c > 1 ? k_set(g[-c] - b->zero) : k_get_part(two ? twice : g, b->zero, count));
        }
        k_vi one = k_get_part(k_row(arena, a, y) + x * (two ? K_V : a->pixel) + c, a->zero, count);
        k_put1(k_row(arena, out, y) + x * apart + c, k_nearest(k_timesf(k_timesf(k_real(one), other), s)), low, high,
               out->zero, count);
      }
  }
}

#endif

#ifndef K_MEAN
/* The mean of all pixels as XNNPACK has it: the sum of what is stored, and a bias that is rounded with it. */
K_FUNCTION void k_mean(k_act *arena, const Map *restrict in, const Map *restrict out, float scale, int in_zero, float bias,
                       int out_zero, int low, int high) {
  int pixels = in->h * in->w;
  for (int c = 0; c < in->c; c += K_V) {
    int32_t sums[K_V];
    int count = in->c - c < K_V ? in->c - c : K_V;
    k_vi sum = k_set(0);
    for (int y = 0; y < in->h; y++)
      for (int x = 0; x < in->w; x++)
        sum = k_plus(sum, k_get_part(k_row(arena, in, y) + x * in->pixel + c, in->zero, count));
    k_put_ints(sums, sum);
    for (int i = 0; i < count; i++)
      arena[out->at + c + i] =
          (k_act)(limit(nearest((float)(sums[i] + pixels * in_zero) * scale + bias) - out_zero, low, high) + out->zero);
  }
}

#endif

/* A function of one value: `table` has its result, as stored in int8, for -128 to 127. */
K_FUNCTION void k_table(k_act *arena, const Map *restrict in, const Map *restrict out, const int8_t *table, int in_zero,
                        int out_zero) {
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++)
      for (int c = 0; c < out->c; c++)
        k_row(arena, out, y)[x * out->pixel + c] =
            (k_act)(table[k_row(arena, in, y)[x * in->pixel + c] - in->zero + in_zero + 128] - out_zero + out->zero);
}

/* out's values are in's, which are `rows`, `columns` and `values` apart for a row, pixel and channel of out. */
K_FUNCTION void k_move(k_act *arena, const Map *restrict in, const Map *restrict out, int rows, int columns, int values) {
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++)
      for (int c = 0; c < out->c; c++)
        k_row(arena, out, y)[x * out->pixel + c] = arena[in->at + y * rows + x * columns + c * values];
}

/* The same values in another shape. */
K_FUNCTION void k_reshape(k_act *arena, const Map *restrict in, const Map *restrict out) {
  for (int n = 0, y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++)
      for (int c = 0; c < out->c; c++, n++)
        k_row(arena, out, y)[x * out->pixel + c] =
            k_row(arena, in, n / (in->w * in->c))[n / in->c % in->w * in->pixel + n % in->c];
}

/* TensorFlow Lite's softmax of every pixel: exp of the differences to the largest value by a table. */
K_FUNCTION void k_softmax(k_act *arena, const Map *restrict in, const Map *restrict out, const float *table, float scale,
                          int low, int high) {
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++) {
      const k_act *at = k_row(arena, in, y) + x * in->pixel;
      int top = at[0];
      float sum = 0, factor;
      for (int c = 1; c < in->c; c++) top = at[c] > top ? at[c] : top;
      for (int c = 0; c < in->c; c++) sum += table[top - at[c]];
      factor = 1 / (sum * scale);
      for (int c = 0; c < in->c; c++)
        k_row(arena, out, y)[x * out->pixel + c] = (k_act)(limit(nearest(table[top - at[c]] * factor), low, high) + out->zero);
    }
}

K_FUNCTION void k_fill(k_act *at, int count, int zero) {
  for (int i = 0; i < count; i++) at[i] = (k_act)zero;
}

/* A map's border is zero: `before` its first pixel, `between` two rows and `behind` its last pixel. */
K_FUNCTION void k_clear(k_act *arena, const Map *restrict map, int before, int between, int behind) {
  k_act *at = k_row(arena, map, 0), *end = at + map->w * map->pixel;
  k_fill(at - before, before, map->zero);
  for (int y = 1; y < map->h; y++, end += map->row) k_fill(end, between, map->zero);
  k_fill(end, behind, map->zero);
}

#ifndef K_LOAD
K_FUNCTION void k_load(k_act *arena, const int8_t *input, const Map *restrict out, int zero_point) {
  for (int y = 0; y < out->h; y++)
    for (int i = 0, n = out->w * out->c; i < n; i++) k_row(arena, out, y)[i] = (k_act)(input[y * n + i] - zero_point + out->zero);
}
#endif

K_FUNCTION void k_store(const k_act *arena, const Map *restrict in, int8_t *output, int zero_point) {
  for (int y = 0; y < in->h; y++)
    for (int x = 0; x < in->w; x++)
      for (int c = 0; c < in->c; c++)
        output[(y * in->w + x) * in->c + c] = (int8_t)(arena[in->at + y * in->row + x * in->pixel + c] - in->zero + zero_point);
}

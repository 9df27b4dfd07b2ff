/* Convolutions of one pixel, and those with the depthwise layer behind. */
#define K_CONVOLVE

/* A convolution that makes one pixel, by weights as they are stored: four sums, so that no addition waits for another. */
K_FUNCTION void k_point(k_act *arena, const Map *restrict map, const Map *restrict out, const Window *restrict window,
                        int groups, const Layer *restrict layer) {
  k_Inputs in = k_inputs(arena, map, window, -window->top, groups);
  for (int o = 0; o < out->pixel; o += K_V) {
    const int8_t *w = layer->weights + K_WEIGHTS(o, in.rows * in.groups);
    k_vi a[4] = {k_ints(layer->biases + o), k_set(0), k_set(0), k_set(0)};
    for (int r = 0; r < in.rows; r++) {
      const k_act *at = in.at + r * in.row;
      int left = in.groups;
      for (; left >= 4; left -= 4, at += 8, w += 4 * K_STEP)
        K_UNROLL for (int i = 0; i < 4; i++) a[i] = k_mac(a[i], k_group(at + 2 * i), k_weights(w + i * K_STEP));
      for (; left > 0; left--, at += 2, w += K_STEP) a[0] = k_mac(a[0], k_group(at), k_weights(w));
    }
    a[0] = k_scaled(k_plus(k_plus(a[0], a[1]), k_plus(a[2], a[3])), k_floats(layer->scales + o));
    k_put(arena + out->at + o, a[0], layer->low, layer->high);
  }
}

/* A convolution of stride 1 whose only reader is a depthwise 3x3 layer with one pixel of padding: its map of `middle`'s
   height, width and channels is never whole; three rows of it are, in `middle.at` and three times `middle.row`, and a
   vector's zeros behind. `scratch` is for a row of the depthwise layer, which a convolution of 1x1 follows, if there is one. */
K_LARGE void k_convolve_depthwise(k_act *arena, const Map *restrict in, const Map *restrict middle, const Map *restrict out,
                                   const Window *restrict window, int groups, const Layer *restrict first, int stride,
                                   const Layer *restrict second, int scratch, int scratch_zero, int last_groups,
                                   const Layer *restrict last, int weights, int last_weights) {
  k_act *ring[4];
  int made = 0;
  for (int i = 0; i < 4; i++) ring[i] = arena + middle->at + i * middle->row;
  for (int i = 0; i < (middle->w + 3) / 2 * 2 * K_V; i++) ring[3][i] = 0;
  k_widen_all(first->weights, middle->c, window->h * groups, K_EXPANDED, arena + weights);
  if (last_groups) k_widen_all(last->weights, out->pixel, last_groups, 8, arena + last_weights);
  for (int y = 0; y < out->h; y++) {
    int centre = y * stride;
    for (; made < middle->h && made <= centre + 1; made++)
      k_expand(k_inputs(arena, in, window, made - window->top, groups), ring[made % 3], middle->w, middle->c,
               arena + weights, first);
    const k_act *rows[4] = {y ? ring[(centre - 1) % 3] : ring[3], ring[centre % 3],
                            centre + 1 < middle->h ? ring[(centre + 1) % 3] : ring[3], ring[3]};
    k_act *to = arena + out->at + y * out->row, *between = last_groups ? arena + scratch : to;
    k_depthwise_row(rows, between, middle->w, stride, middle->c, last_groups ? middle->c : out->pixel, scratch_zero, second);
    if (last_groups) {
      k_Inputs from = {between, middle->c, 0, 1, last_groups};
      k_convolve_row(from, to, out->pixel, out->w, out->pixel, arena + last_weights, last);
    }
  }
}

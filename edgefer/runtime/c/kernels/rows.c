/* Maps row by row: a ring holds as many rows of a map as its reader's window is high. */

/* Pointers to a window's rows, the first of them `first`; `none` stands for those above and below the map. */
K_FUNCTION void k_window(const k_act **rows, int h, const k_act *ring, int first, int height, int slots, int row,
                         const k_act *none) {
  for (int r = 0; r < h; r++) {
    int y = first + r;
    rows[r] = y < 0 || y >= height ? none : ring + y % slots * row;
  }
}

/* A row of the frame or of a map into a ring; `add` is what its values are stored with more. */
K_FUNCTION void k_load_row(const void *from, k_act *out, int width, int channels, int step, int apart, int add) {
  const uint8_t *in = from;
  if (apart == 1 && step == channels && !add) {
    memcpy(out, in, (size_t)width * (size_t)channels);
    return;
  }
  if (apart == 1 && step == channels) channels *= width, width = 1;
  for (int x = 0; x < width; x++)
    for (int c = 0; c < channels; c++) out[x * step + c * apart] = (k_act)(*in++ + add);
}

/* A depthwise layer of any window and number of channels, each of which makes `multiplier` outputs. */
K_FUNCTION void k_depthwise_any_row(const k_act *const *rows, int h, int w, int pixel, int inputs, int multiplier, k_act *out,
                                    int step, int apart, int width, int channels, int zero, const Layer *restrict layer) {
  for (int x = 0; x < width; x++)
    for (int c = 0; c < channels; c++) {
      int32_t sum = layer->biases[c];
      for (int r = 0; r < h; r++)
        for (int k = 0; k < w && rows[r]; k++)
          sum += rows[r][x * pixel + k * inputs + c / multiplier] * layer->weights[(r * w + k) * channels + c];
      out[x * step + c * apart] = (k_act)(limit(nearest((float)sum * layer->scales[c]), layer->low, layer->high) + zero);
    }
}

/* The largest values of windows; a row that is 0, and columns outside, are left out. */
K_FUNCTION void k_max_pool_row(const k_act *const *rows, int h, int w, int right, int left, int inputs, k_act *out, int step,
                               int apart, int width, int channels) {
  for (int x = 0; x < width; x++) {
    int first = x * right - left < 0 ? 0 : x * right - left;
    int last = x * right - left + w > inputs ? inputs : x * right - left + w;
    for (int c = 0; c < channels; c++) {
      const k_act *top = 0;
      for (int r = 0; r < h; r++)
        for (int k = first; k < last && rows[r]; k++) {
          const k_act *at = rows[r] + k * channels + c;
          if (!top || *at > *top) top = at;
        }
      if (top) out[x * step + c * apart] = *top;
    }
  }
}

/* A fully connected layer over a whole map. */
K_FUNCTION void k_connect(k_act *arena, const Map *restrict in, const Map *restrict out, int groups, const Layer *restrict layer) {
  const k_act *rows[1] = {arena + in->at};
  k_convolve_row(rows, 1, groups, 0, arena + out->at, out->c, 1, 1, out->c, out->zero, layer);
}

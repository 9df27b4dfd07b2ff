/* The largest values of windows; what is outside the map does not count. */
#define K_MAX_POOL

/* Of as many channels as two vectors have, of the first eight of them, or of one. */
K_INLINE void k_largest(int channels, const k_act *at, int h, int w, int row, int pixel, k_act *to) {
  k_va most = channels == 2 * K_V ? k_pairs(at) : k_lanes(at, 0);
  for (int r = 0; r < h; r++)
    for (int k = 0; k < w; k++) {
      const k_act *next = at + r * row + k * pixel;
      most = k_larger(most, channels == 2 * K_V ? k_pairs(next) : k_lanes(next, 0));
    }
  if (channels == 2 * K_V) k_put_pairs(to, most);
  else k_put_eight(to, most);
}

K_INLINE void k_largest_value(const k_act *at, int h, int w, int row, int pixel, k_act *to) {
  *to = *at;
  for (int r = 0; r < h; r++)
    for (int k = 0; k < w; k++)
      if (at[r * row + k * pixel] > *to) *to = at[r * row + k * pixel];
}

/* A window that is not 3x3, or not all in the map. */
K_FUNCTION void k_largest_of_any(int channels, const k_act *at, int h, int w, int row, int pixel, k_act *to) {
  if (channels == 1) k_largest_value(at, h, w, row, pixel, to);
  else if (channels == 2 * K_V) k_largest(2 * K_V, at, h, w, row, pixel, to);
  else k_largest(8, at, h, w, row, pixel, to);
}

K_INLINE void k_max_pool_channels(int channels, k_act *arena, const Map *restrict in, const Map *restrict out,
                                  const Window *restrict window, int c) {
  for (int y = 0; y < out->h; y++) {
    int top = y * window->down - window->top, h = window->h;
    if (top < 0) h += top, top = 0;
    if (h > in->h - top) h = in->h - top;
    for (int x = 0; x < out->w; x++) {
      int left = x * window->right - window->left, w = window->w;
      if (left < 0) w += left, left = 0;
      if (w > in->w - left) w = in->w - left;
      const k_act *at = arena + in->at + top * in->row + left * in->pixel + c;
      k_act *to = arena + out->at + y * out->row + x * out->pixel + c;
      if (h == 3 && w == 3 && channels > 1) k_largest(channels, at, 3, 3, in->row, in->pixel, to);
      else k_largest_of_any(channels, at, h, w, in->row, in->pixel, to);
    }
  }
}

/* The last vectors of channels overlap those before. */
K_LARGE void k_max_pool(k_act *arena, const Map *restrict in, const Map *restrict out, const Window *restrict window) {
  int whole = out->pixel / 8 * 8, last = whole - 2 * K_V;
  if (whole == 8) k_max_pool_channels(8, arena, in, out, window, 0);
  else
    for (int c = 0; c < whole; c += 2 * K_V) k_max_pool_channels(2 * K_V, arena, in, out, window, c < last ? c : last);
  for (int c = whole; c < out->pixel; c++) k_max_pool_channels(1, arena, in, out, window, c);
}

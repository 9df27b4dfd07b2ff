K_INLINE int k_byte(int v) { return limit(v, 0, 255); }

/* Two pixels (`next` apart) by two outputs: the sums over `h` stretches of `groups` groups of four inputs. */
K_INLINE void k_tile(const k_act *const *rows, int h, int at, int next, int groups, const int8_t *w, int32_t *sums) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int r = 0; r < h; r++, w += 8 * groups) {
    if (!rows[r]) continue;
    const k_act *p = rows[r] + at, *q = p + next;
    for (int k = 0; k < 4 * groups; k++) {
      int s = w[k / 4 * 8 + k % 4], t = w[k / 4 * 8 + 4 + k % 4];
      a += p[k] * s, b += p[k] * t, c += q[k] * s, d += q[k] * t;
    }
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* One channel of a row of a depthwise 3x3 layer, `step` apart. */
K_INLINE void k_plane(const k_act *const *in, k_act *to, int step, int width, int stride, const int8_t *w, int32_t bias,
                      float scale, int zero) {
  for (int x = 0; x < width; x++) {
    int32_t sum = bias;
    for (int r = 0; r < 3; r++)
      if (in[r])
        for (int k = 0; k < 3; k++) sum += in[r][x * stride + k] * w[4 * r + k];
    to[x * step] = (k_act)k_byte(nearest((float)sum * scale) + zero);
  }
}

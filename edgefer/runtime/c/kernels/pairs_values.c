/* Sums, products and means: a vector of channels at a time, those that are left one by one. */
#define K_ADD
#define K_MULTIPLY
#define K_MEAN

K_INLINE int k_channels(int left) { return left < K_V ? 1 : K_V; }

/* XNNPACK's sum: integers with `shift` bits of fraction. */
K_FUNCTION void k_add(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, int a_factor,
                      int b_factor, int shift, int low, int high) {
  k_vi f = k_set(a_factor), g = k_set(b_factor), half = k_set(1 << (shift - 1));
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++) {
      const k_act *p = arena + a->at + y * a->row + x * a->pixel, *q = arena + b->at + y * b->row + x * b->pixel;
      k_act *to = arena + out->at + y * out->row + x * out->pixel;
      for (int left = out->c, n; left > 0; left -= n, p += n, q += n, to += n) {
        n = k_channels(left);
        if (n == K_V) k_put(to, k_shifted(k_plus(k_plus(k_times(k_get(p, 0), f), k_times(k_get(q, 0), g)), half), shift), low, high);
        else *to = (k_act)limit((*p * a_factor + *q * b_factor + (1 << (shift - 1))) >> shift, low, high);
      }
    }
}

/* A product, rounded once; b has out's shape, or one pixel, or one value. */
K_LARGE void k_multiply(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, float scale,
                        int low, int high) {
  int down = b->h > 1 ? b->row : 0, right = b->w > 1 ? b->pixel : 0, apart = b->c > 1;
  k_vf s = k_setf(scale);
  for (int c = 0, n; c < out->c; c += n) {
    const k_act *g = arena + b->at + c * apart;
    n = k_channels(out->c - c);
    k_vf other = k_real(apart && n > 1 ? k_get(g, 0) : k_set(*g));
    for (int y = 0; y < out->h; y++)
      for (int x = 0; x < out->w; x++) {
        const k_act *p = arena + a->at + y * a->row + x * a->pixel + c, *q = g + y * down + x * right;
        k_act *to = arena + out->at + y * out->row + x * out->pixel + c;
        if (n == 1) *to = (k_act)limit(nearest((float)*p * (float)*q * scale), low, high);
        else {
          if (down || right) other = k_real(apart ? k_get(q, 0) : k_set(*q));
          k_put(to, k_nearest(k_timesf(k_timesf(k_real(k_get(p, 0)), other), s)), low, high);
        }
      }
  }
}

/* The mean of all pixels as XNNPACK has it: the sum of what is stored, and a bias that is rounded with it. */
K_FUNCTION void k_mean(k_act *arena, const Map *restrict in, const Map *restrict out, float scale, int in_zero, float bias,
                       int out_zero, int low, int high) {
  for (int c = 0, n; c < in->c; c += n) {
    int32_t sums[K_V] = {0};
    k_vi sum = k_set(0);
    n = k_channels(in->c - c);
    for (int y = 0; y < in->h; y++) {
      const k_act *at = arena + in->at + y * in->row + c;
      for (int x = 0; x < in->w; x++, at += in->pixel)
        if (n == 1) sums[0] += *at;
        else sum = k_plus(sum, k_get(at, 0));
    }
    if (n > 1) k_put_ints(sums, sum);
    for (int i = 0; i < n; i++)
      arena[out->at + c + i] =
          (k_act)limit(nearest((float)(sums[i] + in->h * in->w * in_zero) * scale + bias) - out_zero, low, high);
  }
}

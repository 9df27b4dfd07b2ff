/* Means, and products of maps whose values lie densely: sixty-four at a time, the last ones over again. */
#define K_MULTIPLY_ALL
K_INLINE int k_is_dense(const Map *restrict map) { return map->pixel == map->c && map->row == map->w * map->c; }
K_INLINE void k_get4(k_vi *v, const k_act *p, int zero) {
  K_UNROLL for (int i = 0; i < 4; i++) v[i] = k_get(p + i * K_V, zero);
}

/* A product by one pixel, which sixty-four values have several times; whether it is done. */
K_INLINE int k_multiply_all(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, float scale,
                            int low, int high) {
  int all = k_is_dense(a) && k_is_dense(out), total = (all ? out->h * out->w : out->w) * out->c;
  if (a->pixel != out->c || out->pixel != out->c || b->h * b->w != 1 || b->c != out->c || 64 % out->c || total < 64) return 0;
  k_act factors[64];
  k_vi v[4];
  k_vf other[4], s = k_setf(scale);
  for (int i = 0; i < 64; i += out->c) memcpy(factors + i, arena + b->at, (size_t)out->c);
  k_get4(v, factors, b->zero);
  K_UNROLL for (int i = 0; i < 4; i++) other[i] = k_real(v[i]);
  for (int y = 0; y < (all ? 1 : out->h); y++)
    for (int n = 0;;) {
      k_get4(v, arena + a->at + y * a->row + n, a->zero);
      K_UNROLL for (int i = 0; i < 4; i++) v[i] = k_nearest(k_timesf(k_timesf(k_real(v[i]), other[i]), s));
      k_put4(arena + out->at + y * out->row + n, K_V, v, low, high, out->zero, K_V);
      if (n + 64 >= total) break;
      n = n + 128 > total ? total - 64 : n + 64;
    }
  return 1;
}

#define K_MEAN
/* See operators.c; two sums, so that no addition waits for the one before. */
K_FUNCTION void k_mean(k_act *arena, const Map *restrict in, const Map *restrict out, float scale, int in_zero, float bias,
                       int out_zero, int low, int high) {
  int pixels = in->h * in->w;
  for (int c = 0; c < in->c; c += K_V) {
    int count = in->c - c < K_V ? in->c - c : K_V;
    k_vi sum = k_set(pixels * (in_zero - in->zero)), other = k_set(0);
    for (int y = 0; y < in->h; y++) {
      const k_act *at = arena + in->at + y * in->row + c;
      int x = 0;
      for (; x + 2 <= in->w; x += 2, at += 2 * in->pixel)
        sum = k_plus(sum, k_get_part(at, 0, count)), other = k_plus(other, k_get_part(at + in->pixel, 0, count));
      if (x < in->w) sum = k_plus(sum, k_get_part(at, 0, count));
    }
    k_vi mean = k_nearest(_mm512_add_ps(k_timesf(k_real(k_plus(sum, other)), k_setf(scale)), k_setf(bias)));
    k_put1(arena + out->at + c, k_plus(mean, k_set(-out_zero)), low, high, out->zero, count);
  }
}

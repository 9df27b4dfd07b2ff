/* Sums, products, means and the frame: eight channels at a time, those that are left one by one. */
#define K_ADD
#define K_MULTIPLY
#define K_MEAN
#define K_LOAD

K_INLINE int k_channels(int left) { return left < 8 ? 1 : 8; }
typedef struct { k_vi half[2]; } k_Eight;
K_INLINE k_Eight k_eight(const k_act *p, int zero) {
  v128_t v = wasm_i16x8_sub(K_EIGHT(p), wasm_i16x8_splat((int16_t)zero));
  k_Eight r = {{wasm_i32x4_extend_low_i16x8(v), wasm_i32x4_extend_high_i16x8(v)}};
  return r;
}
K_INLINE void k_put_eight(k_act *to, const k_vi *a, k_Limits limits) {
  wasm_v128_store64_lane(to, k_packed(a[0], a[1], a[0], a[1], limits), 0);
}

/* XNNPACK's sum: integers with `shift` bits of fraction. */
K_FUNCTION void k_add(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, int a_factor,
                      int b_factor, int shift, int low, int high) {
  const int none = (1 << (shift - 1)) - a->zero * a_factor - b->zero * b_factor;
  k_vi f = k_set(a_factor), g = k_set(b_factor), sum = k_set(none), zero = k_set(out->zero);
  k_Limits limits = k_limits(low, high, out->zero);
  for (int y = 0; y < out->h; y++)
    for (int x = 0; x < out->w; x++) {
      const k_act *p = arena + a->at + y * a->row + x * a->pixel, *q = arena + b->at + y * b->row + x * b->pixel;
      k_act *to = arena + out->at + y * out->row + x * out->pixel;
      for (int left = out->c, n; left > 0; left -= n, p += n, q += n, to += n) {
        n = k_channels(left);
        if (n == 1) *to = (k_act)(limit((*p * a_factor + *q * b_factor + none) >> shift, low, high) + out->zero);
        else {
          k_Eight one = k_eight(p, 0), other = k_eight(q, 0);
          k_vi v[2];
          K_UNROLL for (int i = 0; i < 2; i++)
            v[i] = k_plus(k_shifted(k_plus(k_plus(k_times(one.half[i], f), k_times(other.half[i], g)), sum), shift), zero);
          k_put_eight(to, v, limits);
        }
      }
    }
}

/* A product, rounded once; b has out's shape, or one pixel, or one value. */
K_FUNCTION void k_multiply(k_act *arena, const Map *restrict a, const Map *restrict b, const Map *restrict out, float scale,
                           int low, int high) {
  int down = b->h > 1 ? b->row : 0, right = b->w > 1 ? b->pixel : 0, apart = b->c > 1;
  k_Limits limits = k_limits(low, high, out->zero);
  k_vi less = k_less(out->zero);
  k_vf s = k_setf(scale);
  for (int c = 0, n; c < out->c; c += n) {
    n = k_channels(out->c - c);
    for (int y = 0; y < out->h; y++)
      for (int x = 0; x < out->w; x++) {
        const k_act *p = arena + a->at + y * a->row + x * a->pixel + c;
        const k_act *q = arena + b->at + y * down + x * right + c * apart;
        k_act *to = arena + out->at + y * out->row + x * out->pixel + c;
        if (n == 1) {
          *to = (k_act)(limit(nearest((float)(*p - a->zero) * (float)(*q - b->zero) * scale), low, high) + out->zero);
          continue;
        }
        k_Eight one = k_eight(p, a->zero), other = apart ? k_eight(q, b->zero) : (k_Eight){{k_set(*q - b->zero), k_set(*q - b->zero)}};
        k_vi v[2];
        K_UNROLL for (int i = 0; i < 2; i++)
          v[i] = k_rounded(k_timesf(k_timesf(k_real(one.half[i]), k_real(other.half[i])), s), less);
        k_put_eight(to, v, limits);
      }
  }
}

/* The mean of all pixels as XNNPACK has it: the sum of what is stored, and a bias that is rounded with it. */
K_FUNCTION void k_mean(k_act *arena, const Map *restrict in, const Map *restrict out, float scale, int in_zero, float bias,
                       int out_zero, int low, int high) {
  for (int c = 0, n; c < in->c; c += n) {
    int32_t sums[8] = {0};
    k_vi sum[2] = {k_set(0), k_set(0)};
    n = k_channels(in->c - c);
    for (int y = 0; y < in->h; y++) {
      const k_act *at = arena + in->at + y * in->row + c;
      for (int x = 0; x < in->w; x++, at += in->pixel)
        if (n == 1) sums[0] += *at - in->zero;
        else {
          k_Eight v = k_eight(at, in->zero);
          K_UNROLL for (int i = 0; i < 2; i++) sum[i] = k_plus(sum[i], v.half[i]);
        }
    }
    if (n > 1) k_put_ints(sums, sum[0]), k_put_ints(sums + 4, sum[1]);
    for (int i = 0; i < n; i++)
      arena[out->at + c + i] =
          (k_act)(limit(nearest((float)(sums[i] + in->h * in->w * in_zero) * scale + bias) - out_zero, low, high) + out->zero);
  }
}

/* The frame as it is stored: every byte by as much more, modulo 256. */
K_FUNCTION void k_load(k_act *arena, const int8_t *input, const Map *restrict out, int zero_point) {
  int n = out->w * out->c, more = out->zero - zero_point;
  for (int y = 0; y < out->h; y++, input += n) {
    k_act *to = arena + out->at + y * out->row;
    int i = 0;
    for (; i + 16 <= n; i += 16) wasm_v128_store(to + i, wasm_i8x16_add(wasm_v128_load(input + i), wasm_i8x16_splat((int8_t)more)));
    for (; i < n; i++) to[i] = (k_act)(input[i] + more);
  }
}

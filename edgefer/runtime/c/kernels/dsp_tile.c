K_INLINE uint32_t k_word(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
/* The bytes 0 and 2 of a word, and its bytes 1 and 3, as halves of a word. */
K_INLINE uint32_t k_even(uint32_t v) { uint32_t r; __asm__("uxtb16 %0, %1" : "=r"(r) : "r"(v)); return r; }
K_INLINE uint32_t k_odd(uint32_t v) { uint32_t r; __asm__("uxtb16 %0, %1, ror #8" : "=r"(r) : "r"(v)); return r; }
K_INLINE uint32_t k_signed_even(uint32_t v) { uint32_t r; __asm__("sxtb16 %0, %1" : "=r"(r) : "r"(v)); return r; }
K_INLINE uint32_t k_signed_odd(uint32_t v) { uint32_t r; __asm__("sxtb16 %0, %1, ror #8" : "=r"(r) : "r"(v)); return r; }
K_INLINE int32_t k_mac(int32_t sum, uint32_t a, uint32_t w) {
  int32_t r;
  __asm__("smlad %0, %1, %2, %3" : "=r"(r) : "r"(a), "r"(w), "r"(sum));
  return r;
}
K_INLINE int k_byte(int v) { int r; __asm__("usat %0, #8, %1" : "=r"(r) : "r"(v)); return r; }

/* Two pixels (`next` apart) by two outputs: the sums over `h` stretches of `groups` groups of four inputs. */
K_INLINE void k_tile(const k_act *const *rows, int h, int at, int next, int groups, const int8_t *w, int32_t *sums) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int r = 0; r < h; r++) {
    if (!rows[r]) {
      w += 8 * groups;
      continue;
    }
    const k_act *p = rows[r] + at, *q = p + next;
    int left = groups;
    do {
      uint32_t x = k_word(p), y = k_word(q), s = k_word(w), t = k_word(w + 4);
      uint32_t x0 = k_even(x), y0 = k_even(y), s0 = k_signed_even(s), t0 = k_signed_even(t);
      uint32_t x1 = k_odd(x), y1 = k_odd(y), s1 = k_signed_odd(s), t1 = k_signed_odd(t);
      a = k_mac(a, x0, s0), b = k_mac(b, x0, t0), c = k_mac(c, y0, s0), d = k_mac(d, y0, t0);
      a = k_mac(a, x1, s1), b = k_mac(b, x1, t1), c = k_mac(c, y1, s1), d = k_mac(d, y1, t1);
      p += 4, q += 4, w += 8;
    } while (--left);
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* One channel of a row of a depthwise 3x3 layer, `step` apart. A row that is missing has weights of 0 instead. */
K_INLINE void k_plane(const k_act *const *in, k_act *to, int step, int width, int stride, const int8_t *w, int32_t bias,
                      float scale, int zero) {
  const k_act *p[3];
  uint32_t e[3], f[3];
  K_UNROLL for (int r = 0; r < 3; r++) {
    uint32_t v = in[r] ? k_word(w + 4 * r) : 0;
    p[r] = in[r] ? in[r] : in[1];
    e[r] = k_signed_even(v), f[r] = k_signed_odd(v);
  }
  if (stride != 1) {
    for (int x = 0; x < width; x++, to += step) {
      int32_t a = bias;
      K_UNROLL for (int r = 0; r < 3; r++) {
        uint32_t v = k_word(p[r]);
        p[r] += stride;
        a = k_mac(k_mac(a, k_even(v), e[r]), k_odd(v), f[r]);
      }
      *to = (k_act)k_byte(nearest((float)a * scale) + zero);
    }
    return;
  }
  for (int x = 0; x < width; x += 2, to += 2 * step) {
    int32_t a = bias, b = bias;
    K_UNROLL for (int r = 0; r < 3; r++) {
      uint32_t v = k_word(p[r]), m = k_even(v), n = k_odd(v);
      p[r] += 2;
      a = k_mac(k_mac(a, m, e[r]), n, f[r]);
      b = k_mac(k_mac(b, n, e[r]), m, f[r] << 16);
    }
    *to = (k_act)k_byte(nearest((float)a * scale) + zero);
    if (x + 1 < width) to[step] = (k_act)k_byte(nearest((float)b * scale) + zero);
  }
}

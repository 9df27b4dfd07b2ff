/* K_V outputs a vector; weights of K_GROUP inputs at a time lie side by side, K_STEP bytes a block of outputs. */

/* `pixels` pixels by `vectors` vectors of outputs: the sums over `rows` stretches of `groups` groups of inputs. */
K_INLINE void k_tile(k_vi *sums, int vectors, int pixels, const k_act *in, int pixel, int row, int rows, int groups,
                     const int8_t *w, const int32_t *biases) {
  int next = K_NEXT(rows * groups);
  K_UNROLL for (int v = 0; v < vectors; v++)
    K_UNROLL for (int i = 0; i < pixels; i++) sums[v * pixels + i] = k_ints(biases + K_V * v);
  for (int r = 0; r < rows; r++, in += row) {
    const k_act *at = in;
    for (int k = 0; k < groups; k++, at += K_GROUP, w += K_STEP) {
      k_vw u[3];
      K_UNROLL for (int v = 0; v < vectors; v++) u[v] = k_weights(w + v * next);
      K_UNROLL for (int i = 0; i < pixels; i++) {
        k_va a = k_group(at + i * pixel);
        K_UNROLL for (int v = 0; v < vectors; v++) sums[v * pixels + i] = k_mac(sums[v * pixels + i], a, u[v]);
      }
    }
  }
}

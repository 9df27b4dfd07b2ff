/* Pairs: activations are int16 less their zero point, weights int8 in pairs of inputs, K_V outputs a vector (4 or 8) of
   blocks of eight. No sum can overflow, and padding is 0. */
#define K_GROUP 2
#define K_STEP 16
#define K_WEIGHTS(o, n) ((o) / 8 * (n) * 16 + (o) % 8 * 2)
#ifndef K_LARGE
#define K_LARGE K_INLINE /* compiled anew for every call; kernels that have to be small have it once */
#endif

/* The inputs of a row's first pixel: `rows` stretches of `groups` groups, `row` apart; the next pixel's are `pixel` on. */
typedef struct {
  const k_act *at;
  int pixel, row, rows, groups;
} k_Inputs;

/* A row's inputs; `y` is the window's first row. */
K_INLINE k_Inputs k_inputs(const k_act *arena, const Map *restrict in, const Window *restrict window, int y, int groups) {
  k_Inputs from = {arena + in->at + y * in->row - window->left * in->pixel, window->right * in->pixel, in->row, window->h, groups};
  return from;
}

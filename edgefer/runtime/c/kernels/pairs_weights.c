/* Pairs: activations are int16 less their zero point, weights int8 in pairs of inputs, K_V outputs a vector (4 or 8) of
   blocks of eight. No sum can overflow, and padding is 0. */
#define K_GROUP 2
#define K_STEP 16
#define K_NEXT(n) (K_V == 8 ? (n) * 16 : 8)
#define K_WEIGHTS(o, n) ((o) / 8 * (n) * 16 + (o) % 8 * 2)
#define K_VECTORS 2
#define K_PIXELS 8
#ifndef K_LARGE
#define K_LARGE K_INLINE /* compiled anew for every call; kernels that have to be small have it once */
#endif

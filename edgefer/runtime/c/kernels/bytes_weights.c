/* Bytes: activations are stored as one byte, weights int8 in fours of inputs, sixteen outputs a vector. The bias makes
   good for what zero is stored as. */
#define K_GROUP 4
#define K_STEP 64
#define K_NEXT(n) ((n) * 64)
#define K_WEIGHTS(o, n) ((o) / 16 * (n) * 64)
#ifndef K_LARGE
#define K_LARGE K_INLINE /* compiled anew for every call; kernels that have to be small have it once */
#endif

/* Lanes: activations are TFLite's int8, weights int8, sixteen inputs of four outputs side by side. */
#define K_ROWS

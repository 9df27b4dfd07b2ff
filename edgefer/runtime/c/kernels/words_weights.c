/* Words: activations are uint8 (TFLite's int8 and 128), weights int8, four inputs of two outputs side by side. */
#define K_ROWS

/* NEON as every 64-bit ARM processor has it. Weights are above -128, so that the sum of two products fits 16 bits. */
#define K_TARGET
/* One pixel after the other, and the next one's loads at most: all products first would spill the 32 registers. */
#define K_IN_TURN(a, b, next) __asm__ volatile("" : "+w"(a), "+w"(b), "+r"(next)::"memory")

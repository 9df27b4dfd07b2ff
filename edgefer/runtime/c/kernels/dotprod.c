/* NEON with the dot product of ARMv8.2. */
#define K_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))

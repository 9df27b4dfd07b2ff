/* A network as C, written by edgefer. It needs no library, keeps nothing between calls and may be called by several threads
   at once, each with an arena of its own. */
#ifndef EDGEFER_@UPPER@_H
#define EDGEFER_@UPPER@_H
#include <stdint.h>

#define EDGEFER_@UPPER@_INPUT @INPUT@ /* bytes */
#define EDGEFER_@UPPER@_OUTPUT @OUTPUT@
#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M' /* Cortex-M: maps row by row */
#define EDGEFER_IS_M 1
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE == 3
#define EDGEFER_@UPPER@_ARENA @LANES_ARENA@
#else
#define EDGEFER_@UPPER@_ARENA @WORDS_ARENA@
#endif
#else
#define EDGEFER_IS_M 0
#define EDGEFER_@UPPER@_ARENA @ARENA@
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* One inference. `arena` is working memory of EDGEFER_@UPPER@_ARENA bytes, at any address, of any content. */
void edgefer_@NAME@(const int8_t *input, int8_t *output, void *arena);

/* EDGEFER_@UPPER@_ARENA, for callers that can't read this file. */
uint32_t edgefer_@NAME@_arena(void);

/* The kernels that run here: "avx512", "avx2", "sse41", "dotprod", "neon", "wasm", "mve", "dsp",
   "small" or "plain";   0 if they were compiled for another processor only. */
const char *edgefer_@NAME@_kernel(void);

#ifdef __cplusplus
}
#endif
#endif

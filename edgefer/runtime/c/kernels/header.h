/* A network as C, written by edgefer. It needs no library, keeps nothing between calls and may be called by several threads
   at once, each with an arena of its own. */
#ifndef EDGEFER_@UPPER@_H
#define EDGEFER_@UPPER@_H
#include <stddef.h>
#include <stdint.h>

#define EDGEFER_@UPPER@_INPUT @INPUT@ /* bytes, like all sizes here */
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

/* One inference. `arena` is working memory of EDGEFER_@UPPER@_ARENA bytes, at any address, of any content. Nothing is
   checked: what is smaller than its size above is read or written beyond its end. */
void edgefer_@NAME@(const int8_t *input, int8_t *output, void *arena);

/* The same, told how many bytes are there: EDGEFER_OK after an inference, else what is wrong, and nothing was written. */
int edgefer_@NAME@_checked(const int8_t *input, size_t input_bytes, int8_t *output, size_t output_bytes, void *arena,
                           size_t arena_bytes);
#define EDGEFER_OK 0
#define EDGEFER_BAD_INPUT 1  /* a null pointer, or not as many bytes as the input has */
#define EDGEFER_BAD_OUTPUT 2 /* a null pointer, or fewer bytes than the output has */
#define EDGEFER_BAD_ARENA 3  /* a null pointer, or fewer bytes than model.c was compiled to need */
#define EDGEFER_NO_KERNEL 4  /* compiled for another processor only; the other call does nothing then */

/* EDGEFER_@UPPER@_ARENA, for callers that can't read this file. */
uint32_t edgefer_@NAME@_arena(void);

/* The kernels that run here: "avx512", "avx2", "sse41", "dotprod", "neon", "wasm", "relaxed_unsigned",
   "relaxed_signed", "mve", "dsp", "small" or "plain"; 0 if they were compiled for another processor only. */
const char *edgefer_@NAME@_kernel(void);

#ifdef __cplusplus
}
#endif
#endif

/* A network as C99, written by edgefer: call edgefer_@NAME@ of model.h. Don't edit it, it is made from model.tflite.
   Compile with -O3 -ffp-contract=off. -DEDGEFER_KERNEL=EDGEFER_PLAIN (or another one) leaves only these kernels in. */
#include <stdint.h>
#if defined(__wasm__) && defined(__clang__)
#define memcpy __builtin_memcpy /* an instruction there, and string.h is not in every sysroot */
#define memset __builtin_memset
#include <stddef.h>
#else
#include <string.h>
#endif
#include "model.h"
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#define EDGEFER_ANY 0
#define EDGEFER_PLAIN 1
#define EDGEFER_SSE41 2
#define EDGEFER_AVX2 3
#define EDGEFER_AVX512 4
#define EDGEFER_NEON 7
#define EDGEFER_DOTPROD 8
#define EDGEFER_WASM 6
#define EDGEFER_SMALL 9
#define EDGEFER_DSP 10
#define EDGEFER_MVE 11
#define EDGEFER_RELAXED_UNSIGNED 12
#define EDGEFER_RELAXED_SIGNED 13
#ifndef EDGEFER_KERNEL
#define EDGEFER_KERNEL EDGEFER_ANY
#endif

#if defined(__GNUC__) && (defined(__x86_64__) || defined(__i386__))
#include <cpuid.h>
#include <immintrin.h>
#define IS_X86 1
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#define IS_NEON 1
#elif EDGEFER_IS_M
#if defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE == 3
#include <arm_mve.h>
#define IS_MVE 1
#endif
#if defined(__ARM_FEATURE_DSP)
#define IS_DSP 1
#endif
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define IS_WASM 1
#endif
#ifndef IS_X86
#define IS_X86 0
#endif
#ifndef IS_NEON
#define IS_NEON 0
#endif
#ifndef IS_MVE
#define IS_MVE 0
#endif
#ifndef IS_DSP
#define IS_DSP 0
#endif
#ifndef IS_WASM
#define IS_WASM 0
#endif
#if IS_WASM && defined(__wasm_relaxed_simd__)
#define IS_RELAXED 1
#else
#define IS_RELAXED 0
#endif
#if IS_NEON && !defined(__ARM_FEATURE_DOTPROD)
#if defined(__linux__)
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif
#endif
#define WANTED(kernel) (EDGEFER_KERNEL == EDGEFER_ANY || EDGEFER_KERNEL == (kernel))
#define USE_AVX512 (IS_X86 && WANTED(EDGEFER_AVX512))
#define USE_AVX2 (IS_X86 && WANTED(EDGEFER_AVX2))
#define USE_SSE41 (IS_X86 && WANTED(EDGEFER_SSE41))
#define USE_DOTPROD (IS_NEON && WANTED(EDGEFER_DOTPROD))
#define USE_NEON (IS_NEON && WANTED(EDGEFER_NEON))
#define USE_WASM (IS_WASM && WANTED(EDGEFER_WASM))
/* What engines compute with these is theirs to choose, so that a module has the one that the page asked for. */
#define USE_RELAXED_UNSIGNED (IS_RELAXED && EDGEFER_KERNEL == EDGEFER_RELAXED_UNSIGNED)
#define USE_RELAXED_SIGNED (IS_RELAXED && EDGEFER_KERNEL == EDGEFER_RELAXED_SIGNED)
#define USE_MVE (IS_MVE && WANTED(EDGEFER_MVE))
#define USE_DSP (IS_DSP && (EDGEFER_KERNEL == EDGEFER_DSP || (EDGEFER_KERNEL == EDGEFER_ANY && !IS_MVE)))
#define USE_SMALL (EDGEFER_KERNEL == EDGEFER_SMALL || (EDGEFER_KERNEL == EDGEFER_ANY && EDGEFER_IS_M && !IS_MVE && !IS_DSP))
/* A Cortex-M's arena has no room for whole maps. */
#define USE_PLAIN (!EDGEFER_IS_M && (EDGEFER_KERNEL == EDGEFER_PLAIN || (EDGEFER_KERNEL == EDGEFER_ANY && !USE_NEON && !USE_WASM)))
#define USE_UNSIGNED USE_AVX512
#define USE_SIGNED (USE_DOTPROD || USE_NEON)
#define USE_WORDS (USE_DSP || USE_SMALL)
#define USE_LANES USE_MVE
#define USE_PAIRS (USE_AVX2 || USE_SSE41 || USE_WASM || USE_PLAIN)

/* COMMON */
#if IS_WASM || EDGEFER_IS_M
#define ALIGNED __attribute__((aligned(16)))
#elif defined(__GNUC__)
#define ALIGNED __attribute__((aligned(64)))
#else
#define ALIGNED
#endif

enum { NONE, PLAIN, SSE41, AVX2, AVX512, NEON, DOTPROD, WASM, SMALL, DSP, MVE, RELAXED_UNSIGNED, RELAXED_SIGNED };

#if USE_DOTPROD
static int has_dotprod(void) {
#if defined(__ARM_FEATURE_DOTPROD)
  return 1;
#elif defined(__linux__)
  return (getauxval(AT_HWCAP) >> 20 & 1) != 0; /* HWCAP_ASIMDDP */
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, 0, 0) == 0 && has;
#else
  return 0;
#endif
}
#endif

#if USE_RELAXED_UNSIGNED || USE_RELAXED_SIGNED
/* Which bytes this engine's relaxed dot product takes rightly: unsigned ones, signed ones, or neither. Weights are never
   -128, so that no sum of two products with signed bytes is beyond 16 bits. */
static int relaxed_rule(void) {
  v128_t most = wasm_i8x16_splat(127), least = wasm_i8x16_splat(-127), all = wasm_i8x16_splat(-1), top = wasm_i8x16_splat(-128);
  __asm__ volatile("" : "+r"(most), "+r"(least), "+r"(all), "+r"(top)); /* asked of the engine, not of the compiler */
  v128_t none = wasm_i32x4_splat(0);
  int high = wasm_i32x4_extract_lane(wasm_i32x4_relaxed_dot_i8x16_i7x16_add(most, all, none), 0);
  int low = wasm_i32x4_extract_lane(wasm_i32x4_relaxed_dot_i8x16_i7x16_add(least, top, none), 0);
  if (high == 4 * 127 * 255 && low == 4 * -127 * 128) return RELAXED_UNSIGNED;
  if (high == 4 * 127 * -1 && low == 4 * -127 * -128) return RELAXED_SIGNED;
  return NONE;
}
#endif

/* What this processor, and the system with it, can run, the fastest first. Asked of the processor itself: what compilers
   offer for it is not the same in all of their libraries. */
static int choose(void) {
#if USE_AVX512 || USE_AVX2 || USE_SSE41
  unsigned a = 0, b = 0, c = 0, d = 0, saved = 0, high = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) {
    unsigned features = c;
    if (features >> 27 & 1) __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    (void)high;
    b = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) b = c = 0;
#if USE_AVX512
    if ((saved & 0xE6) == 0xE6 && (b & 0xC0030000u) == 0xC0030000u && (c >> 11 & 1)) return AVX512;
#endif
#if USE_AVX2
    if ((saved & 6) == 6 && (b >> 5 & 1)) return AVX2;
#endif
#if USE_SSE41
    if (features >> 19 & 1) return SSE41;
#endif
  }
#endif
#if USE_DOTPROD
  if (has_dotprod()) return DOTPROD;
#endif
#if USE_NEON
  return NEON;
#elif USE_RELAXED_UNSIGNED
  return relaxed_rule() == RELAXED_UNSIGNED ? RELAXED_UNSIGNED : NONE;
#elif USE_RELAXED_SIGNED
  return relaxed_rule() == RELAXED_SIGNED ? RELAXED_SIGNED : NONE;
#elif USE_WASM
  return WASM;
#elif USE_MVE
  return MVE;
#elif USE_DSP
  return DSP;
#elif USE_SMALL
  return SMALL;
#elif USE_PLAIN
  return PLAIN;
#else
  return NONE;
#endif
}

/* The choice is kept: asking the processor takes long in a virtual machine. */
static int chosen(void) {
#if IS_X86 || USE_DOTPROD
  static int kept = -1;
  int kernel = __atomic_load_n(&kept, __ATOMIC_RELAXED);
  if (kernel < 0) __atomic_store_n(&kept, kernel = choose(), __ATOMIC_RELAXED);
  return kernel;
#else
  return choose();
#endif
}

void edgefer_@NAME@(const int8_t *input, int8_t *output, void *arena) {
#if EDGEFER_IS_M
  uintptr_t begin = (uintptr_t)arena;
#else
  uintptr_t begin = ((uintptr_t)arena + @ALIGNMENT@ - 1) / @ALIGNMENT@ * @ALIGNMENT@;
#endif
  switch (chosen()) {
#if USE_AVX512
    case AVX512: avx512_run(input, output, (avx512_act *)begin); break;
#endif
#if USE_AVX2
    case AVX2: avx2_run(input, output, (avx2_act *)begin); break;
#endif
#if USE_SSE41
    case SSE41: sse41_run(input, output, (sse41_act *)begin); break;
#endif
#if USE_DOTPROD
    case DOTPROD: dotprod_run(input, output, (dotprod_act *)begin); break;
#endif
#if USE_NEON
    case NEON: neon_run(input, output, (neon_act *)begin); break;
#endif
#if USE_WASM
    case WASM: wasm_run(input, output, (wasm_act *)begin); break;
#endif
#if USE_RELAXED_UNSIGNED
    case RELAXED_UNSIGNED: relaxed_unsigned_run(input, output, (relaxed_unsigned_act *)begin); break;
#endif
#if USE_RELAXED_SIGNED
    case RELAXED_SIGNED: relaxed_signed_run(input, output, (relaxed_signed_act *)begin); break;
#endif
#if USE_MVE
    case MVE: mve_run(input, output, (mve_act *)begin); break;
#endif
#if USE_DSP
    case DSP: dsp_run(input, output, (dsp_act *)begin); break;
#endif
#if USE_SMALL
    case SMALL: small_run(input, output, (small_act *)begin); break;
#endif
#if USE_PLAIN
    case PLAIN: plain_run(input, output, (plain_act *)begin); break;
#endif
    default: (void)input, (void)output, (void)begin;
  }
}

int edgefer_@NAME@_checked(const int8_t *input, size_t input_bytes, int8_t *output, size_t output_bytes, void *arena,
                           size_t arena_bytes) {
  if (!input || input_bytes != EDGEFER_@UPPER@_INPUT) return EDGEFER_BAD_INPUT;
  if (!output || output_bytes < EDGEFER_@UPPER@_OUTPUT) return EDGEFER_BAD_OUTPUT;
  if (!arena || arena_bytes < EDGEFER_@UPPER@_ARENA) return EDGEFER_BAD_ARENA;
  if (chosen() == NONE) return EDGEFER_NO_KERNEL;
  edgefer_@NAME@(input, output, arena);
  return EDGEFER_OK;
}

uint32_t edgefer_@NAME@_arena(void) { return EDGEFER_@UPPER@_ARENA; }

const char *edgefer_@NAME@_kernel(void) {
  static const char *const names[] = {0, "plain", "sse41", "avx2", "avx512", "neon", "dotprod", "wasm", "small", "dsp", "mve",
                                      "relaxed_unsigned", "relaxed_signed"};
  return names[chosen()];
}

/* The network as WebAssembly that needs no runtime and imports nothing: a page writes what input() points to in `memory`,
   calls run(), and reads what output() points to. */
#include "model.h"
#define EXPORT(name) __attribute__((export_name(#name)))
static int8_t in[EDGEFER_@UPPER@_INPUT], out[EDGEFER_@UPPER@_OUTPUT];
static int64_t arena[EDGEFER_@UPPER@_ARENA / 8 + 1];
EXPORT(input) int8_t *input(void) { return in; }
EXPORT(output) int8_t *output(void) { return out; }
EXPORT(run) void run(void) {
  /* Kernels that are not exact in this browser stop here. */
  if (edgefer_@NAME@_checked(in, sizeof in, out, sizeof out, arena, sizeof arena)) __builtin_trap();
}

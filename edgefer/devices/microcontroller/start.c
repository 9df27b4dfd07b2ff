/* Firmware around a network as C, for QEMU's system mode: reads frames from the file `input`, writes the answers to the file
   `output` and what it found of itself to the file `report`, all by semihosting. The one argument is how often the network
   runs on each frame: the instructions of twice less those of once are the network's and nothing else's. */
#include <stdint.h>
#include "model.h"

enum { OPEN = 1, WRITE = 5, READ = 6, COMMAND_LINE = 0x15, EXIT = 0x20, STOPPED = 0x20026 };
enum { READ_BINARY = 1, WRITE_BINARY = 5, PAINT = 0x5A, BELOW = 64, BEHIND = 64 };

extern uint32_t stack_begin, stack_end, data_loaded, data_begin, data_end, bss_begin, bss_end;
static uint8_t arena[ARENA + BEHIND];
static int8_t input[INPUT], output[OUTPUT];

static int host(int operation, const void *words) {
  register int r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = words;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void leave(uint32_t code) {
  uint32_t words[2] = {STOPPED, code};
  host(EXIT, words);
  for (;;) {}
}

static uint32_t length(const char *text) {
  uint32_t n = 0;
  while (text[n]) n++;
  return n;
}

static uint32_t opened(const char *name, uint32_t mode) {
  uint32_t words[3] = {(uint32_t)name, mode, length(name)};
  int handle = host(OPEN, words);
  if (handle < 0) leave(3);
  return (uint32_t)handle;
}

static void put(uint32_t handle, const void *bytes, uint32_t count) {
  uint32_t words[3] = {handle, (uint32_t)bytes, count};
  if (host(WRITE, words)) leave(3);
}

static void put_number(uint32_t handle, const char *name, uint32_t number) {
  char digits[12];
  uint32_t n = sizeof digits;
  digits[--n] = '\n';
  do digits[--n] = (char)('0' + number % 10);
  while (number /= 10);
  put(handle, name, length(name));
  put(handle, digits + n, sizeof digits - n);
}

static uint32_t repeats(void) {
  char line[80];
  uint32_t words[2] = {(uint32_t)line, sizeof line}, number = 0;
  if (host(COMMAND_LINE, words)) leave(3);
  for (const char *at = line; *at; at++) number = *at >= '0' && *at <= '9' ? number * 10 + (uint32_t)(*at - '0') : 0;
  return number;
}

/* The stack that a call takes: it is painted below this function's own, and looked at afterwards. */
static uint32_t deepest(uint32_t times) {
  uint8_t *here = __builtin_frame_address(0), *at = (uint8_t *)&stack_begin;
  for (volatile uint8_t *p = at; p < here - BELOW; p++) *p = PAINT;
  for (uint32_t i = 0; i < BEHIND; i++) arena[ARENA + i] = PAINT;
  for (uint32_t i = 0; i < times; i++) RUN(input, output, arena);
  for (uint32_t i = 0; i < BEHIND; i++)
    if (arena[ARENA + i] != PAINT) leave(5);
  while (at < here && *at == PAINT) at++;
  return (uint32_t)(here - at);
}

static void work(void) {
  uint32_t times = repeats(), from = opened("input", READ_BINARY), to = opened("output", WRITE_BINARY), report, stack = 0;
  uint32_t words[3] = {from, (uint32_t)input, INPUT};
  const char *kernel = KERNEL();
  while (!host(READ, words)) {
    uint32_t taken = deepest(times);
    if (taken > stack) stack = taken;
    put(to, output, OUTPUT);
  }
  report = opened("report", WRITE_BINARY);
  put_number(report, "arena ", ARENA);
  put_number(report, "stack ", stack);
  put(report, "kernel ", 7);
  put(report, kernel, length(kernel));
  leave(0);
}

void reset(void) {
  *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: the floating-point unit, and with it vectors */
  __asm__ volatile("dsb\n isb" ::: "memory");
  for (uint32_t *from = &data_loaded, *to = &data_begin; to < &data_end; from++, to++) *to = *from;
  for (uint32_t *to = &bss_begin; to < &bss_end; to++) *to = 0;
  work();
}

static void fault(void) { leave(4); }

typedef void (*Handler)(void);
__attribute__((section(".vectors"), used)) static const struct {
  uint32_t *stack;
  Handler handlers[15];
} vectors = {&stack_end, {reset, fault, fault, fault, fault, fault, fault}};

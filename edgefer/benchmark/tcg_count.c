/* A plugin for QEMU: counts the guest's instructions between two calls of one system call, per call.
 *
 *     cc -shared -fPIC -O2 tcg_count.c -o tcg_count.so
 *     qemu-x86_64 -plugin tcg_count.so,marker=110,out=FILE -d plugin PROGRAM
 *     qemu-system-arm -plugin tcg_count.so,out=FILE -d plugin ...
 *
 * FILE gets a line for each marker: instructions of all threads since the one before; and without a marker, as a machine
 * without system calls has none, one line at the end: all instructions. Distributions ship
 * neither the plugin header nor a counting plugin, so the prototypes stand here. They are the same in all versions
 * of the plugin API: 1 is of QEMU 4.2 to 8.2, 9.0 and newer want 2 or more (-DVERSION=2).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
enum { CB_NO_REGS = 0 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t,
                                                  void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), int, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(
    qemu_plugin_id_t, void (*)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                               uint64_t, uint64_t, uint64_t));
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

#ifndef VERSION
#define VERSION 1
#endif
int qemu_plugin_version = VERSION;

static uint64_t counted, last;
static int64_t marker = -1;
static FILE *out;

static void executed(unsigned cpu, void *instructions) {
    (void)cpu;
    __atomic_fetch_add(&counted, (uint64_t)(uintptr_t)instructions, __ATOMIC_RELAXED);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(block, executed, CB_NO_REGS, (void *)(uintptr_t)qemu_plugin_tb_n_insns(block));
}

static void called(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != marker || out == NULL) return;
    uint64_t now = __atomic_load_n(&counted, __ATOMIC_RELAXED);
    fprintf(out, "%" PRIu64 "\n", now - last);
    fflush(out);
    last = now;
}

static void ended(qemu_plugin_id_t id, void *nothing) {
    (void)id, (void)nothing;
    fprintf(out, "%" PRIu64 "\n", counted);
    fflush(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "marker=", 7) == 0) marker = atoll(argv[i] + 7);
        if (strncmp(argv[i], "out=", 4) == 0) out = fopen(argv[i] + 4, "w");
    }
    if (out == NULL) return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    if (marker < 0) qemu_plugin_register_atexit_cb(id, ended, NULL);
    else qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}

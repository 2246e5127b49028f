/*
 * insncount: a QEMU plugin that counts the instructions a guest executes, by their addresses.
 *
 * The program that started QEMU shares one page with it (page=FILE). Whenever the guest's CPU goes
 * to sleep the plugin updates that page, and if a snapshot is wanted it first writes all counts to
 * a file (out=PREFIX, then ".N"). So snapshots are taken only while the guest does nothing: the
 * difference of two is exactly what it did in between.
 *
 * It knows nothing of what the guest runs, but that instructions have four bytes and addresses 32
 * bits. It wants -accel tcg,thread=multi: the other kind of thread never says that a CPU sleeps.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * What is used here of QEMU's interface for plugins. API is the version of it that this QEMU wants;
 * later versions than 1 lack the inline counter, and the call-back takes its place.
 */
#ifndef API
#define API 1
#endif
#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
enum { INLINE_ADD_U64 = 0, CB_NO_REGS = 0 };

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id,
                                                  void (*cb)(plugin_id, struct qemu_plugin_tb *));
extern void qemu_plugin_register_vcpu_idle_cb(plugin_id id, void (*cb)(plugin_id, unsigned));
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                                   void (*cb)(unsigned, void *), int flags,
                                                   void *data);
extern void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op,
                                                       void *counter, uint64_t add)
    __attribute__((weak));
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = API;

/* How many instructions the other side can ask about at each sleep. */
#define WATCHES 4

/* The shared page. The other side writes `wanted` and `watch`. */
struct page {
    uint64_t sleeps;         /* how often the CPU has gone to sleep */
    uint64_t taken;          /* the number of the last snapshot */
    uint64_t wanted;         /* the number of the snapshot that is wanted */
    uint64_t watch[WATCHES]; /* addresses of instructions */
    uint64_t seen[WATCHES];  /* how often each had been executed when the CPU last went to sleep */
};

#define PAGES (1u << 20)
#define PER_PAGE 1024u

static uint64_t *counters[PAGES];
static volatile struct page *shared;
static char out[4096];

static uint64_t *counter(uint32_t address)
{
    uint64_t **page = &counters[address >> 12];
    if (!*page) {
        *page = calloc(PER_PAGE, sizeof **page);
        if (!*page)
            abort();
    }
    return &(*page)[address / 4 % PER_PAGE];
}

static void count_one(unsigned cpu, void *data)
{
    (void)cpu;
    ++*(uint64_t *)data;
}

static void on_translation(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t n = 0; n < qemu_plugin_tb_n_insns(tb); n++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, n);
        uint64_t *count = counter((uint32_t)qemu_plugin_insn_vaddr(insn));
        if (qemu_plugin_register_vcpu_insn_exec_inline)
            qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, count, 1);
        else
            qemu_plugin_register_vcpu_insn_exec_cb(insn, count_one, CB_NO_REGS, count);
    }
}

/* A line for each address: in hexadecimal, and how often it was executed. */
static void snapshot(uint64_t number)
{
    char name[sizeof out + 24];
    snprintf(name, sizeof name, "%s.%" PRIu64, out, number);
    FILE *file = fopen(name, "w");
    if (!file)
        return;
    for (uint32_t page = 0; page < PAGES; page++) {
        for (uint32_t n = 0; counters[page] && n < PER_PAGE; n++) {
            uint64_t count = counters[page][n];
            if (count)
                fprintf(file, "%08" PRIx32 " %" PRIu64 "\n", page << 12 | n << 2, count);
        }
    }
    fclose(file);
}

static void on_sleep(plugin_id id, unsigned cpu)
{
    (void)id;
    (void)cpu;
    for (int n = 0; n < WATCHES; n++)
        shared->seen[n] = *counter((uint32_t)shared->watch[n]);
    uint64_t wanted = shared->wanted;
    if (wanted != shared->taken) {
        snapshot(wanted);
        __sync_synchronize();
        shared->taken = wanted;
    }
    __sync_synchronize();
    shared->sleeps++;
}

static volatile struct page *map(const char *name)
{
    int file = open(name, O_RDWR);
    if (file < 0)
        return NULL;
    void *page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return page == MAP_FAILED ? NULL : page;
}

EXPORT int qemu_plugin_install(plugin_id id, const struct qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int n = 0; n < argc; n++) {
        if (!strncmp(argv[n], "out=", 4))
            snprintf(out, sizeof out, "%s", argv[n] + 4);
        else if (!strncmp(argv[n], "page=", 5))
            shared = map(argv[n] + 5);
    }
    if (!shared || !out[0]) {
        fprintf(stderr, "insncount: page=FILE (that can be mapped) and out=PREFIX are wanted\n");
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
    qemu_plugin_register_vcpu_idle_cb(id, on_sleep);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that code written for the kernel's bpf_arena uses, for C and C++, so that list and
 * hash-table code written for BPF arenas compiles natively, unchanged, against a uarena arena.
 *
 * Such code names its arena by the address of a map object, `&arena`. Here that object is a
 * `struct uarena_map`, bound to an arena before use:
 *
 *   struct uarena_map arena = UARENA_MAP_INIT;           // C and C++; the BPF side has a map here
 *   uarena_map_create(&arena, 100, 0);                   // or uarena_map_open(&arena, "name", 100)
 *   void __arena *page = bpf_arena_alloc_pages(&arena, NULL, 1, NUMA_NO_NODE, 0);
 *
 * The three bpf_arena_* calls answer as the kernel's do: NULL, nothing, or a negative errno. They
 * are thread-safe.
 */
/* BPF code is written in the kernel's style. */
/* clang-format off */
#ifndef UARENA_BPF_ARENA_H_
#define UARENA_BPF_ARENA_H_

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An arena as BPF-style code sees it. Zero-initialised is unbound. */
struct uarena_map {
	void *handle;
};
#define UARENA_MAP_INIT { 0 }

/** Creates an arena of max_entries pages and binds it. flags: 0 or BPF_F_SEGV_ON_FAULT. Returns 0 or a
 * negative errno, by the kernel's rules for BPF_MAP_CREATE (EINVAL, E2BIG above 4 GiB, EBUSY). */
int uarena_map_create(struct uarena_map *map, uint64_t max_entries, uint32_t flags);
/** Opens, or creates, the arena of that name through the daemon and binds it. 0 or a negative errno. */
int uarena_map_open(struct uarena_map *map, const char *name, uint64_t max_entries, uint32_t flags);
/** Detaches. */
void uarena_map_close(struct uarena_map *map);
/** Where the arena begins; NULL if unbound. */
void *uarena_map_base(const struct uarena_map *map);
/** Named roots. uarena_map_set_root: 0 or a negative errno. uarena_map_root: NULL if there is none. */
int uarena_map_set_root(struct uarena_map *map, const char *name, const void *ptr);
void *uarena_map_root(const struct uarena_map *map, const char *name);
/** Why the last uarena_map_* call of this thread failed, in words. */
const char *uarena_map_error(void);

/** page_cnt pages at addr, or anywhere if NULL: zeroed and mapped. NULL on any failure. */
void *bpf_arena_alloc_pages(void *map, void *addr, uint32_t page_cnt, int node_id, uint64_t flags);
void bpf_arena_free_pages(void *map, void *ptr, uint32_t page_cnt);
/** 0, -EINVAL (out of range) or -EBUSY (a page is taken). An unaligned ptr does nothing and gives 0. */
int bpf_arena_reserve_pages(void *map, void *ptr, uint32_t page_cnt);

#ifdef __cplusplus
}  /* extern "C" */
#endif

#ifndef BPF_F_SEGV_ON_FAULT
#define BPF_F_SEGV_ON_FAULT (1U << 17)
#endif

#ifndef NUMA_NO_NODE
#define NUMA_NO_NODE (-1)
#endif

/* Address spaces: one here, so qualifiers and casts are empty. */
#ifndef __arena
#define __arena
#endif
#ifndef __arg_arena
#define __arg_arena
#endif
#ifndef __arena_global
#define __arena_global
#endif
#ifndef cast_kern
#define cast_kern(ptr) ((void)(ptr))
#endif
#ifndef cast_user
#define cast_user(ptr) ((void)(ptr))
#endif
#ifndef bpf_addr_space_cast
#define bpf_addr_space_cast(ptr, dst_as, src_as) ((void)(ptr))
#endif

/* The verifier's loop bounds: no bound is needed here. */
#ifndef can_loop
#define can_loop 1
#endif
#ifndef cond_break
#define cond_break ({ })
#endif
#ifndef cond_break_label
#define cond_break_label(label) do { if (0) goto label; } while (0)
#endif

#ifndef PAGE_SIZE
#define PAGE_SIZE ((unsigned long)sysconf(_SC_PAGESIZE))
#endif

#ifndef WRITE_ONCE
#define WRITE_ONCE(x, val) ((*(volatile __typeof__(x) *)&(x)) = (val))
#endif
#ifndef READ_ONCE
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#endif

#ifndef arena_container_of
#define arena_container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif

#ifndef __hidden
#define __hidden __attribute__((visibility("hidden")))
#endif
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __weak
#define __weak __attribute__((weak))
#endif
#ifndef SEC
#define SEC(name)
#endif

#ifndef UARENA_NO_BPF_TYPES
#include <linux/types.h> /* __u8 … __u64 */
#endif

#endif /* UARENA_BPF_ARENA_H_ */

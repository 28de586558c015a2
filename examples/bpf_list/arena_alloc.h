/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects out of arena pages, in the style of BPF arena code. A page starts with the number of
 * objects in it that are alive; the object that is freed last takes the page with it. An allocator
 * belongs to one program; its objects may be freed by any program that knows the arena.
 */
#ifndef UARENA_EXAMPLES_BPF_LIST_ARENA_ALLOC_H_
#define UARENA_EXAMPLES_BPF_LIST_ARENA_ALLOC_H_

#include <uarena/bpf_arena.h>

extern struct uarena_map arena;

struct arena_page {
	__u64 alive;
};

/* The page that objects come from now, and how many bytes of it are taken. It counts as one object
 * itself, so that it stays while it may still be filled. */
static struct arena_page __arena *arena_cur_page;
static __u32 arena_cur_used;

static inline struct arena_page __arena *arena_page_of(void __arena *addr)
{
	return (struct arena_page __arena *)((unsigned long)addr & ~(PAGE_SIZE - 1));
}

static inline void arena_free(void __arena *addr)
{
	struct arena_page __arena *page = arena_page_of(addr);

	cast_kern(page);
	if (__atomic_sub_fetch(&page->alive, 1, __ATOMIC_ACQ_REL) == 0) {
		cast_user(page);
		bpf_arena_free_pages(&arena, page, 1);
	}
}

/* Lets go of the page that is being filled. */
static inline void arena_alloc_done(void)
{
	if (arena_cur_page)
		arena_free(arena_cur_page);
	arena_cur_page = NULL;
}

/* NULL if there is no memory, or `size` is more than a page holds. */
static inline void __arena *arena_alloc(__u32 size)
{
	struct arena_page __arena *page = arena_cur_page;
	void __arena *obj;

	size = (size + 7) & ~7U;
	if (size > PAGE_SIZE - sizeof(*page))
		return NULL;
	if (!page || arena_cur_used + size > PAGE_SIZE) {
		page = bpf_arena_alloc_pages(&arena, NULL, 1, NUMA_NO_NODE, 0);
		if (!page)
			return NULL;
		cast_kern(page);
		page->alive = 1;
		arena_alloc_done();
		arena_cur_page = page;
		arena_cur_used = sizeof(*page);
	}
	obj = (char __arena *)page + arena_cur_used;
	arena_cur_used += size;
	__atomic_add_fetch(&page->alive, 1, __ATOMIC_RELAXED);
	return obj;
}

#endif /* UARENA_EXAMPLES_BPF_LIST_ARENA_ALLOC_H_ */

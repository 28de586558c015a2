/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table from numbers to numbers: a page of list heads, elements from arena_alloc. */
#ifndef UARENA_EXAMPLES_BPF_LIST_ARENA_HTAB_H_
#define UARENA_EXAMPLES_BPF_LIST_ARENA_HTAB_H_

#include "arena_alloc.h"
#include "arena_list.h"

#define ARENA_HTAB_BUCKETS 256

struct arena_htab {
	__u64 count;
	struct arena_list_head __arena *buckets;
};

struct arena_htab_elem {
	__u64 key;
	__u64 value;
	struct arena_list_node node;
};

static inline struct arena_list_head __arena *arena_htab_bucket(struct arena_htab __arena *htab,
								__u64 key)
{
	struct arena_list_head __arena *buckets;

	cast_kern(htab);
	buckets = htab->buckets;
	cast_kern(buckets);
	/* Multiplying by an odd number near 2^64 / 1.618 spreads neighbouring keys; the top bits
	 * are mixed best. */
	return &buckets[(key * 0x9e3779b97f4a7c15ULL >> 32) % ARENA_HTAB_BUCKETS];
}

static inline struct arena_htab __arena *arena_htab_new(void)
{
	struct arena_htab __arena *htab = arena_alloc(sizeof(*htab));
	struct arena_list_head __arena *buckets;

	if (!htab)
		return NULL;
	/* A fresh page is zero: every list in it is empty. */
	buckets = bpf_arena_alloc_pages(&arena, NULL, 1, NUMA_NO_NODE, 0);
	if (!buckets) {
		arena_free(htab);
		return NULL;
	}
	cast_kern(htab);
	cast_user(buckets);
	htab->count = 0;
	htab->buckets = buckets;
	return htab;
}

static inline struct arena_htab_elem __arena *arena_htab_find(struct arena_htab __arena *htab,
							      __u64 key)
{
	struct arena_list_node __arena *node;

	arena_list_for_each (node, arena_htab_bucket(htab, key)) {
		struct arena_htab_elem __arena *elem =
			arena_list_entry(node, struct arena_htab_elem, node);

		if (elem->key == key)
			return elem;
	}
	return NULL;
}

/* 0 or -ENOMEM. */
static inline int arena_htab_update(struct arena_htab __arena *htab, __u64 key, __u64 value)
{
	struct arena_htab_elem __arena *elem = arena_htab_find(htab, key);

	if (elem) {
		WRITE_ONCE(elem->value, value);
		return 0;
	}
	elem = arena_alloc(sizeof(*elem));
	if (!elem)
		return -ENOMEM;
	cast_kern(elem);
	elem->key = key;
	elem->value = value;
	arena_list_add(&elem->node, arena_htab_bucket(htab, key));
	htab->count++;
	return 0;
}

static inline void arena_htab_free(struct arena_htab __arena *htab)
{
	struct arena_list_head __arena *buckets;
	int i;

	cast_kern(htab);
	buckets = htab->buckets;
	cast_kern(buckets);
	for (i = 0; i < ARENA_HTAB_BUCKETS && can_loop; i++) {
		while (1) {
			struct arena_list_node __arena *node = arena_list_first(&buckets[i]);

			if (!node)
				break;
			arena_list_del(node);
			arena_free(arena_list_entry(node, struct arena_htab_elem, node));
			cond_break;
		}
	}
	cast_user(buckets);
	bpf_arena_free_pages(&arena, buckets, 1);
	arena_free(htab);
}

#endif /* UARENA_EXAMPLES_BPF_LIST_ARENA_HTAB_H_ */

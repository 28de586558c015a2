// SPDX-License-Identifier: Apache-2.0
/*
 * The second of two programs: walks the list that the first one built and makes a hash table
 * of it. Started by the first.
 */
#include <stdio.h>

#include "shared.h"

struct uarena_map arena = UARENA_MAP_INIT;

/* The number of elements, or -1 if one is not what it should be. */
static int walk_list(struct shared __arena *shared)
{
	struct arena_list_node __arena *node;
	__u64 expected = ELEMENTS;
	int count = 0;

	arena_list_for_each (node, &shared->list) {
		struct elem __arena *elem = arena_list_entry(node, struct elem, node);

		if (elem->value != --expected)
			return -1;
		count++;
		cond_break;
	}
	return count;
}

static int build_squares(struct shared __arena *shared)
{
	struct arena_htab __arena *squares = arena_htab_new();
	struct arena_list_node __arena *node;

	if (!squares)
		return -ENOMEM;
	arena_list_for_each (node, &shared->list) {
		struct elem __arena *elem = arena_list_entry(node, struct elem, node);
		int err = arena_htab_update(squares, elem->value, elem->value * elem->value);

		if (err)
			return err;
		cond_break;
	}
	arena_alloc_done();
	cast_user(squares);
	__atomic_store_n(&shared->squares, squares, __ATOMIC_RELEASE);
	return 0;
}

int main(void)
{
	struct shared __arena *shared;
	int count;

	if (uarena_map_open(&arena, ARENA_NAME, ARENA_PAGES, 0)) {
		fprintf(stderr, "bpf_list_two: %s\n", uarena_map_error());
		return 1;
	}
	shared = uarena_map_root(&arena, ROOT_NAME);
	if (!shared) {
		fprintf(stderr, "bpf_list_two: %s; this program is started by bpf_list_one\n",
			uarena_map_error());
		return 1;
	}
	count = walk_list(shared);
	if (count != ELEMENTS) {
		fprintf(stderr, "bpf_list_two: the list is wrong (%d of %d elements)\n", count,
			ELEMENTS);
		return 1;
	}
	printf("two, process %d: walked the list of %d elements at %p\n", getpid(), count,
	       (void *)shared);
	if (build_squares(shared)) {
		fprintf(stderr, "bpf_list_two: the arena is full\n");
		return 1;
	}
	printf("two, process %d: built a hash table of %llu elements at %p\n", getpid(),
	       (unsigned long long)shared->squares->count, (void *)shared->squares);
	uarena_map_close(&arena);
	return 0;
}

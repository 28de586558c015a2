// SPDX-License-Identifier: Apache-2.0
/*
 * The first of two programs, and the one to run: builds a list in a named arena, starts
 * bpf_list_two, which walks the list and builds a hash table, and walks that.
 */
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

#include "shared.h"

extern char **environ;

struct uarena_map arena = UARENA_MAP_INIT;

static struct shared __arena *build_list(void)
{
	struct shared __arena *shared = arena_alloc(sizeof(*shared));
	__u64 value;

	if (!shared)
		return NULL;
	cast_kern(shared);
	shared->list.first = NULL;
	shared->squares = NULL;
	for (value = 0; value < ELEMENTS && can_loop; value++) {
		struct elem __arena *elem = arena_alloc(sizeof(*elem));

		if (!elem)
			return NULL;
		cast_kern(elem);
		elem->value = value;
		arena_list_add(&elem->node, &shared->list);
		cond_break;
	}
	arena_alloc_done();
	return shared;
}

/* The second program's exit status, or -1. */
static int run_two(void)
{
	char path[] = BPF_LIST_TWO;
	char *argv[] = {path, NULL};
	int status;
	pid_t pid;

	fflush(stdout);
	if (posix_spawn(&pid, path, NULL, NULL, argv, environ)) {
		fprintf(stderr, "bpf_list_one: cannot start %s\n", path);
		return -1;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The number of elements, or -1 if one is not what it should be. */
static int walk_squares(struct arena_htab __arena *squares)
{
	__u64 key;

	if (!squares)
		return -1;
	for (key = 0; key < ELEMENTS && can_loop; key++) {
		struct arena_htab_elem __arena *elem = arena_htab_find(squares, key);

		if (!elem || elem->value != key * key)
			return -1;
		cond_break;
	}
	/* Nor anything that should not be there. */
	return arena_htab_find(squares, ELEMENTS) ? -1 : (int)squares->count;
}

static void free_all(struct shared __arena *shared)
{
	uarena_map_set_root(&arena, ROOT_NAME, NULL);
	arena_htab_free(shared->squares);
	while (1) {
		struct arena_list_node __arena *node = arena_list_first(&shared->list);

		if (!node)
			break;
		arena_list_del(node);
		arena_free(arena_list_entry(node, struct elem, node));
		cond_break;
	}
	arena_free(shared);
}

int main(void)
{
	struct shared __arena *shared;
	int count;

	if (uarena_map_open(&arena, ARENA_NAME, ARENA_PAGES, 0)) {
		fprintf(stderr,
			"bpf_list_one: %s\n"
			"(two programs meet in an arena by its name, which the daemon uarenad "
			"keeps)\n",
			uarena_map_error());
		return 1;
	}
	/* What a run that was interrupted has left. */
	bpf_arena_free_pages(&arena, uarena_map_base(&arena), ARENA_PAGES);
	shared = build_list();
	if (!shared) {
		fprintf(stderr, "bpf_list_one: the arena is full\n");
		return 1;
	}
	cast_user(shared);
	if (uarena_map_set_root(&arena, ROOT_NAME, shared)) {
		fprintf(stderr, "bpf_list_one: %s\n", uarena_map_error());
		return 1;
	}
	printf("one, process %d: built a list of %d elements at %p\n", getpid(), ELEMENTS,
	       (void *)shared);
	if (run_two())
		return 1;
	count = walk_squares(shared->squares);
	if (count != ELEMENTS) {
		fprintf(stderr, "bpf_list_one: the hash table is wrong (%d of %d elements)\n",
			count, ELEMENTS);
		return 1;
	}
	printf("one, process %d: walked the hash table of %d elements\n", getpid(), count);
	free_all(shared);
	/* Every page has been given back, by whichever program its last object was freed. */
	if (!bpf_arena_alloc_pages(&arena, uarena_map_base(&arena), ARENA_PAGES, NUMA_NO_NODE, 0)) {
		fprintf(stderr, "bpf_list_one: pages are left over\n");
		return 1;
	}
	bpf_arena_free_pages(&arena, uarena_map_base(&arena), ARENA_PAGES);
	printf("one, process %d: freed everything\n", getpid());
	uarena_map_close(&arena);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list whose links are arena pointers. They are stored as user addresses (cast_user), which is
 * what makes them mean the same to every program, and converted before they are followed
 * (cast_kern).
 */
#ifndef UARENA_EXAMPLES_BPF_LIST_ARENA_LIST_H_
#define UARENA_EXAMPLES_BPF_LIST_ARENA_LIST_H_

#include <uarena/bpf_arena.h>

struct arena_list_node {
	struct arena_list_node __arena *next;
	/* What points to this node: the head, or the node before. */
	struct arena_list_node __arena *__arena *pprev;
};

struct arena_list_head {
	struct arena_list_node __arena *first;
};

static inline void arena_list_add(struct arena_list_node __arena *node,
				  struct arena_list_head __arena *head)
{
	struct arena_list_node __arena *first;
	struct arena_list_node __arena *__arena *link;

	cast_kern(head);
	first = head->first;
	if (first) {
		struct arena_list_node __arena *second = first;

		cast_kern(second);
		link = &node->next;
		cast_user(link);
		WRITE_ONCE(second->pprev, link);
	}
	link = &head->first;
	cast_user(link);
	cast_kern(node);
	WRITE_ONCE(node->next, first);
	WRITE_ONCE(node->pprev, link);
	cast_user(node);
	/* Last, and with release: who meets the node also meets what was stored in it. */
	__atomic_store_n(&head->first, node, __ATOMIC_RELEASE);
}

static inline void arena_list_del(struct arena_list_node __arena *node)
{
	struct arena_list_node __arena *next;
	struct arena_list_node __arena *__arena *pprev;

	cast_kern(node);
	next = node->next;
	pprev = node->pprev;
	cast_kern(pprev);
	WRITE_ONCE(*pprev, next);
	if (next) {
		cast_kern(next);
		WRITE_ONCE(next->pprev, pprev);
	}
	node->next = NULL;
	node->pprev = NULL;
}

static inline struct arena_list_node __arena *arena_list_first(struct arena_list_head __arena *head)
{
	struct arena_list_node __arena *first;

	cast_kern(head);
	first = __atomic_load_n(&head->first, __ATOMIC_ACQUIRE);
	cast_kern(first);
	return first;
}

static inline struct arena_list_node __arena *arena_list_next(struct arena_list_node __arena *node)
{
	struct arena_list_node __arena *next = node->next;

	cast_kern(next);
	return next;
}

#define arena_list_entry(ptr, type, member) arena_container_of(ptr, type, member)

/* Walks the nodes; the loop's body may use `node` but not free it. */
#define arena_list_for_each(node, head)                                                            \
	for ((node) = arena_list_first(head); (node) && can_loop; (node) = arena_list_next(node))

#endif /* UARENA_EXAMPLES_BPF_LIST_ARENA_LIST_H_ */

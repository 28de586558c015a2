/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two programs have to agree on, as a BPF program and its user program do: a name, and the
 * data structures that lie behind it.
 */
#ifndef UARENA_EXAMPLES_BPF_LIST_SHARED_H_
#define UARENA_EXAMPLES_BPF_LIST_SHARED_H_

#include <uarena/bpf_arena.h>

#include "arena_htab.h"
#include "arena_list.h"

#define ARENA_NAME "bpf_list"
#define ARENA_PAGES 1000
#define ELEMENTS 10000

struct elem {
	__u64 value;
	struct arena_list_node node;
};

struct shared {
	struct arena_list_head list;	    /* built by bpf_list_one: ELEMENTS-1, …, 1, 0 */
	struct arena_htab __arena *squares; /* built by bpf_list_two: value -> value * value */
};

#define ROOT_NAME "shared"

#endif /* UARENA_EXAMPLES_BPF_LIST_SHARED_H_ */

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <uarena/bpf_arena.h>

int main(void) {
  struct uarena_map arena = UARENA_MAP_INIT;
  int __arena *page;

  if (uarena_map_create(&arena, 16, 0)) {
    printf("%s\n", uarena_map_error());
    return 1;
  }
  page = bpf_arena_alloc_pages(&arena, NULL, 1, NUMA_NO_NODE, 0);
  if (!page) {
    puts("no page");
    return 1;
  }
  *page = 1;
  uarena_map_close(&arena);
  puts("ok");
  return 0;
}

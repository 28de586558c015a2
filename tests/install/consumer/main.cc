// SPDX-License-Identifier: Apache-2.0
#include <uarena/arena.h>
#include <uarena/bpf_arena.h>

#include <cstdio>

int main() {
  uarena::ArenaOptions options;
  options.max_pages = 16;
  absl::StatusOr<uarena::Arena> arena = uarena::Arena::Create(options);
  if (!arena.ok()) {
    printf("%s\n", arena.status().ToString().c_str());
    return 1;
  }
  absl::StatusOr<void*> page = arena->AllocPages(nullptr, 1);
  if (!page.ok()) {
    printf("%s\n", page.status().ToString().c_str());
    return 1;
  }
  *static_cast<int*>(*page) = 1;
  puts("ok");
}

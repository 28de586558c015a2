// SPDX-License-Identifier: Apache-2.0
#include "roles.h"
#include "work.h"

namespace word_index {

absl::Status RunUpdates(uarena::Arena& arena, const RoleOptions& options) {
  const absl::StatusOr<Table*> table = FindTable(arena, options.deadline);
  if (!table.ok()) return table.status();
  const auto update = [&](Random& random, LogEntry* entry) -> absl::StatusOr<bool> {
    Word* const word = RandomWord(**table, random);
    if (word == nullptr) return false;
    const uint64_t amount = 1 + random() % 7;
    word->count.fetch_add(amount, std::memory_order_relaxed);
    *entry = {word, amount};
    return true;
  };
  return Work(arena, **table, Role::kUpdate, options, update,
              [](const Participant&) { return absl::OkStatus(); });
}

}  // namespace word_index

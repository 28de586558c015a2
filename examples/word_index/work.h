// SPDX-License-Identifier: Apache-2.0
//
// What queriers and updaters have in common: they join a table that another process makes, work
// while it is being filled, and log what they do in their own part of the arena.
#ifndef UARENA_EXAMPLES_WORD_INDEX_WORK_H_
#define UARENA_EXAMPLES_WORD_INDEX_WORK_H_

#include <functional>
#include <random>

#include "absl/status/status.h"
#include "roles.h"
#include "table.h"

namespace word_index {

using Random = std::mt19937_64;

// Does one operation and describes it for the log; false if it found no word to work on.
using Operation = std::function<absl::StatusOr<bool>(Random& random, LogEntry* entry)>;

// Joins as `role` and repeats `operation` until the indexing is done and `options.operations` are
// made, or the log is full; then calls `finally`, finishes, and reports.
absl::Status Work(uarena::Arena& arena, Table& table, Role role, const RoleOptions& options,
                  const Operation& operation,
                  const std::function<absl::Status(const Participant&)>& finally);

// A word drawn at random, though not evenly; null if there is none near the bucket that was drawn.
Word* RandomWord(const Table& table, Random& random);

}  // namespace word_index

#endif  // UARENA_EXAMPLES_WORD_INDEX_WORK_H_

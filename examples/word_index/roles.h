// SPDX-License-Identifier: Apache-2.0
//
// What a process can be. Each role is run by one process on an arena that it has opened; several
// processes of any role may run at once.
#ifndef UARENA_EXAMPLES_WORD_INDEX_ROLES_H_
#define UARENA_EXAMPLES_WORD_INDEX_ROLES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "table.h"
#include "uarena/arena.h"

namespace word_index {

struct RoleOptions {
  uint64_t operations = 300'000;  // how many queries or updates to make at least
  uint32_t processes = 1;         // how many there must be, the indexer included, before it starts
  bool report = true;             // print what was done
  absl::Time deadline = absl::InfiniteFuture();
};

// Counts every word below `directory` in a new table. With other processes about, it waits half way
// until each of them has done something, so that they have worked on a table that was being filled.
absl::Status RunIndex(uarena::Arena& arena, const std::string& directory,
                      const RoleOptions& options);

// Looks words up, and checks what it finds, until the indexing is done and `operations` are made.
absl::Status RunQueries(uarena::Arena& arena, const RoleOptions& options);

// Adds to the counts of words in the same way.
absl::Status RunUpdates(uarena::Arena& arena, const RoleOptions& options);

// Prints the counts of some words.
absl::Status PrintCounts(uarena::Arena& arena, const std::vector<std::string>& words,
                         const RoleOptions& options);

// Compares the table with a plain count of `directory` in this process to which the logged updates
// are added, and every count that a query has seen with the final one. Errors: DataLoss.
absl::Status RunCheck(uarena::Arena& arena, const std::string& directory,
                      const RoleOptions& options);

// Starts one indexer, two queriers and one updater as programs of their own, each with a fault mode
// of its own unless `mode` names one for all; prints what they did; then checks and frees
// everything. `common_flags` are passed on to them.
absl::Status RunDemo(uarena::Arena& arena, const std::string& directory, const std::string& mode,
                     const std::vector<std::string>& common_flags, const RoleOptions& options);

}  // namespace word_index

#endif  // UARENA_EXAMPLES_WORD_INDEX_ROLES_H_

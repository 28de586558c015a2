// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "roles.h"
#include "text.h"
#include "work.h"

namespace word_index {
namespace {

// Finds a word that a walk met again by its text, as a user of the index would.
absl::StatusOr<bool> QueryOnce(const uarena::Arena& arena, const Table& table, Random& random,
                               LogEntry* entry) {
  const Word* const word = RandomWord(table, random);
  if (word == nullptr) return false;
  const uint64_t count = word->count.load(std::memory_order_relaxed);
  if (!arena.Contains(word->text) || Find(table, word->view()) != word) {
    return absl::DataLossError(absl::StrFormat("the word at %p is not found by its text", word));
  }
  if (count % 16 == 0) {
    const std::string absent = absl::StrCat("two words ", random());
    if (Find(table, absent) != nullptr) {
      return absl::DataLossError(absl::StrCat("found \"", absent, "\", which nobody has added"));
    }
  }
  *entry = {word, count};
  return true;
}

absl::Status CheckLog(const Participant& me) {
  for (uint64_t i = 0; i < me.operations.load(); ++i) {
    const LogEntry& entry = me.log[i];
    const uint64_t count = entry.word->count.load(std::memory_order_relaxed);
    if (entry.value <= count) continue;
    return absl::DataLossError(absl::StrCat("the count of ", std::string(entry.word->view()),
                                            " was ", entry.value, " and is now ", count));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunQueries(uarena::Arena& arena, const RoleOptions& options) {
  const absl::StatusOr<Table*> table = FindTable(arena, options.deadline);
  if (!table.ok()) return table.status();
  return Work(
      arena, **table, Role::kQuery, options,
      [&](Random& random, LogEntry* entry) { return QueryOnce(arena, **table, random, entry); },
      CheckLog);
}

absl::Status PrintCounts(uarena::Arena& arena, const std::vector<std::string>& words,
                         const RoleOptions& options) {
  const absl::StatusOr<Table*> table = FindTable(arena, options.deadline);
  if (!table.ok()) return table.status();
  for (std::string word : words) {
    FoldCase(word.data(), word.size());
    const Word* const found = Find(**table, word);
    absl::PrintF("%-24s %d\n", word, found == nullptr ? 0 : found->count.load());
  }
  return absl::OkStatus();
}

}  // namespace word_index

// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "roles.h"
#include "text.h"

namespace word_index {
namespace {

using Counts = std::unordered_map<std::string, uint64_t>;

void CountText(std::string& text, Counts& counts) {
  FoldCase(text.data(), text.size());
  WordReader words(text);
  for (std::string_view word; words.Next(&word);) ++counts[std::string(word)];
}

absl::StatusOr<Counts> CountPlainly(const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> files = ListFiles(directory);
  if (!files.ok()) return files.status();
  Counts counts;
  for (const std::string& path : *files) {
    std::optional<std::string> text = ReadText(path);
    if (text.has_value()) CountText(*text, counts);
  }
  return counts;
}

uint64_t AddUpdates(const Table& table, Counts& counts) {
  uint64_t updates = 0;
  for (const Participant& participant : Participants(table)) {
    if (participant.role != Role::kUpdate) continue;
    for (uint64_t i = 0; i < participant.operations.load(); ++i, ++updates) {
      const LogEntry& entry = participant.log[i];
      counts[std::string(entry.word->view())] += entry.value;
    }
  }
  return updates;
}

absl::Status CheckWords(const Table& table, const Counts& expected) {
  uint64_t distinct = 0;
  for (uint64_t bucket = 0; bucket < kBuckets; ++bucket) {
    for (const Word* word = BucketWords(table, bucket); word != nullptr; word = word->next) {
      const auto found = expected.find(std::string(word->view()));
      const uint64_t wanted = found == expected.end() ? 0 : found->second;
      if (word->count.load() != wanted) {
        return absl::DataLossError(absl::StrCat("the index counts \"", std::string(word->view()),
                                                "\" ", word->count.load(), " times; it should be ",
                                                wanted));
      }
      ++distinct;
    }
  }
  // Each was found in `expected`; if there are as many here, none is missing.
  if (distinct != expected.size() || table.distinct_words.load() != distinct) {
    return absl::DataLossError(absl::StrCat("the index has ", distinct, " distinct words and says ",
                                            table.distinct_words.load(), "; it should be ",
                                            expected.size()));
  }
  return absl::OkStatus();
}

absl::Status CheckQueries(const Table& table, uint64_t* queries) {
  for (const Participant& participant : Participants(table)) {
    if (participant.role != Role::kQuery) continue;
    for (uint64_t i = 0; i < participant.operations.load(); ++i, ++*queries) {
      const LogEntry& entry = participant.log[i];
      if (entry.value > entry.word->count.load()) {
        return absl::DataLossError(absl::StrCat(
            "process ", participant.pid, " saw ", entry.value, " of \"",
            std::string(entry.word->view()), "\", of which there are ", entry.word->count.load()));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunCheck(uarena::Arena& arena, const std::string& directory,
                      const RoleOptions& options) {
  const absl::StatusOr<Table*> table = FindTable(arena, options.deadline);
  if (!table.ok()) return table.status();
  absl::StatusOr<Counts> expected = CountPlainly(directory);
  if (!expected.ok()) return expected.status();
  const uint64_t updates = AddUpdates(**table, *expected);
  absl::Status status = CheckWords(**table, *expected);
  uint64_t queries = 0;
  if (status.ok()) status = CheckQueries(**table, &queries);
  if (!status.ok() || !options.report) return status;
  absl::PrintF(
      "checked: %d words have the counts of a plain single-process count plus %d updates;\n"
      "         none of the counts that %d queries saw was too high\n",
      expected->size(), updates, queries);
  return status;
}

}  // namespace word_index

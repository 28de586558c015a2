// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "report.h"
#include "roles.h"
#include "text.h"

namespace word_index {
namespace {

// Polls, since condition variables in shared memory are beside this example's point.
template <typename Condition>
absl::Status WaitUntil(absl::Time deadline, const char* what, Condition condition) {
  while (!condition()) {
    if (absl::Now() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat("waited too long for ", what));
    }
    absl::SleepFor(absl::Microseconds(100));
  }
  return absl::OkStatus();
}

bool AllOthersAtWork(const Table& table, const Participant* me) {
  for (const Participant& other : Participants(table)) {
    if (&other != me && other.operations.load() == 0) return false;
  }
  return true;
}

// The text of a file goes into the arena, where the words point into it. It is copied there by
// plain stores, each first touch of a page being a fault: a read(2) into pages that do not exist
// yet would fail with EFAULT instead, unless Arena::Populate made them exist first.
std::string_view CopyText(Table& table, const std::string& text) {
  char* const copy = table.text + table.text_bytes.fetch_add(text.size());
  std::copy(text.begin(), text.end(), copy);
  FoldCase(copy, text.size());
  return {copy, text.size()};
}

absl::Status IndexFile(Table& table, WordAdder& adder, Participant& me, const std::string& path) {
  const std::optional<std::string> text = ReadText(path);
  if (!text.has_value()) {
    table.files_skipped.fetch_add(1);
    return absl::OkStatus();
  }
  if (table.text_bytes.load() + text->size() > kMaxTextBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxTextBytes, " bytes of text"));
  }
  WordReader words(CopyText(table, *text));
  std::string_view word;
  uint64_t count = 0;
  for (; words.Next(&word); ++count) {
    const absl::StatusOr<Word*> entry = adder.FindOrAdd(word);
    if (!entry.ok()) return entry.status();
    (*entry)->count.fetch_add(1, std::memory_order_relaxed);
  }
  table.files.fetch_add(1);
  table.words.fetch_add(count);
  me.operations.fetch_add(count);
  return absl::OkStatus();
}

absl::Status IndexFiles(uarena::Arena& arena, Table& table, Participant& me,
                        const std::vector<std::string>& files, const RoleOptions& options) {
  absl::Status gathered = WaitUntil(options.deadline, "the other processes to join",
                                    [&] { return table.participants.load() >= options.processes; });
  if (!gathered.ok()) return gathered;
  table.stage.store(Stage::kIndexing);
  WordAdder adder(arena, table);
  for (size_t i = 0; i < files.size(); ++i) {
    absl::Status indexed = IndexFile(table, adder, me, files[i]);
    if (!indexed.ok()) return indexed;
    if (i != files.size() / 2 || table.words.load() == 0) continue;
    absl::Status met = WaitUntil(options.deadline, "the other processes to do something",
                                 [&] { return AllOthersAtWork(table, &me); });
    if (!met.ok()) return met;
  }
  me.operations_while_indexing = me.operations.load();
  return Finish(arena, me);
}

}  // namespace

absl::Status RunIndex(uarena::Arena& arena, const std::string& directory,
                      const RoleOptions& options) {
  const absl::StatusOr<std::vector<std::string>> files = ListFiles(directory);
  if (!files.ok()) return files.status();
  const absl::StatusOr<Table*> table = CreateTable(arena);
  if (!table.ok()) return table.status();
  const absl::StatusOr<Participant*> me = Join(arena, **table, Role::kIndex);
  if (!me.ok()) return me.status();
  absl::Status indexed = IndexFiles(arena, **table, **me, *files, options);
  // In any case, so that nobody waits for what will not come.
  (*table)->stage.store(indexed.ok() ? Stage::kIndexed : Stage::kFailed);
  if (!indexed.ok() || !options.report) return indexed;
  PrintTable(**table);
  PrintParticipantHeading();
  PrintParticipant(**me);
  return absl::OkStatus();
}

}  // namespace word_index

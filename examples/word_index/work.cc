// SPDX-License-Identifier: Apache-2.0
#include "work.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "report.h"

namespace word_index {
namespace {

constexpr uint64_t kBucketsSearched = 128;

// So many draws for each operation: a table of three words is not worth more.
constexpr uint64_t kPatience = 10;

absl::Status LateUnless(bool in_time, uint64_t done) {
  if (in_time) return absl::OkStatus();
  return absl::DeadlineExceededError(absl::StrCat("no end after ", done, " operations"));
}

// The log takes one 16-byte entry after the other: sequential first touches, each of which is
// resolved for more pages than the one before.
absl::Status WorkLoop(Table& table, Participant& me, const RoleOptions& options,
                      const Operation& operation) {
  while (table.stage.load(std::memory_order_acquire) == Stage::kGathering) {
    absl::SleepFor(absl::Microseconds(100));
    if (absl::Status late = LateUnless(absl::Now() < options.deadline, 0); !late.ok()) return late;
  }
  Random random(static_cast<uint64_t>(&me - table.participant));
  uint64_t done = 0;
  for (uint64_t turn = 1; done < kLogEntries; ++turn) {
    const Stage stage = table.stage.load(std::memory_order_acquire);
    if (stage == Stage::kFailed) return absl::AbortedError("the indexer has failed");
    if (stage == Stage::kIndexed &&
        (done >= options.operations || turn >= kPatience * options.operations)) {
      break;
    }
    if (turn % 4096 == 0) {
      absl::Status late = LateUnless(absl::Now() < options.deadline, done);
      if (!late.ok()) return late;
    }
    const absl::StatusOr<bool> made = operation(random, &me.log[done]);
    if (!made.ok()) return made.status();
    if (!*made) continue;
    me.operations.store(++done, std::memory_order_release);
    if (stage == Stage::kIndexing) ++me.operations_while_indexing;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Work(uarena::Arena& arena, Table& table, Role role, const RoleOptions& options,
                  const Operation& operation,
                  const std::function<absl::Status(const Participant&)>& finally) {
  const absl::StatusOr<Participant*> me = Join(arena, table, role);
  if (!me.ok()) return me.status();
  absl::Status status = WorkLoop(table, **me, options, operation);
  if (status.ok()) status = finally(**me);
  if (status.ok()) status = Finish(arena, **me);
  if (!status.ok()) return status;
  if (options.report) {
    PrintParticipantHeading();
    PrintParticipant(**me);
  }
  return absl::OkStatus();
}

Word* RandomWord(const Table& table, Random& random) {
  const uint64_t draw = random();
  // From the drawn bucket on to the first that is not empty, but not far: in a large table of few
  // words most buckets are on pages that do not exist, and looking for words must not make them
  // all.
  Word* first = nullptr;
  for (uint64_t i = 0; i < kBucketsSearched && first == nullptr; ++i) {
    first = BucketWords(table, draw + i);
  }
  Word* picked = first;
  uint64_t seen = 0;
  // Each word of the bucket with the same chance, without knowing before how many there are.
  for (Word* word = first; word != nullptr; word = word->next) {
    if ((draw >> 32) % ++seen == 0) picked = word;
  }
  return picked;
}

}  // namespace word_index

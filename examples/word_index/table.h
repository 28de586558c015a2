// SPDX-License-Identifier: Apache-2.0
//
// The hash table that all roles share, and where it lies in the arena.
//
//   base ┌ Table │ Word Word Word …   heap: by AllocPages, at the next page that nobody has taken
//   4 GiB├ buckets                    ┐
//   5 GiB├ text of the files          │ nobody allocates these: a page appears when it is touched
//  12 GiB└ log 0 │ log 1 │ … │ log 63 ┘
//
// Everything points to everything by plain pointers: the arena is at the same address in every
// process. The table only grows, so whoever has read a pointer may follow it for ever: readers take
// no lock and need no copies. A bucket whose page does not exist yet reads as zero: an empty
// bucket.
#ifndef UARENA_EXAMPLES_WORD_INDEX_TABLE_H_
#define UARENA_EXAMPLES_WORD_INDEX_TABLE_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "uarena/arena.h"

namespace word_index {

// One distinct word. All but the count is fixed before the word is published in its bucket.
struct Word {
  Word* next;        // in the same bucket
  const char* text;  // lower case, within the text of the file where it was met first
  uint64_t size;
  std::atomic<uint64_t> count;

  std::string_view view() const { return {text, size}; }
};

using Bucket = std::atomic<Word*>;

// What a process did to a word. Indexers keep no log; the value is the count that a query saw, or
// what an update added.
struct LogEntry {
  const Word* word;
  uint64_t value;
};

enum class Role : uint32_t { kIndex, kQuery, kUpdate };
enum class Stage : uint32_t { kGathering, kIndexing, kIndexed, kFailed };

// A process that works on the table. Written by that process alone.
struct Participant {
  Role role;
  int32_t pid;
  uarena::FaultMode mode;
  LogEntry* log;
  std::atomic<uint64_t> operations;  // so far; each has one log entry
  uint64_t operations_while_indexing;
  uarena::FaultStats faults;  // when it finished
  std::atomic<bool> finished;
};

inline constexpr uint32_t kMaxParticipants = 64;
inline constexpr uint64_t kLogEntries = (64 << 20) / sizeof(LogEntry);
inline constexpr uint64_t kMaxTextBytes = uint64_t{7} << 30;
inline constexpr uint64_t kBuckets = 1 << 17;

struct Table {
  std::atomic<Stage> stage;
  Bucket* buckets;
  char* text;
  char* heap;
  std::atomic<uint64_t> heap_pages_taken;
  std::atomic<uint64_t> text_bytes;
  std::atomic<uint64_t> files;
  std::atomic<uint64_t> files_skipped;
  std::atomic<uint64_t> words;
  std::atomic<uint64_t> distinct_words;
  std::atomic<uint32_t> participants;
  Participant participant[kMaxParticipants];
};

// These live in memory that several processes map: a lock inside would not work there.
static_assert(Bucket::is_always_lock_free && std::atomic<uint64_t>::is_always_lock_free);

// What a new arena for a table needs.
uint64_t ArenaPages();

// Lays a table out in an empty arena and publishes it as the root. Errors: AlreadyExists.
absl::StatusOr<Table*> CreateTable(uarena::Arena& arena);

// The table that another process has made, waiting for it until `deadline`. Errors: NotFound.
absl::StatusOr<Table*> FindTable(const uarena::Arena& arena, absl::Time deadline);

// Empties the arena of what an earlier run left. Errors: FailedPrecondition (a process is at work
// in it).
absl::Status ClearTable(uarena::Arena& arena);

// Enters this process. Errors: ResourceExhausted (64 processes have been there).
absl::StatusOr<Participant*> Join(const uarena::Arena& arena, Table& table, Role role);

// Writes the participant's last words.
absl::Status Finish(const uarena::Arena& arena, Participant& participant);

// Those that have joined so far.
inline std::span<const Participant> Participants(const Table& table) {
  return {table.participant, std::min(table.participants.load(), kMaxParticipants)};
}

Word* Find(const Table& table, std::string_view word);

// The words that one bucket held at this moment, newest first.
inline Word* BucketWords(const Table& table, uint64_t bucket) {
  return table.buckets[bucket % kBuckets].load(std::memory_order_acquire);
}

// Adds words. One for each thread; any number may work on a table at once.
class WordAdder {
 public:
  WordAdder(uarena::Arena& arena, Table& table) : arena_(arena), table_(table) {}

  // The entry of `word`, which must lie in the arena and stay. Errors: those of AllocPages.
  absl::StatusOr<Word*> FindOrAdd(std::string_view word);

 private:
  absl::StatusOr<Word*> NewWord(std::string_view word);

  uarena::Arena& arena_;
  Table& table_;
  Word* unused_ = nullptr;  // [unused_, unused_end_) of the pages that it took last
  Word* unused_end_ = nullptr;
};

}  // namespace word_index

#endif  // UARENA_EXAMPLES_WORD_INDEX_TABLE_H_

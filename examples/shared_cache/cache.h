// SPDX-License-Identifier: Apache-2.0
//
// An LRU cache of strings in an arena, for any number of processes, any of which may be killed at
// any instruction.
//
// The cache is divided into shards by the hash of the key, each with a lock and its own standard
// containers: a list of the entries, the most recently used first, and an index of it. Both use, on
// every hit, several stores that belong together. So the containers of a shard are in doubt from
// the first of them to the last (`changing`). If the process that has the lock dies then, the next
// one to take the lock throws the shard's containers away unseen, by way of their ledger, and
// begins with empty ones: a cache may forget, but must not lie. The other shards are not concerned.
// If it dies while it has the lock but changes nothing, nothing is lost.
#ifndef UARENA_EXAMPLES_SHARED_CACHE_CACHE_H_
#define UARENA_EXAMPLES_SHARED_CACHE_CACHE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
#include "ledger.h"
#include "uarena/containers.h"
#include "uarena/mutex.h"

namespace shared_cache {

using String = std::basic_string<char, std::char_traits<char>, LedgerAllocator<char>>;

struct Entry {
  using allocator_type = LedgerAllocator<char>;
  Entry(std::string_view new_key, std::string_view new_value, const allocator_type& allocator)
      : key(new_key, allocator), value(new_value, allocator) {}
  size_t bytes() const { return key.size() + value.size(); }

  String key;
  String value;
};

struct Contents {
  using List = std::list<Entry, std::scoped_allocator_adaptor<LedgerAllocator<Entry>>>;
  using Place = std::pair<const std::string_view, List::iterator>;
  using Index = std::unordered_map<std::string_view, List::iterator, uarena::StringHash,
                                   uarena::StringEqual, LedgerAllocator<Place>>;
  explicit Contents(Ledger& ledger)
      : order(LedgerAllocator<Entry>(ledger)), index(LedgerAllocator<Place>(ledger)) {}

  List order;        // the most recently used first
  Index index;       // of the keys in `order`, where they stay
  size_t bytes = 0;  // of keys and values
};

struct Counts {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t evictions = 0;
  uint64_t repairs = 0;  // locks taken over from the dead
  uint64_t emptied = 0;  // of these, with containers in doubt
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

struct Shard {
  using allocator_type = uarena::ArenaAllocator<char>;
  explicit Shard(const allocator_type& allocator) : ledger(allocator.heap()), contents(ledger) {}

  uarena::Mutex mutex;  // guards everything here
  std::atomic<bool> changing{false};
  Ledger ledger;  // every block that `contents` has
  Contents contents;
  Counts counts;
};

// Made by uarena::FindOrConstruct. Thread-safe, between processes as well.
class Cache {
 public:
  using allocator_type = uarena::ArenaAllocator<char>;
  // Holds at most `limit` bytes of keys and values.
  Cache(size_t limit, const allocator_type& allocator);

  // Returns a copy: the entry may go as soon as the lock is released.
  std::optional<std::string> Get(std::string_view key);

  // Adds or replaces. Errors: InvalidArgument (larger than a shard may be), ResourceExhausted (the
  // arena is full; the key has no value then).
  absl::Status Put(std::string_view key, std::string_view value);

  // Looks at every shard: the containers agree with each other and with the limit, and `is_value`
  // is true of each key and value. Errors: DataLoss.
  absl::Status Check(const std::function<bool(std::string_view, std::string_view)>& is_value);

  Counts Count();

 private:
  static constexpr size_t kShards = 16;

  Shard& ShardOf(std::string_view key) { return shards_[uarena::StringHash()(key) % kShards]; }

  size_t shard_limit_;
  uarena::Deque<Shard> shards_;
};

}  // namespace shared_cache

#endif  // UARENA_EXAMPLES_SHARED_CACHE_CACHE_H_

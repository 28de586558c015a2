// SPDX-License-Identifier: Apache-2.0
#include "cache.h"

#include <iterator>
#include <memory>
#include <new>

#include "absl/strings/str_cat.h"

namespace shared_cache {
namespace {

// While it lives, the containers of the shard are in doubt: whoever dies then leaves them to
// Repair. An exception does not, since containers stay consistent when they throw.
class Change {
 public:
  // An exchange that acquires, since no store into the containers may be moved before it.
  explicit Change(Shard& shard) : shard_(shard) {
    shard_.changing.exchange(true, std::memory_order_acquire);
  }
  ~Change() { shard_.changing.store(false, std::memory_order_release); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  Shard& shard_;
};

// After the owner of the lock has died. Whoever dies in here leaves it to the next, who starts
// again.
void Repair(Shard& shard) {
  ++shard.counts.repairs;
  if (!shard.changing.load(std::memory_order_acquire)) return;
  shard.ledger.FreeAll();
  // Over the old ones, whose destructors must not run.
  std::construct_at(&shard.contents, shard.ledger);
  shard.changing.store(false, std::memory_order_release);
  ++shard.counts.emptied;
}

auto Lock(Shard& shard) {
  return uarena::MutexLock(shard.mutex, [&shard] { Repair(shard); });
}

void Remove(Contents& contents, Contents::List::iterator entry) {
  contents.bytes -= entry->bytes();
  contents.index.erase(entry->key);
  contents.order.erase(entry);
}

void Add(Contents& contents, std::string_view key, std::string_view value) {
  const Entry& entry = contents.order.emplace_front(key, value);
  try {
    contents.index.emplace(entry.key, contents.order.begin());
  } catch (const std::bad_alloc&) {
    contents.order.pop_front();
    throw;
  }
  contents.bytes += entry.bytes();
}

void MoveToFront(Shard& shard, Contents::List::iterator entry) {
  const Change change(shard);
  Contents::List& order = shard.contents.order;
  order.splice(order.begin(), order, entry);
}

}  // namespace

Cache::Cache(size_t limit, const allocator_type& allocator)
    : shard_limit_(limit / kShards), shards_(allocator) {
  for (size_t i = 0; i < kShards; ++i) shards_.emplace_back();
}

std::optional<std::string> Cache::Get(std::string_view key) {
  Shard& shard = ShardOf(key);
  const auto lock = Lock(shard);
  const auto found = shard.contents.index.find(key);
  if (found == shard.contents.index.end()) {
    ++shard.counts.misses;
    return std::nullopt;
  }
  ++shard.counts.hits;
  MoveToFront(shard, found->second);
  return std::string(found->second->value);
}

absl::Status Cache::Put(std::string_view key, std::string_view value) {
  const size_t bytes = key.size() + value.size();
  if (bytes > shard_limit_) {
    return absl::InvalidArgumentError(
        absl::StrCat("key and value have ", bytes, " bytes; at most ", shard_limit_, " fit"));
  }
  Shard& shard = ShardOf(key);
  Contents& contents = shard.contents;
  const auto lock = Lock(shard);
  const Change change(shard);
  const auto old = contents.index.find(key);
  if (old != contents.index.end()) Remove(contents, old->second);
  for (; contents.bytes + bytes > shard_limit_; ++shard.counts.evictions) {
    Remove(contents, std::prev(contents.order.end()));
  }
  try {
    Add(contents, key, value);
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("the arena is full");
  }
  return absl::OkStatus();
}

absl::Status Cache::Check(const std::function<bool(std::string_view, std::string_view)>& is_value) {
  for (Shard& shard : shards_) {
    const auto lock = Lock(shard);
    const Contents& contents = shard.contents;
    size_t bytes = 0;
    for (auto entry = contents.order.begin(); entry != contents.order.end(); ++entry) {
      const std::string key(entry->key);
      const auto found = contents.index.find(key);
      if (found == contents.index.end() || found->second != entry) {
        return absl::DataLossError(absl::StrCat("\"", key, "\" is listed, but not in the index"));
      }
      if (!is_value(entry->key, entry->value)) {
        return absl::DataLossError(absl::StrCat("\"", key, "\" has a wrong value"));
      }
      bytes += entry->bytes();
    }
    if (contents.index.size() != contents.order.size() || contents.bytes != bytes ||
        bytes > shard_limit_) {
      return absl::DataLossError(absl::StrCat(
          "a shard lists ", contents.order.size(), " entries of ", bytes, " bytes, indexes ",
          contents.index.size(), " and says ", contents.bytes, " bytes of ", shard_limit_));
    }
  }
  return absl::OkStatus();
}

Counts Cache::Count() {
  Counts sum;
  for (Shard& shard : shards_) {
    const auto lock = Lock(shard);
    sum.hits += shard.counts.hits;
    sum.misses += shard.counts.misses;
    sum.evictions += shard.counts.evictions;
    sum.repairs += shard.counts.repairs;
    sum.emptied += shard.counts.emptied;
    sum.entries += shard.contents.order.size();
    sum.bytes += shard.contents.bytes;
  }
  return sum;
}

}  // namespace shared_cache

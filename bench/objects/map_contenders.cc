// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/map_contenders.h"

#include <functional>
#include <optional>
#include <random>
#include <unordered_map>
#include <utility>

#include "absl/status/statusor.h"
#include "bench/objects/uarena_heap.h"
#include "uarena/allocator.h"
#include "uarena/arena.h"
#include "uarena/objects.h"

namespace uarena::bench {
namespace {

// What is put into the maps and looked for in them.
class Keys {
 public:
  Keys(uint64_t elements, uint64_t slices, uint64_t finds_per_slice)
      : elements_(elements), finds_per_slice_(finds_per_slice) {
    std::mt19937_64 random(20240229);
    for (uint64_t& key : elements_) key = random();
    std::uniform_int_distribution<size_t> index(0, elements - 1);
    // Chosen beforehand, and so read in order: nothing but the map is to miss the caches.
    finds_.resize(slices * finds_per_slice);
    for (uint64_t& key : finds_) key = elements_[index(random)];
  }

  static uint64_t ValueOf(uint64_t key, uint64_t seed) { return ~key + seed; }

  template <typename Map>
  void Insert(Map& map, uint64_t seed) const {
    for (const uint64_t key : elements_) map.emplace(key, ValueOf(key, seed));
  }

  // How many are not found or have a wrong value. Where a loop like this lies in its cache line,
  // and how long its instructions are, makes it 8 % slower or faster, so both are the same for all
  // maps.
  template <typename Held>
  [[gnu::noinline, gnu::aligned(64)]] uint64_t Find(const Held& held, uint64_t slice,
                                                    uint64_t seed) const {
    const auto& map = held.map;
    const uint64_t first = slice * finds_per_slice_ % finds_.size();
    uint64_t wrong = 0;
    for (uint64_t i = first; i < first + finds_per_slice_; ++i) {
      const auto found = map.find(finds_[i]);
      wrong += found != map.end() && found->second == ValueOf(finds_[i], seed) ? 0 : 1;
    }
    return wrong;
  }

 private:
  std::vector<uint64_t> elements_;
  std::vector<uint64_t> finds_;
  uint64_t finds_per_slice_;
};

using Element = std::pair<const uint64_t, uint64_t>;

// A map whose members lie where they lie in one that begins with an ArenaAllocator.
struct HeldLocally {
  char as_large_as_an_allocator[sizeof(ArenaAllocator<Element>)];
  std::unordered_map<uint64_t, uint64_t> map;
};

struct HeldInArena {
  explicit HeldInArena(Heap heap) : map(heap) {}
  std::unordered_map<uint64_t, uint64_t, std::hash<uint64_t>, std::equal_to<uint64_t>,
                     ArenaAllocator<Element>>
      map;
};

class LocalMap : public Contender {
 public:
  explicit LocalMap(std::shared_ptr<const Keys> keys) : keys_(std::move(keys)) {}

  std::string name() const override { return "process_local"; }

  absl::Status SetUp(uint64_t seed) override {
    seed_ = seed;
    held_ = std::make_unique<HeldLocally>();
    keys_->Insert(held_->map, seed);
    return absl::OkStatus();
  }
  void TearDown() override { held_.reset(); }

  uint64_t RunSlice(uint64_t slice) override { return keys_->Find(*held_, slice, seed_); }

 private:
  const std::shared_ptr<const Keys> keys_;
  uint64_t seed_ = 0;
  std::unique_ptr<HeldLocally> held_;
};

class UarenaMap : public Contender {
 public:
  explicit UarenaMap(std::shared_ptr<const Keys> keys) : keys_(std::move(keys)) {}

  std::string name() const override { return "uarena_map"; }

  absl::Status SetUp(uint64_t seed) override {
    seed_ = seed;
    absl::StatusOr<Arena> arena = MakeObjectArena();
    if (!arena.ok()) return arena.status();
    const absl::StatusOr<HeldInArena*> held = New<HeldInArena>(*arena, *arena);
    if (!held.ok()) return held.status();
    arena_ = *std::move(arena);
    held_ = *held;
    keys_->Insert(held_->map, seed);
    return absl::OkStatus();
  }
  void TearDown() override { arena_.reset(); }

  uint64_t RunSlice(uint64_t slice) override { return keys_->Find(*held_, slice, seed_); }

 private:
  const std::shared_ptr<const Keys> keys_;
  uint64_t seed_ = 0;
  std::optional<Arena> arena_;
  HeldInArena* held_ = nullptr;
};

}  // namespace

std::vector<std::unique_ptr<Contender>> MapContenders(uint64_t elements, uint64_t slices,
                                                      uint64_t finds_per_slice) {
  const auto keys = std::make_shared<const Keys>(elements, slices, finds_per_slice);
  std::vector<std::unique_ptr<Contender>> contenders;
  contenders.push_back(std::make_unique<UarenaMap>(keys));
  contenders.push_back(std::make_unique<LocalMap>(keys));
  return contenders;
}

}  // namespace uarena::bench

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

  // How many are not found or have a wrong value.
  template <typename Map>
  uint64_t Find(const Map& map, uint64_t slice, uint64_t seed) const {
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

class LocalMap : public Contender {
 public:
  explicit LocalMap(std::shared_ptr<const Keys> keys) : keys_(std::move(keys)) {}

  std::string name() const override { return "process_local"; }

  absl::Status SetUp(uint64_t seed) override {
    seed_ = seed;
    keys_->Insert(map_, seed);
    return absl::OkStatus();
  }
  void TearDown() override { map_ = {}; }

  uint64_t RunSlice(uint64_t slice) override { return keys_->Find(map_, slice, seed_); }

 private:
  const std::shared_ptr<const Keys> keys_;
  uint64_t seed_ = 0;
  std::unordered_map<uint64_t, uint64_t> map_;
};

class UarenaMap : public Contender {
 public:
  explicit UarenaMap(std::shared_ptr<const Keys> keys) : keys_(std::move(keys)) {}

  std::string name() const override { return "uarena_map"; }

  absl::Status SetUp(uint64_t seed) override {
    seed_ = seed;
    absl::StatusOr<Arena> arena = MakeObjectArena();
    if (!arena.ok()) return arena.status();
    const absl::StatusOr<Map*> map = New<Map>(*arena);
    if (!map.ok()) return map.status();
    arena_ = *std::move(arena);
    map_ = *map;
    keys_->Insert(*map_, seed);
    return absl::OkStatus();
  }
  void TearDown() override { arena_.reset(); }

  uint64_t RunSlice(uint64_t slice) override { return keys_->Find(*map_, slice, seed_); }

 private:
  using Map = std::unordered_map<uint64_t, uint64_t, std::hash<uint64_t>, std::equal_to<uint64_t>,
                                 ArenaAllocator<std::pair<const uint64_t, uint64_t>>>;

  const std::shared_ptr<const Keys> keys_;
  uint64_t seed_ = 0;
  std::optional<Arena> arena_;
  Map* map_ = nullptr;
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

// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/trace.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <queue>
#include <random>
#include <utility>

namespace uarena::bench {
namespace {

constexpr uint32_t kTypeSizes[] = {24, 32, 40, 48, 56, 64, 72, 80, 96, 120, 144, 192, 256};
constexpr double kMeanLifetime = 20000;

// Shares of the allocations.
struct Phase {
  double length;    // of all
  double short_;    // freed at the end of their request
  double staying;   // the rest lives for a while
  double middling;  // larger than 256 bytes, up to 4 KiB
  double freed;     // of those that stay, freed for each that is added
};

constexpr Phase kPhases[] = {
    {.length = 0.20, .short_ = 0.30, .staying = 0.45, .middling = 0.12, .freed = 0},
    {.length = 0.30, .short_ = 0.70, .staying = 0.02, .middling = 0.12, .freed = 1},
    {.length = 0.20, .short_ = 0.40, .staying = 0.33, .middling = 0.20, .freed = 1.2},
    {.length = 0.30, .short_ = 0.70, .staying = 0.02, .middling = 0.12, .freed = 1},
};

class Generator {
 public:
  explicit Generator(uint64_t allocations) : allocations_(static_cast<double>(allocations)) {}

  Trace Make() && {
    double end = 0;
    for (const Phase& phase : kPhases) {
      end += phase.length * allocations_;
      while (static_cast<double>(now_) < end) Request(phase);
    }
    trace_.live_sizes = std::move(sizes_);
    trace_.slots = static_cast<uint32_t>(trace_.live_sizes.size());
    return std::move(trace_);
  }

 private:
  void Request(const Phase& phase) {
    std::vector<uint32_t> mine;
    const int count = std::uniform_int_distribution<int>(4, kLongestRequest)(random_);
    for (int i = 0; i < count; ++i) {
      FreeWhatIsDue();
      const uint32_t slot = Allocate(Size(phase));
      const double kind = Uniform();
      if (kind < phase.short_) {
        mine.push_back(slot);
      } else if (kind < phase.short_ + phase.staying) {
        staying_.push_back(slot);
        FreeSomeThatStayed(phase);
      } else {
        const double lifetime = std::exponential_distribution<double>(1 / kMeanLifetime)(random_);
        due_.emplace(now_ + static_cast<uint64_t>(lifetime), slot);
      }
    }
    for (size_t i = 1; i < mine.size(); ++i) {
      if (Uniform() < 0.1) std::swap(mine[i], mine[Index(i)]);
    }
    for (; !mine.empty(); mine.pop_back()) Free(mine.back());
  }

  void FreeWhatIsDue() {
    for (; !due_.empty() && due_.top().first <= now_; due_.pop()) Free(due_.top().second);
  }

  void FreeSomeThatStayed(const Phase& phase) {
    owed_ += phase.freed;
    for (; owed_ >= 1 && !staying_.empty(); owed_ -= 1) {
      std::swap(staying_[Index(staying_.size())], staying_.back());
      Free(staying_.back());
      staying_.pop_back();
    }
  }

  uint32_t Size(const Phase& phase) {
    const double kind = Uniform();
    if (kind < 0.0005) return Between(32 << 10, 256 << 10);
    if (kind < 0.01) return Between(4 << 10, 32 << 10);
    if (kind < 0.01 + phase.middling) return Between(256, 4 << 10);
    return Uniform() < 0.5 ? kTypeSizes[types_(random_)] : Between(16, 256);
  }

  uint32_t Allocate(uint32_t size) {
    uint32_t slot = static_cast<uint32_t>(sizes_.size());
    if (unused_.empty()) {
      sizes_.push_back(0);
    } else {
      slot = unused_.back();
      unused_.pop_back();
    }
    sizes_[slot] = size;
    trace_.operations.push_back({.slot = slot, .size = size, .frees = 0});
    trace_.live_bytes += size;
    trace_.peak_bytes = std::max(trace_.peak_bytes, trace_.live_bytes);
    ++now_;
    return slot;
  }

  void Free(uint32_t slot) {
    trace_.operations.push_back({.slot = slot, .size = sizes_[slot], .frees = 1});
    trace_.live_bytes -= sizes_[slot];
    sizes_[slot] = 0;
    unused_.push_back(slot);
  }

  double Uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  size_t Index(size_t size) { return std::uniform_int_distribution<size_t>(0, size - 1)(random_); }

  // Uniform in its logarithm.
  uint32_t Between(double low, double high) {
    return static_cast<uint32_t>(low * std::exp(Uniform() * std::log(high / low)));
  }

  static std::discrete_distribution<size_t> Types() {
    std::vector<double> weights;
    for (size_t i = 0; i < std::size(kTypeSizes); ++i) {
      weights.push_back(1 / static_cast<double>(i + 1));
    }
    return {weights.begin(), weights.end()};
  }

  using Due = std::pair<uint64_t, uint32_t>;  // when, in allocations; the slot

  const double allocations_;
  std::mt19937_64 random_{20240229};
  std::discrete_distribution<size_t> types_ = Types();
  Trace trace_;
  uint64_t now_ = 0;             // allocations so far
  double owed_ = 0;              // of those that stay, still to be freed
  std::vector<uint32_t> sizes_;  // by slot; 0: it has no block
  std::vector<uint32_t> unused_;
  std::vector<uint32_t> staying_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
};

}  // namespace

Trace MakeTrace(uint64_t allocations) { return Generator(allocations).Make(); }

}  // namespace uarena::bench

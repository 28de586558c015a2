// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <random>
#include <vector>

#include "bench/objects/block.h"
#include "bench/objects/heap_workload.h"
#include "bench/support/child_processes.h"
#include "bench/support/clock.h"
#include "bench/support/rendezvous.h"
#include "bench/support/shared_memory.h"

namespace uarena::bench {
namespace {

constexpr uint64_t kBatch = 64;
constexpr size_t kLive = 512;
constexpr uint64_t kHeapBytes = uint64_t{64} << 20;
constexpr size_t kLeast = 16;
constexpr size_t kLargest = 512;
// Longer than what a branch predictor learns by heart, short enough for the cache.
constexpr size_t kPairs = 32768;

struct Replacement {
  uint16_t slot;
  uint16_t size;
};

// Sizes are uniform in their logarithm: half of them are below 91 bytes.
std::vector<Replacement> MakeReplacements() {
  std::mt19937_64 random(20240229);
  std::uniform_real_distribution<double> logarithm(std::log(kLeast), std::log(kLargest + 1));
  std::uniform_int_distribution<uint16_t> slot(0, kLive - 1);
  std::vector<Replacement> pairs(kPairs);
  for (Replacement& pair : pairs) {
    pair = {slot(random), static_cast<uint16_t>(std::exp(logarithm(random)))};
  }
  return pairs;
}

// One process' blocks.
class LiveBlocks {
 public:
  // `first` is where in the sequence it begins.
  LiveBlocks(BenchHeap& heap, const std::vector<Replacement>& sequence, size_t first)
      : heap_(heap), sequence_(sequence), next_(first) {}

  bool Fill() {
    for (Block& block : blocks_) {
      if (!Allocate(block, sequence_[next_].size)) return false;
      Advance();
    }
    return true;
  }

  bool Replace(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const Replacement& pair = sequence_[next_];
      Block& block = blocks_[pair.slot];
      if (!Free(block) || !Allocate(block, pair.size)) return false;
      Advance();
    }
    return true;
  }

  bool FreeAll() {
    return std::all_of(blocks_.begin(), blocks_.end(),
                       [this](const Block& block) { return Free(block); });
  }

  uint64_t wrong() const { return wrong_; }

 private:
  struct Block {
    void* start = nullptr;
    uint16_t size = 0;
    uint8_t tag = 0;
  };

  bool Allocate(Block& block, uint16_t size) {
    block = {heap_.Allocate(size), size, static_cast<uint8_t>(next_)};
    if (block.start == nullptr) return false;
    WriteEnds(block.start, block.size, block.tag);
    return true;
  }

  bool Free(const Block& block) {
    wrong_ += HoldsEnds(block.start, block.size, block.tag) ? 0 : 1;
    return heap_.Free(block.start, block.size);
  }

  void Advance() { next_ = (next_ + 1) % kPairs; }

  BenchHeap& heap_;
  const std::vector<Replacement>& sequence_;
  size_t next_;
  uint64_t wrong_ = 0;
  std::array<Block, kLive> blocks_;
};

class PairsWorkload : public HeapWorkload {
 public:
  PairsWorkload(std::string name, std::string title, int processes, uint64_t pairs)
      : HeapWorkload(std::move(name), std::move(title), kBatch,
                     static_cast<uint64_t>(processes) * std::max<uint64_t>(pairs / kBatch, 1)),
        processes_(processes),
        batches_(std::max<uint64_t>(pairs / kBatch, 1)),
        sequence_(MakeReplacements()) {}

  HeapNeed need() const override { return {.bytes = kHeapBytes, .shared = processes_ > 1}; }

 protected:
  absl::Status Measure(BenchHeap& heap, Samples* samples, Counters* /*counters*/) override {
    Shared<State> state;
    return RunInChildren(processes_, [&](int child) {
      absl::Status status =
          Work(heap, kPairs / processes_ * static_cast<size_t>(child), *state, samples);
      if (!status.ok()) state->stop = true;
      return status;
    });
  }

 private:
  struct State {
    Rendezvous warm;
    std::atomic<bool> stop{false};
  };

  absl::Status Work(BenchHeap& heap, size_t first, State& state, Samples* samples) const {
    // Ones, so that these pages are touched before, not while, measuring.
    std::vector<uint32_t> nanoseconds(batches_, 1);
    LiveBlocks blocks(heap, sequence_, first);
    bool done = blocks.Fill() && blocks.Replace(kPairs);
    if (absl::Status status = state.warm.Meet(processes_); !status.ok()) return status;
    size_t batch = 0;
    int64_t before = NowNs();
    while (done && !state.stop.load(std::memory_order_relaxed)) {
      done = blocks.Replace(kBatch);
      const int64_t now = NowNs();
      nanoseconds[batch] = SampleNs((now - before) / processes_);
      before = now;
      if (++batch == batches_) state.stop = true;
    }
    samples->Append({nanoseconds.data(), batch});
    if (!done || !blocks.FreeAll()) {
      return absl::InternalError("a block could not be allocated or not be freed");
    }
    samples->AddWrongPages(blocks.wrong());
    return absl::OkStatus();
  }

  const int processes_;
  const uint64_t batches_;  // of each process, at most
  const std::vector<Replacement> sequence_;
};

}  // namespace

std::unique_ptr<HeapWorkload> HeapPairs(std::string name, std::string title, int processes,
                                        uint64_t pairs) {
  return std::make_unique<PairsWorkload>(std::move(name), std::move(title), processes, pairs);
}

}  // namespace uarena::bench

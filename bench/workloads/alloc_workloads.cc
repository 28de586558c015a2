// SPDX-License-Identifier: Apache-2.0
#include "bench/workloads/alloc_workloads.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/support/clock.h"
#include "bench/support/page_run.h"

namespace uarena::bench {
namespace {

constexpr int kWarmUpRounds = 2;

absl::StatusOr<PageRun> AllocRun(Memory& memory, uint64_t count, size_t page_size, uint64_t* ns) {
  char* start = nullptr;
  const absl::StatusOr<uint64_t> elapsed = memory.allocator()->AllocRuns(count, {&start, 1});
  if (!elapsed.ok()) return elapsed.status();
  *ns = *elapsed;
  return PageRun{memory.base(), start, count, page_size};
}

class AllocTouchWorkload : public MappedWorkload {
 public:
  AllocTouchWorkload(std::string name, std::string title, uint64_t run, bool reuse, uint64_t rounds,
                     size_t page_size)
      : MappedWorkload(std::move(name), std::move(title), run, rounds),
        reuse_(reuse),
        page_size_(page_size) {}

  Need need() const override {
    return {.span_bytes = (max_samples() + kWarmUpRounds) * pages_per_sample() * page_size_,
            .allocates = true,
            .frees = reuse_};
  }

 protected:
  absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) override {
    std::vector<PageRun> kept;
    for (int i = reuse_ ? -kWarmUpRounds : 0; i < static_cast<int>(max_samples()); ++i) {
      uint64_t alloc_ns = 0;
      const absl::StatusOr<PageRun> run =
          AllocRun(memory, pages_per_sample(), page_size_, &alloc_ns);
      if (!run.ok()) return run.status();
      const int64_t start = NowNs();
      run->TouchAll(seed);
      const uint32_t sample = SampleNs(NowNs() - start + static_cast<int64_t>(alloc_ns));
      if (i >= 0) samples->Append({&sample, 1});
      if (!reuse_) {
        kept.push_back(*run);
        continue;
      }
      samples->AddWrongPages(run->WrongPages(seed));
      run->Dirty();
      if (absl::Status status = memory.allocator()->Free(run->start, run->count); !status.ok()) {
        return status;
      }
    }
    for (const PageRun& run : kept) samples->AddWrongPages(run.WrongPages(seed));
    return absl::OkStatus();
  }

 private:
  const bool reuse_;
  const size_t page_size_;
};

class ChurnWorkload : public MappedWorkload {
 public:
  // Pages of a batch: enough that reading the clock does not count.
  static constexpr uint64_t kBatchPages = 512;

  ChurnWorkload(std::string name, std::string title, uint64_t run, uint64_t pages, size_t page_size)
      : MappedWorkload(std::move(name), std::move(title), kBatchPages / run * run,
                       std::max<uint64_t>(pages / kBatchPages, 1)),
        run_(run),
        page_size_(page_size) {}

  Need need() const override {
    return {.span_bytes = uint64_t{64} << 20, .allocates = true, .frees = true};
  }

 protected:
  absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) override {
    for (int i = -kWarmUpRounds; i < static_cast<int>(max_samples()); ++i) {
      const absl::StatusOr<uint64_t> ns =
          memory.allocator()->ChurnNs(run_, pages_per_sample() / run_);
      if (!ns.ok()) return ns.status();
      const uint32_t sample = SampleNs(static_cast<int64_t>(*ns));
      if (i >= 0) samples->Append({&sample, 1});
    }
    return CheckZeroed(memory, seed, samples);
  }

 private:
  // Whether pages that come back after they were written to and freed hold zeros.
  absl::Status CheckZeroed(Memory& memory, uint64_t seed, Samples* samples) const {
    for (int i = 0; i < kWarmUpRounds; ++i) {
      uint64_t ns;
      const absl::StatusOr<PageRun> run = AllocRun(memory, run_, page_size_, &ns);
      if (!run.ok()) return run.status();
      run->TouchAll(seed);
      samples->AddWrongPages(run->WrongPages(seed));
      run->Dirty();
      if (absl::Status status = memory.allocator()->Free(run->start, run_); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  const uint64_t run_;
  const size_t page_size_;
};

class FragmentedAllocWorkload : public MappedWorkload {
 public:
  static constexpr uint64_t kBatch = 16;

  FragmentedAllocWorkload(std::string name, std::string title, uint64_t span_bytes,
                          uint64_t fragments, uint64_t pages, size_t page_size)
      : MappedWorkload(std::move(name), std::move(title), kBatch,
                       std::max<uint64_t>(pages / kBatch, 1)),
        span_bytes_(span_bytes),
        fragments_(fragments),
        page_size_(page_size) {}

  Need need() const override {
    return {.span_bytes = span_bytes_, .allocates = true, .reserves = true};
  }

 protected:
  absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) override {
    if (absl::Status status = Fragment(memory); !status.ok()) return status;
    std::vector<PageRun> kept;
    for (int i = -kWarmUpRounds; i < static_cast<int>(max_samples()); ++i) {
      char* pages[kBatch];
      const absl::StatusOr<uint64_t> ns = memory.allocator()->AllocRuns(1, pages);
      if (!ns.ok()) return ns.status();
      const uint32_t sample = SampleNs(static_cast<int64_t>(*ns));
      if (i >= 0) samples->Append({&sample, 1});
      for (char* page : pages) kept.push_back({memory.base(), page, 1, page_size_});
    }
    for (const PageRun& page : kept) page.TouchAll(seed);
    for (const PageRun& page : kept) samples->AddWrongPages(page.WrongPages(seed));
    return absl::OkStatus();
  }

 private:
  // Reserves a run at a random place of each of `fragments_` equal parts, in random order. It holds
  // no memory, so a tenth of 1 TiB can be taken anywhere.
  absl::Status Fragment(Memory& memory) const {
    const uint64_t part = span_bytes_ / page_size_ / fragments_;
    const uint64_t run = std::max<uint64_t>(part / 10, 1);
    std::mt19937_64 random(20240229);
    std::uniform_int_distribution<uint64_t> within(0, part - run);
    std::vector<uint64_t> starts(fragments_);
    for (uint64_t i = 0; i < fragments_; ++i) starts[i] = i * part + within(random);
    std::shuffle(starts.begin(), starts.end(), random);
    for (const uint64_t start : starts) {
      if (absl::Status status =
              memory.allocator()->Reserve(memory.base() + start * page_size_, run);
          !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  const uint64_t span_bytes_;
  const uint64_t fragments_;
  const size_t page_size_;
};

}  // namespace

std::unique_ptr<Workload> AllocTouch(std::string name, std::string title, uint64_t run, bool reuse,
                                     uint64_t pages, size_t page_size) {
  return std::make_unique<AllocTouchWorkload>(std::move(name), std::move(title), run, reuse,
                                              std::max<uint64_t>(pages / run, 1), page_size);
}

std::unique_ptr<Workload> Churn(std::string name, std::string title, uint64_t run, uint64_t pages,
                                size_t page_size) {
  return std::make_unique<ChurnWorkload>(std::move(name), std::move(title), run, pages, page_size);
}

std::unique_ptr<Workload> FragmentedAlloc(std::string name, std::string title, uint64_t span_bytes,
                                          uint64_t fragments, uint64_t pages, size_t page_size) {
  return std::make_unique<FragmentedAllocWorkload>(std::move(name), std::move(title), span_bytes,
                                                   fragments, pages, page_size);
}

}  // namespace uarena::bench

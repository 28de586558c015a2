// SPDX-License-Identifier: Apache-2.0
#include "bench/workloads/touch_workloads.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "bench/support/touch.h"

namespace uarena::bench {
namespace {

constexpr uint64_t k2MiB = uint64_t{2} << 20;

std::vector<uint64_t> InOrder(uint64_t pages) {
  std::vector<uint64_t> order(pages);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

std::vector<uint64_t> Scattered(uint64_t blocks, uint64_t pages_per_block) {
  std::mt19937_64 random(20240229);
  std::uniform_int_distribution<uint64_t> within(0, pages_per_block - 1);
  std::vector<uint64_t> order(blocks);
  for (uint64_t block = 0; block < blocks; ++block) {
    order[block] = block * pages_per_block + within(random);
  }
  std::shuffle(order.begin(), order.end(), random);
  return order;
}

Need NeedFor(const std::vector<uint64_t>& order, size_t page_size) {
  std::set<uint64_t> touched;
  for (const uint64_t page : order) touched.insert(page * page_size / k2MiB);
  return {.span_bytes = (*touched.rbegin() + 1) * k2MiB, .touched_2mib = touched.size()};
}

class FirstTouch : public MappedWorkload {
 public:
  FirstTouch(std::string name, std::string title, std::vector<uint64_t> order, size_t page_size)
      : MappedWorkload(std::move(name), std::move(title), 1, order.size()),
        order_(std::move(order)),
        page_size_(page_size),
        need_(NeedFor(order_, page_size)) {}

  Need need() const override { return need_; }

 protected:
  absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) override {
    TouchInOrder(memory.base(), page_size_, order_, seed, /*prior=*/false, samples);
    return absl::OkStatus();
  }

 private:
  const std::vector<uint64_t> order_;
  const size_t page_size_;
  const Need need_;
};

class ExistingTouch : public MappedWorkload {
 public:
  ExistingTouch(std::string name, std::string title, uint64_t pages, size_t page_size)
      : MappedWorkload(std::move(name), std::move(title), 1, pages),
        order_(InOrder(pages)),
        page_size_(page_size) {}

  Need need() const override {
    Need need = NeedFor(order_, page_size_);
    need.touch_existing = true;
    return need;
  }

 protected:
  absl::Status Measure(Memory& memory, uint64_t seed, Samples* samples) override {
    return memory.TouchExisting(order_.size(), page_size_, [&](char* base, bool written) {
      TouchInOrder(base, page_size_, order_, seed, written, samples);
    });
  }

 private:
  const std::vector<uint64_t> order_;
  const size_t page_size_;
};

}  // namespace

std::unique_ptr<Workload> SequentialTouch(std::string name, std::string title, uint64_t pages,
                                          size_t page_size) {
  return std::make_unique<FirstTouch>(std::move(name), std::move(title), InOrder(pages), page_size);
}

std::unique_ptr<Workload> ScatteredTouch(std::string name, std::string title, uint64_t blocks,
                                         size_t page_size) {
  return std::make_unique<FirstTouch>(std::move(name), std::move(title),
                                      Scattered(blocks, k2MiB / page_size), page_size);
}

std::unique_ptr<Workload> SecondProcessTouch(std::string name, std::string title, uint64_t pages,
                                             size_t page_size) {
  return std::make_unique<ExistingTouch>(std::move(name), std::move(title), pages, page_size);
}

}  // namespace uarena::bench

// SPDX-License-Identifier: Apache-2.0
#include "bench/workload.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/select.h"

namespace uarena::bench {
namespace {

constexpr uint64_t k2MiB = uint64_t{2} << 20;
// No bpf_arena is larger, and every subject gets the same work.
constexpr uint64_t kScatterBytes = uint64_t{4} << 30;

absl::Status CheckContents(const Samples& samples) {
  if (samples.wrong_pages() == 0) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(samples.wrong_pages(), " pages did not hold what was written to them"));
}

std::vector<uint64_t> InOrder(uint64_t pages) {
  std::vector<uint64_t> order(pages);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

// One page at a random place of each 2 MiB, in random order; always the same.
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

// Touches pages that nobody has touched.
class FreshTouch : public Workload {
 public:
  FreshTouch(std::string name, std::string title, std::vector<uint64_t> order, size_t page_size)
      : name_(std::move(name)),
        title_(std::move(title)),
        order_(std::move(order)),
        page_size_(page_size) {
    const uint64_t last = *std::max_element(order_.begin(), order_.end());
    need_.span_bytes = ((last * page_size) / k2MiB + 1) * k2MiB;
    std::vector<bool> touched(need_.span_bytes / k2MiB);
    for (const uint64_t page : order_) touched[page * page_size / k2MiB] = true;
    need_.touched_2mib = static_cast<uint64_t>(std::count(touched.begin(), touched.end(), true));
  }

  std::string name() const override { return name_; }
  std::string title() const override { return title_; }
  uint64_t pages() const override { return order_.size(); }
  Need need() const override { return need_; }

  absl::Status Run(Subject& subject, uint64_t seed, Samples* samples,
                   std::optional<FaultCounts>* counts) override {
    absl::StatusOr<std::unique_ptr<Memory>> memory = subject.Map(need_);
    if (!memory.ok()) return memory.status();
    samples->Clear();
    samples->Measure((*memory)->base(), page_size_, order_, seed, /*prior=*/false);
    *counts = (*memory)->fault_counts();
    return CheckContents(*samples);
  }

 private:
  const std::string name_;
  const std::string title_;
  const std::vector<uint64_t> order_;
  const size_t page_size_;
  Need need_;
};

// Touches pages that exist but are not mapped where they are touched.
class SecondProcessTouch : public Workload {
 public:
  SecondProcessTouch(uint64_t pages, size_t page_size)
      : order_(InOrder(pages)), page_size_(page_size) {
    need_.touched_2mib = (pages * page_size + k2MiB - 1) / k2MiB;
    need_.span_bytes = need_.touched_2mib * k2MiB;
    need_.second_process = true;
  }

  std::string name() const override { return "second_process_touch"; }
  std::string title() const override {
    return "pages that exist, touched in order by a second process (bpf_arena: by the user "
           "process, "
           "of pages allocated by a BPF program)";
  }
  uint64_t pages() const override { return order_.size(); }
  Need need() const override { return need_; }

  absl::Status Run(Subject& subject, uint64_t seed, Samples* samples,
                   std::optional<FaultCounts>* counts) override {
    absl::StatusOr<std::unique_ptr<Memory>> memory = subject.Map(need_);
    if (!memory.ok()) return memory.status();
    samples->Clear();
    *counts = std::nullopt;
    const absl::Status status =
        (*memory)->TouchExisting(order_.size(), page_size_, [&](char* base, bool written) {
          samples->Measure(base, page_size_, order_, seed, written);
        });
    return status.ok() ? CheckContents(*samples) : status;
  }

 private:
  const std::vector<uint64_t> order_;
  const size_t page_size_;
  Need need_;
};

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Workload>>> MakeWorkloads(
    const std::vector<std::string>& names, uint64_t pages, size_t page_size) {
  std::vector<std::unique_ptr<Workload>> workloads;
  workloads.push_back(std::make_unique<FreshTouch>(
      "seq_first_touch", "fresh pages touched in order", InOrder(pages), page_size));
  const uint64_t blocks = std::clamp<uint64_t>(pages / 8, 1, kScatterBytes / k2MiB);
  workloads.push_back(std::make_unique<FreshTouch>(
      "scattered_first_touch", "fresh pages, one in every 2 MiB, touched in random order",
      Scattered(blocks, k2MiB / page_size), page_size));
  workloads.push_back(std::make_unique<SecondProcessTouch>(pages, page_size));
  return SelectByName("--operations", std::move(workloads), names);
}

}  // namespace uarena::bench

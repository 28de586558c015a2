// SPDX-License-Identifier: Apache-2.0
#include "bench/workloads/open_workload.h"

#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/results/statistics.h"
#include "bench/support/child_processes.h"
#include "bench/support/clock.h"
#include "bench/support/page_run.h"
#include "bench/support/shared_memory.h"

namespace uarena::bench {
namespace {

// 0 where /proc does not say.
int64_t ResidentKib() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word != "VmRSS:") continue;
    int64_t kib = 0;
    file >> kib;
    return kib;
  }
  return 0;
}

}  // namespace

OpenMemory::OpenMemory(std::string name, std::string title, uint64_t span_bytes, uint64_t openings,
                       size_t page_size)
    : Workload(std::move(name), std::move(title), 1, openings),
      span_bytes_(span_bytes),
      page_size_(page_size) {}

absl::Status OpenMemory::MapAndMeasure(Subject& subject, uint64_t seed, Samples* samples,
                                       Counters* counters) {
  Shared<int64_t> added_kib;
  std::vector<double> all_added_kib;
  for (uint64_t i = 0; i < max_samples(); ++i) {
    absl::Status status = RunInChildren(1, [&](int /*child*/) -> absl::Status {
      ResidentKib();  // its own memory is not to be counted
      const int64_t before_kib = ResidentKib();
      const int64_t start = NowNs();
      const absl::StatusOr<std::unique_ptr<Memory>> memory = subject.Map(need());
      if (!memory.ok()) return memory.status();
      const PageRun page = {(*memory)->base(), (*memory)->base(), 1, page_size_};
      page.TouchAll(seed);
      const uint32_t sample = SampleNs(NowNs() - start);
      *added_kib = ResidentKib() - before_kib;
      samples->Append({&sample, 1});
      samples->AddWrongPages(page.WrongPages(seed));
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    all_added_kib.push_back(static_cast<double>(*added_kib));
  }
  (*counters)["rss_kib"] = Median(std::move(all_added_kib));
  return absl::OkStatus();
}

}  // namespace uarena::bench

// SPDX-License-Identifier: Apache-2.0
#include "bench/machine.h"

#include <unistd.h>

#include <fstream>

#include "bench/samples.h"

namespace uarena::bench {
namespace {

// The first value of a "key : value" line of /proc/cpuinfo; "unknown" where it has none.
std::string CpuModel() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
}

}  // namespace

Machine DescribeMachine() {
  return {
      .cpus = sysconf(_SC_NPROCESSORS_ONLN),
      .cpu_model = CpuModel(),
      .memory_bytes = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                      static_cast<uint64_t>(sysconf(_SC_PAGESIZE)),
      .clock_ns = ClockCostNs(),
      .abilities = ProbeKernel(),
  };
}

}  // namespace uarena::bench

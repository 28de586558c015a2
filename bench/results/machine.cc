// SPDX-License-Identifier: Apache-2.0
#include "bench/results/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "bench/support/clock.h"

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

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double OwnSeconds(int who) {
  rusage usage = {};
  getrusage(who, &usage);
  return Seconds(usage.ru_utime) + Seconds(usage.ru_stime);
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

CpuTimes ReadCpuTimes() {
  // "cpu user nice system idle iowait irq softirq steal …"
  std::ifstream file("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  file >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {
      .busy = (user + nice + system + irq + softirq) / ticks,
      .own = OwnSeconds(RUSAGE_SELF) + OwnSeconds(RUSAGE_CHILDREN),
      .stolen = steal / ticks,
  };
}

}  // namespace uarena::bench

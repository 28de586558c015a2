// SPDX-License-Identifier: Apache-2.0
#include "os/system.h"

#include <sys/sysinfo.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"

namespace uarena {
namespace {

uint64_t ReadNumber(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  file >> value;
  return value;
}

}  // namespace

size_t SystemPageSize() {
  static const size_t size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return size;
}

uint64_t TotalMemory() {
  struct sysinfo info {};
  sysinfo(&info);
  return (uint64_t{info.totalram} + info.totalswap) * info.mem_unit;
}

bool NodeOnline(int node) {
  if (node < 0) return false;
  const std::string path = absl::StrCat("/sys/devices/system/node/node", node);
  if (access(path.c_str(), F_OK) == 0) return true;
  // A kernel without NUMA, or a sandbox without sysfs, has node 0 and no directory to show it.
  return node == 0;
}

std::string DescribeMapping(uint64_t start, uint64_t length) {
  std::ifstream file("/proc/self/maps");
  std::string line;
  while (std::getline(file, line)) {
    uint64_t begin = 0;
    uint64_t end = 0;
    char dash = 0;
    std::istringstream fields(line);
    fields >> std::hex >> begin >> dash >> end;
    if (begin < start + length && end > start) return line;
  }
  return "";
}

uint64_t FreeHugePages() {
  const std::string pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/";
  const uint64_t overcommit = ReadNumber(pool + "nr_overcommit_hugepages");
  const uint64_t surplus = ReadNumber(pool + "surplus_hugepages");
  return ReadNumber(pool + "free_hugepages") + (overcommit > surplus ? overcommit - surplus : 0);
}

}  // namespace uarena

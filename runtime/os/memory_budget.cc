// SPDX-License-Identifier: Apache-2.0
#include "os/memory_budget.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <limits>

#include "os/fd.h"
#include "os/syscall.h"

namespace uarena {
namespace {

constexpr uint64_t kLargestPortion = uint64_t{64} << 20;
constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// A small file's text. Not by streams: this may run in a signal handler.
struct FileText {
  explicit FileText(const char* path) {
    const UniqueFd fd(sys::OpenReadOnly(path));
    if (!fd.valid()) return;
    const int64_t bytes = sys::Pread(fd.get(), text, sizeof(text) - 1, 0);
    if (bytes > 0) text[bytes] = '\0';
  }
  // The number at the beginning; kUnlimited if there is none, as in "max".
  uint64_t Number() const { return Parse(text); }
  // The number after `key` at the beginning of a line; 0 if there is no such line.
  uint64_t Field(const char* key) const {
    const size_t length = strlen(key);
    for (const char* line = text; line != nullptr && *line != '\0';) {
      if (strncmp(line, key, length) == 0) return Parse(line + length);
      line = strchr(line, '\n');
      if (line != nullptr) ++line;
    }
    return 0;
  }

  char text[4096] = {};

 private:
  static uint64_t Parse(const char* at) {
    while (*at == ' ') ++at;
    if (*at < '0' || *at > '9') return kUnlimited;
    uint64_t value = 0;
    for (; *at >= '0' && *at <= '9'; ++at) value = value * 10 + static_cast<uint64_t>(*at - '0');
    return value;
  }
};

}  // namespace

MemoryHeadroom::MemoryHeadroom() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;  // "4:memory:/a/b" (version 1) or "0::/a/b" (version 2)
  while (std::getline(file, line)) {
    const size_t path_at = line.find(":/");
    if (path_at == std::string::npos) continue;
    const bool second = line.compare(0, 3, "0::") == 0;
    const std::string controllers =
        "," + line.substr(line.find(':') + 1, path_at - line.find(':') - 1) + ",";
    if (!second && controllers.find(",memory,") == std::string::npos) continue;
    const std::string root = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    // Every level above may have a limit of its own.
    for (std::string path = line.substr(path_at + 1); path.size() > 1;
         path.resize(path.rfind('/'))) {
      const std::string directory = root + path;
      cgroups_.push_back({directory + (second ? "/memory.max" : "/memory.limit_in_bytes"),
                          directory + (second ? "/memory.current" : "/memory.usage_in_bytes"),
                          directory + "/memory.stat"});
    }
  }
}

uint64_t MemoryHeadroom::Bytes() const {
  const FileText machine("/proc/meminfo");
  uint64_t least = (machine.Field("MemAvailable:") + machine.Field("SwapFree:")) * 1024;
  if (least == 0) least = kUnlimited;  // no /proc: the kernel decides
  for (const Cgroup& cgroup : cgroups_) {
    const uint64_t limit = FileText(cgroup.limit_path.c_str()).Number();
    if (limit >= uint64_t{1} << 60) continue;
    const uint64_t usage = FileText(cgroup.usage_path.c_str()).Number();
    const FileText stat(cgroup.stat_path.c_str());
    const uint64_t cache = stat.Field("inactive_file") + stat.Field("active_file");
    const uint64_t used = usage > cache ? usage - cache : 0;
    least = std::min(least, limit > used ? limit - used : 0);
  }
  return least;
}

bool MemoryBudget::Take(uint64_t bytes) {
  const auto wanted = static_cast<int64_t>(bytes);
  if (portion_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted) return true;
  const uint64_t left = headroom_.Bytes();
  // Some is kept for what the kernel and this program need besides.
  const uint64_t reserve = std::min<uint64_t>(left / 16, kLargestPortion);
  if (bytes > left - reserve) {
    portion_.store(0, std::memory_order_relaxed);
    return false;
  }
  portion_.store(static_cast<int64_t>(std::min((left - bytes) / 8, kLargestPortion)),
                 std::memory_order_relaxed);
  return true;
}

}  // namespace uarena

// SPDX-License-Identifier: Apache-2.0
//
// Layers include only downward: the table of runtime/README.md, held against the #include lines.
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace {

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"os", {"os"}},
    {"memory", {"memory", "os"}},
    {"pages", {"pages", "memory", "os"}},
    {"fault", {"fault", "pages", "memory", "os"}},
    {"heap", {"heap", "pages", "memory", "os"}},
    {"ipc", {"ipc", "os"}},
    {"client", {"client", "heap", "ipc", "fault", "pages", "memory", "os"}},
    {"sync", {"sync", "client", "heap", "ipc", "fault", "pages", "memory", "os"}},
    {"daemon", {"daemon", "sync", "client", "heap", "ipc", "fault", "pages", "memory", "os"}},
    {"tools", {"tools", "sync", "client", "heap", "ipc", "fault", "pages", "memory", "os"}},
    {"include", {}},
};

TEST(LayersTest, IncludeOnlyDownward) {
  const std::filesystem::path runtime = std::filesystem::path(SOURCE_DIR) / "runtime";
  const std::regex include("#include \"([a-z_]+)/.*\"");
  std::set<std::string> seen;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(runtime)) {
    if (entry.path().extension() != ".cc" && entry.path().extension() != ".h") continue;
    const std::string layer = std::filesystem::relative(entry.path(), runtime).begin()->string();
    ASSERT_TRUE(kMayInclude.count(layer)) << layer << " is not a layer";
    seen.insert(layer);
    std::ifstream file(entry.path());
    std::string line;
    while (std::getline(file, line)) {
      std::smatch match;
      if (!std::regex_search(line, match, include)) continue;
      const std::string included = match[1];
      if (kMayInclude.count(included) == 0) continue;  // the public headers and libraries
      EXPECT_TRUE(kMayInclude.at(layer).count(included))
          << entry.path().string() << " includes upwards: " << line;
    }
  }
  EXPECT_EQ(seen.size(), kMayInclude.size());
}

}  // namespace

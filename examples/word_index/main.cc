// SPDX-License-Identifier: Apache-2.0
//
// word_index: an index of all words of a directory that several processes fill, query and update at
// the same time, by plain pointers. See examples/README.md.
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "roles.h"

ABSL_FLAG(std::string, arena, "word_index", "The arena's name");
ABSL_FLAG(std::string, mode, "",
          "How this process wants its faults resolved: auto, in-place, thread, served or kernel. "
          "Default: "
          "auto; demo: in-place and served side by side");
ABSL_FLAG(std::string, socket, "", "The daemon's socket; see uarenad --help");
ABSL_FLAG(uint64_t, operations, 300'000, "How many queries or updates to make at least");
ABSL_FLAG(uint32_t, processes, 1, "index: start when so many processes have joined");
ABSL_FLAG(double, timeout, 30, "Give up after so many seconds");
ABSL_FLAG(bool, report, true, "Print what was done");

namespace word_index {
namespace {

constexpr char kUsage[] =
    "demo [DIR] | index [DIR] | query [WORD...] | update | check [DIR]\n"
    "DIR is /usr/share/common-licenses if not given; all need a running uarenad";

absl::StatusOr<uarena::FaultMode> ParseMode(const std::string& name) {
  using uarena::FaultMode;
  if (name.empty()) return FaultMode::kAuto;
  for (const FaultMode mode : {FaultMode::kAuto, FaultMode::kInPlace, FaultMode::kThread,
                               FaultMode::kServed, FaultMode::kKernel}) {
    if (uarena::FaultModeName(mode) == name) return mode;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--mode=", name, ": must be auto, in-place, thread, served or kernel"));
}

// The flags that the demo's processes must have from it.
std::vector<std::string> CommonFlags() {
  return {absl::StrCat("--arena=", absl::GetFlag(FLAGS_arena)),
          absl::StrCat("--socket=", absl::GetFlag(FLAGS_socket)),
          absl::StrCat("--operations=", absl::GetFlag(FLAGS_operations)),
          absl::StrCat("--timeout=", absl::GetFlag(FLAGS_timeout))};
}

absl::Status Run(const std::string& role, const std::vector<std::string>& arguments) {
  const std::string directory =
      arguments.empty() ? "/usr/share/common-licenses" : arguments.front();
  const RoleOptions options = {
      .operations = absl::GetFlag(FLAGS_operations),
      .processes = absl::GetFlag(FLAGS_processes),
      .report = absl::GetFlag(FLAGS_report),
      .deadline = absl::Now() + absl::Seconds(absl::GetFlag(FLAGS_timeout)),
  };
  const std::string mode = absl::GetFlag(FLAGS_mode);
  const absl::StatusOr<uarena::FaultMode> fault_mode = ParseMode(mode);
  if (!fault_mode.ok()) return fault_mode.status();
  uarena::ArenaOptions arena_options;
  arena_options.max_pages = ArenaPages();
  arena_options.fault_mode = *fault_mode;
  arena_options.socket_path = absl::GetFlag(FLAGS_socket);
  absl::StatusOr<uarena::Arena> arena =
      uarena::Arena::Open(absl::GetFlag(FLAGS_arena), arena_options);
  if (!arena.ok()) return arena.status();
  if (role == "index") return RunIndex(*arena, directory, options);
  if (role == "query" && !arguments.empty()) return PrintCounts(*arena, arguments, options);
  if (role == "query") return RunQueries(*arena, options);
  if (role == "update") return RunUpdates(*arena, options);
  if (role == "check") return RunCheck(*arena, directory, options);
  return RunDemo(*arena, directory, mode, CommonFlags(), options);
}

int Main(const std::vector<char*>& argv) {
  const std::vector<std::string> words(argv.begin() + 1, argv.end());
  const std::string role = words.empty() ? "" : words.front();
  const bool takes_words = role == "query";
  const bool takes_directory = role == "demo" || role == "index" || role == "check";
  const size_t most = takes_words ? words.size() : takes_directory ? 2 : 1;
  if ((!takes_words && !takes_directory && role != "update") || words.size() > most) {
    fprintf(stderr, "usage: word_index [flags] %s\n", kUsage);
    return 2;
  }
  const absl::Status status = Run(role, {words.begin() + 1, words.end()});
  if (status.ok()) return 0;
  fprintf(stderr, "word_index %s: %s\n", role.c_str(), status.ToString().c_str());
  // The kernel does not have the fault mode that was asked for: to a test, neither good nor bad.
  return absl::IsUnimplemented(status) ? 77 : 1;
}

}  // namespace
}  // namespace word_index

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(word_index::kUsage);
  absl::FlagsUsageConfig config;
  config.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "word_index/");
  };
  absl::SetFlagsUsageConfig(config);
  return word_index::Main(absl::ParseCommandLine(argc, argv));
}

// SPDX-License-Identifier: Apache-2.0
//
// shared_cache: an LRU cache of strings in standard containers that several processes read and
// write while they are being killed. See examples/README.md.
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "roles.h"
#include "uarena/roots.h"

ABSL_FLAG(std::string, arena, "shared_cache", "The arena's name; demo appends _demo");
ABSL_FLAG(std::string, socket, "", "The daemon's socket; see uarenad --help");
ABSL_FLAG(uint64_t, bytes, 4 << 20, "What a new cache may hold, in bytes of keys and values");
ABSL_FLAG(uint32_t, workers, 4, "demo: how many workers there are at a time, 1 to 64");
ABSL_FLAG(double, seconds, 5, "demo, work: for how long");

namespace shared_cache {
namespace {

constexpr char kUsage[] =
    "demo | put KEY VALUE | get KEY | count | work\nall need a running uarenad";

absl::Status CheckFlags() {
  if (const uint32_t workers = absl::GetFlag(FLAGS_workers); workers < 1 || workers > 64) {
    return absl::InvalidArgumentError(absl::StrCat("--workers=", workers, ": must be 1 to 64"));
  }
  if (const double seconds = absl::GetFlag(FLAGS_seconds); !(seconds > 0)) {
    return absl::InvalidArgumentError(absl::StrCat("--seconds=", seconds, ": must be more than 0"));
  }
  constexpr uint64_t kLeast = 64 << 10;
  constexpr uint64_t kMost = 128 << 20;
  if (const uint64_t bytes = absl::GetFlag(FLAGS_bytes); bytes < kLeast || bytes > kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat("--bytes=", bytes, ": must be ", kLeast, " to ", kMost));
  }
  return absl::OkStatus();
}

absl::StatusOr<uarena::Arena> OpenArena(const std::string& name) {
  uarena::ArenaOptions options;
  options.max_pages = 1 << 18;  // 1 GiB, of which the cache takes what it needs
  options.socket_path = absl::GetFlag(FLAGS_socket);
  return uarena::Arena::Open(name, options);
}

absl::StatusOr<Cache*> FindCache(const uarena::Arena& arena) {
  return uarena::FindOrConstruct<Cache>(arena, "cache", absl::GetFlag(FLAGS_bytes));
}

absl::Status Demo() {
  const std::string name = absl::GetFlag(FLAGS_arena) + "_demo";
  uarena::ArenaOptions same_daemon;
  same_daemon.socket_path = absl::GetFlag(FLAGS_socket);
  // What an earlier one has left that was killed itself.
  uarena::Arena::Remove(name, same_daemon).IgnoreError();
  absl::StatusOr<uarena::Arena> arena = OpenArena(name);
  if (!arena.ok()) return arena.status();
  const absl::StatusOr<Cache*> cache = FindCache(*arena);
  if (!cache.ok()) return cache.status();
  const absl::Duration time = absl::Seconds(absl::GetFlag(FLAGS_seconds));
  const DemoOptions options = {
      .workers = absl::GetFlag(FLAGS_workers),
      .time = time,
      // For longer than they are needed, and not for ever if nobody kills them.
      .worker_arguments = {"shared_cache", "work", absl::StrCat("--arena=", name),
                           absl::StrCat("--socket=", absl::GetFlag(FLAGS_socket)),
                           absl::StrCat("--seconds=", absl::ToDoubleSeconds(time) + 30)},
  };
  absl::Status status = RunDemo(*arena, **cache, options);
  status.Update(uarena::Arena::Remove(name, same_daemon));
  return status;
}

absl::Status Get(Cache& cache, const std::string& key) {
  const std::optional<std::string> value = cache.Get(key);
  if (!value.has_value()) return absl::NotFoundError(absl::StrCat("\"", key, "\""));
  absl::PrintF("%s\n", *value);
  return absl::OkStatus();
}

void Print(const Counts& counts) {
  absl::PrintF("%d entries of %d bytes; %d hits, %d misses, %d evictions, %d repairs\n",
               counts.entries, counts.bytes, counts.hits, counts.misses, counts.evictions,
               counts.repairs);
}

absl::Status Run(const std::vector<std::string>& words) {
  if (absl::Status status = CheckFlags(); !status.ok()) return status;
  const std::string& role = words[0];
  if (role == "demo") return Demo();
  const absl::StatusOr<uarena::Arena> arena = OpenArena(absl::GetFlag(FLAGS_arena));
  if (!arena.ok()) return arena.status();
  const absl::StatusOr<Cache*> cache = FindCache(*arena);
  if (!cache.ok()) return cache.status();
  if (role == "get") return Get(**cache, words[1]);
  if (role == "put") return (*cache)->Put(words[1], words[2]);
  if (role == "work") {
    return RunWorker(**cache, absl::Now() + absl::Seconds(absl::GetFlag(FLAGS_seconds)));
  }
  Print((*cache)->Count());
  return absl::OkStatus();
}

// How many words a command has with its arguments; 0 if there is no such command.
size_t Words(const std::string& role) {
  if (role == "put") return 3;
  if (role == "get") return 2;
  return role == "demo" || role == "count" || role == "work" ? 1 : 0;
}

int Main(const std::vector<char*>& argv) {
  const std::vector<std::string> words(argv.begin() + 1, argv.end());
  if (words.empty() || words.size() != Words(words[0])) {
    fprintf(stderr, "usage: shared_cache [flags] %s\n", kUsage);
    return 2;
  }
  const absl::Status status = Run(words);
  if (status.ok()) return 0;
  fprintf(stderr, "shared_cache %s: %s\n", words[0].c_str(), status.ToString().c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

}  // namespace
}  // namespace shared_cache

int main(int argc, char** argv) try {
  absl::SetProgramUsageMessage(shared_cache::kUsage);
  absl::FlagsUsageConfig config;
  config.contains_help_flags = [](absl::string_view file) {
    return absl::StrContains(file, "shared_cache/");
  };
  absl::SetFlagsUsageConfig(config);
  return shared_cache::Main(absl::ParseCommandLine(argc, argv));
} catch (const std::exception& error) {
  fprintf(stderr, "shared_cache: %s\n", error.what());
  return 1;
}

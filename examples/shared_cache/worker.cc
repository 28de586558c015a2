// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "roles.h"

namespace shared_cache {
namespace {

// Some keys are asked for much more often than others, as of any cache.
std::string RandomKey(std::minstd_rand& random) {
  const double where = std::uniform_real_distribution<double>()(random);
  return absl::StrCat("key ", static_cast<int>(20'000 * where * where * where));
}

}  // namespace

std::string ValueOf(std::string_view key) {
  const size_t hash = uarena::StringHash()(key);
  std::string value;
  for (size_t i = 0; i <= hash % 40; ++i) absl::StrAppend(&value, hash, " ", i, "; ");
  return value;
}

absl::Status RunWorker(Cache& cache, absl::Time deadline) {
  std::minstd_rand random(static_cast<uint32_t>(getpid()));
  while (absl::Now() < deadline) {
    const std::string key = RandomKey(random);
    const std::optional<std::string> value = cache.Get(key);
    if (value.has_value() && *value != ValueOf(key)) {
      return absl::DataLossError(absl::StrCat("\"", key, "\" has a wrong value: ", *value));
    }
    if (value.has_value()) continue;
    if (absl::Status status = cache.Put(key, ValueOf(key)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace shared_cache

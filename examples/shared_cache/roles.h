// SPDX-License-Identifier: Apache-2.0
//
// What a process of the example can be.
#ifndef UARENA_EXAMPLES_SHARED_CACHE_ROLES_H_
#define UARENA_EXAMPLES_SHARED_CACHE_ROLES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cache.h"
#include "uarena/arena.h"

namespace shared_cache {

// The value that workers give a key, so that everybody can tell a wrong one.
std::string ValueOf(std::string_view key);

// Looks random keys up, checks what it finds, and puts in what it does not find, until `deadline`.
// Errors: DataLoss (a wrong value).
absl::Status RunWorker(Cache& cache, absl::Time deadline);

struct DemoOptions {
  uint32_t workers = 4;
  absl::Duration time;
  std::vector<std::string> worker_arguments;  // of this program, to start a worker
};

// Starts workers, programs of their own, and all the time kills one and starts another; then checks
// what they have left, and prints the counts. Deletes the cache. Errors: DataLoss, or what a worker
// that was not killed has ended with.
absl::Status RunDemo(uarena::Arena& arena, Cache& cache, const DemoOptions& options);

}  // namespace shared_cache

#endif  // UARENA_EXAMPLES_SHARED_CACHE_ROLES_H_

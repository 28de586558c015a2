// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_CHILD_PROCESSES_H_
#define UARENA_BENCH_SUPPORT_CHILD_PROCESSES_H_

#include <functional>

#include "absl/status/status.h"

namespace uarena::bench {

// Forks `count` children, of which the i-th runs `work(i)`, and waits for all of them. What a child
// finds out it must leave in shared memory; the message of an error it prints to stderr itself.
// Not OK unless every child got through its work.
absl::Status RunInChildren(int count, const std::function<absl::Status(int)>& work);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_CHILD_PROCESSES_H_

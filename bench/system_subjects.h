// SPDX-License-Identifier: Apache-2.0
//
// What everybody has: a plain memfd, and anonymous memory.
#ifndef UARENA_BENCH_SYSTEM_SUBJECTS_H_
#define UARENA_BENCH_SYSTEM_SUBJECTS_H_

#include <memory>
#include <string>

#include "bench/subject.h"

namespace uarena::bench {

// Shared mapping of a memfd, paged by the kernel.
class MemfdSubject : public Subject {
 public:
  std::string name() const override { return "memfd"; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;
};

// Private anonymous memory, without transparent huge pages, since no other subject has them.
class AnonymousSubject : public Subject {
 public:
  std::string name() const override { return "anonymous"; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SYSTEM_SUBJECTS_H_

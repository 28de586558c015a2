// SPDX-License-Identifier: Apache-2.0
//
// What everybody has, paged by the kernel: a plain memfd, one of 2 MiB pages, and anonymous memory.
// None of them has an allocator of pages.
#ifndef UARENA_BENCH_SUBJECTS_SYSTEM_SUBJECTS_H_
#define UARENA_BENCH_SUBJECTS_SYSTEM_SUBJECTS_H_

#include <cstdint>
#include <memory>
#include <string>

#include "bench/subjects/subject.h"

namespace uarena::bench {

// Memory of `bytes` bytes, mapped as mmap(2) does with `flags` and `fd`.
absl::StatusOr<std::unique_ptr<Memory>> MapMemory(uint64_t bytes, int flags, int fd);

// Private anonymous memory, without transparent huge pages, since no other subject has them.
absl::StatusOr<std::unique_ptr<Memory>> MapAnonymous(uint64_t bytes);

// Not OK where `need` is beyond memory that is private to one process and has no allocator.
absl::Status CheckPrivate(const Need& need);

// Shared mapping of a memfd.
class MemfdSubject : public Subject {
 public:
  std::string name() const override { return "memfd"; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;
};

// Shared mapping of a memfd of 2 MiB pages.
class HugetlbSubject : public Subject {
 public:
  std::string name() const override { return "hugetlb"; }
  bool uses_huge_pages() const override { return true; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;
};

class AnonymousSubject : public Subject {
 public:
  std::string name() const override { return "anonymous"; }
  absl::Status CheckAvailable(const Need& need) override { return CheckPrivate(need); }
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override {
    return MapAnonymous(need.span_bytes);
  }
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_SYSTEM_SUBJECTS_H_

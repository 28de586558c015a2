// SPDX-License-Identifier: Apache-2.0
//
// userfaultfd as the manual page's example uses it, and most programs after it: private anonymous
// memory and one thread that polls, reads one event, and resolves it by UFFDIO_COPY of one page
// from a buffer. A handler for memory that is shared would do the same on a memfd, where each copy
// costs more.
#ifndef UARENA_BENCH_SUBJECTS_NAIVE_UFFD_SUBJECT_H_
#define UARENA_BENCH_SUBJECTS_NAIVE_UFFD_SUBJECT_H_

#include <memory>
#include <string>

#include "bench/subjects/subject.h"

namespace uarena::bench {

class NaiveUffdSubject : public Subject {
 public:
  std::string name() const override { return "naive_uffd"; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_NAIVE_UFFD_SUBJECT_H_

// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own bpf_arena: touched by the user process; allocated and freed by BPF programs,
// which read the clock themselves (bpf_ktime_get_ns), so that starting a program is in no time. A
// batch of ChurnNs is one run of one program.
#ifndef UARENA_BENCH_SUBJECTS_BPF_ARENA_SUBJECT_H_
#define UARENA_BENCH_SUBJECTS_BPF_ARENA_SUBJECT_H_

#include <memory>
#include <string>

#include "bench/subjects/subject.h"

namespace uarena::bench {

class BpfArenaSubject : public Subject {
 public:
  std::string name() const override { return "bpf_arena"; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_BPF_ARENA_SUBJECT_H_

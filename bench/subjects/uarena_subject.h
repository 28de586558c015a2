// SPDX-License-Identifier: Apache-2.0
//
// uarena, through its public interface and with default options but for those that the subject is
// named after.
#ifndef UARENA_BENCH_SUBJECTS_UARENA_SUBJECT_H_
#define UARENA_BENCH_SUBJECTS_UARENA_SUBJECT_H_

#include <memory>
#include <string>
#include <utility>

#include "bench/subjects/daemon_process.h"
#include "bench/subjects/subject.h"
#include "uarena/arena.h"

namespace uarena::bench {

// "uarena_in_place", "uarena_thread", …
std::string UarenaSubjectName(FaultMode mode);

// An arena of this process, made by Arena::Create.
class UarenaSubject : public Subject {
 public:
  // Of `options` everything is used but `max_pages`.
  UarenaSubject(std::string name, ArenaOptions options)
      : name_(std::move(name)), options_(std::move(options)) {}

  std::string name() const override { return name_; }
  bool uses_huge_pages() const override { return options_.page_size == PageSize::k2MiB; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;

 private:
  const std::string name_;
  const ArenaOptions options_;
};

// An arena of a daemon that serves the faults. The daemon is one for all repetitions.
class ServedSubject : public Subject {
 public:
  explicit ServedSubject(std::string uarenad) : uarenad_(std::move(uarenad)) {}

  std::string name() const override { return UarenaSubjectName(FaultMode::kServed); }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;

 private:
  const std::string uarenad_;
  std::unique_ptr<DaemonProcess> daemon_;
  int arenas_ = 0;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_UARENA_SUBJECT_H_

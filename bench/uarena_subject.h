// SPDX-License-Identifier: Apache-2.0
//
// uarena, through its public interface and with default options but for the fault mode or the page
// size that the subject is named after.
#ifndef UARENA_BENCH_UARENA_SUBJECT_H_
#define UARENA_BENCH_UARENA_SUBJECT_H_

#include <memory>
#include <string>
#include <utility>

#include "bench/daemon_process.h"
#include "bench/subject.h"
#include "uarena/arena.h"

namespace uarena::bench {

// "uarena_in_place", "uarena_thread", …
std::string UarenaSubjectName(FaultMode mode);

// An arena of this process, made by Arena::Create.
class UarenaSubject : public Subject {
 public:
  UarenaSubject(std::string name, FaultMode mode, PageSize page_size);

  std::string name() const override { return name_; }
  bool uses_huge_pages() const override { return page_size_ == PageSize::k2MiB; }
  absl::Status CheckAvailable(const Need& need) override;
  absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) override;

 private:
  const std::string name_;
  const FaultMode mode_;
  const PageSize page_size_;
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

#endif  // UARENA_BENCH_UARENA_SUBJECT_H_

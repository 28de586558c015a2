// SPDX-License-Identifier: Apache-2.0
//
// Maps what exists already into a process that has just attached. Touched one by one, each of those
// pages costs a fault of the kernel's own; mapped a range at a time, a third of that, and here in
// the time of another thread.
#ifndef UARENA_MEMORY_EXISTING_PAGES_H_
#define UARENA_MEMORY_EXISTING_PAGES_H_

#include <cstdint>
#include <memory>

#include "memory/geometry.h"
#include "os/assistant.h"

namespace uarena {

// Maps resident pages of [0, max_pages) in ascending order, as idle work of the assistant, until it
// has mapped `limit` of them or is destroyed. Pages that the process touches first, and some after
// them, are left to the kernel.
class ExistingPages final : public IdleWork {
 public:
  // `uffd` must be registered for the arena's region in this process.
  ExistingPages(const Geometry& geometry, int data_fd, int uffd, uint64_t limit,
                std::shared_ptr<Assistant> assistant);
  ~ExistingPages();
  ExistingPages(const ExistingPages&) = delete;
  ExistingPages& operator=(const ExistingPages&) = delete;

  bool Step() override;

 private:
  const Geometry geometry_;
  const int data_fd_;
  const int uffd_;
  const std::shared_ptr<Assistant> assistant_;
  uint64_t left_;
  uint64_t next_ = 0;     // page
  uint64_t run_end_ = 0;  // of the run of resident pages that next_ is in
};

}  // namespace uarena

#endif  // UARENA_MEMORY_EXISTING_PAGES_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_PAGES_PAGE_CONTENT_H_
#define UARENA_PAGES_PAGE_CONTENT_H_

#include <cstdint>

#include "memory/geometry.h"

namespace uarena {

// Whether a page of the data memfd holds anything but zeros; a hole does not. Reads through the
// memfd, so it needs no mapping, makes no page exist, and may be asked by the daemon.
// Async-signal-safe.
bool PageHoldsData(int data_fd, const Geometry& geometry, uint64_t page);

// The same of a page that is resident, read where it is mapped in this process, which costs a
// twentieth. A page that is not resident would be touched.
bool MappedPageHoldsData(const Geometry& geometry, uint64_t page);

// Walks the resident pages of the data memfd in ascending order, at the cost of two system calls
// for each run of them rather than one for each page. (hugetlbfs cannot tell: there every page is
// taken for resident.) Async-signal-safe.
class ResidentPagesWalk {
 public:
  ResidentPagesWalk(int data_fd, const Geometry& geometry)
      : data_fd_(data_fd), geometry_(geometry) {}
  // The first resident page at or after `page`, which must not be less than in the call before;
  // max_pages if there is none.
  uint64_t NextFrom(uint64_t page);

 private:
  const int data_fd_;
  const Geometry geometry_;
  uint64_t run_first_ = 0;
  uint64_t run_end_ = 0;
};

}  // namespace uarena

#endif  // UARENA_PAGES_PAGE_CONTENT_H_

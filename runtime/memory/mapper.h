// SPDX-License-Identifier: Apache-2.0
//
// The batched mapper: the counterpart of the kernel's vmap_pages_range(). One ioctl makes a whole
// range of pages exist and maps them into one process.
//
// Contract (what the reviewers asked of an exported vmap_pages_range):
//   1. Arguments are checked: a range outside the arena is -ERANGE, an empty one -EINVAL, more
//   pages than
//      the machine has memory for -E2BIG; nothing has changed then.
//   2. A page that is there is never replaced. It is mapped if it was not, and reported to the
//   caller.
//   3. [first, first + done) is mapped. On an error some of what follows may be mapped as well:
//   the
//      caller takes back the whole range, or leaves it as pages that hold memory.
//   4. This header is internal.
//
// Partial results, EEXIST with its missing wake, EAGAIN, EFAULT (userfaultfd's word for a hole) and
// ENOENT are dealt with here and nowhere else.
//
// Example: pages 4..7, of which 6 exists. ZEROPAGE [4,8) does 2 pages; again at 6: EEXIST; CONTINUE
// [6,8) maps 1; ZEROPAGE [7,8) does 1. Done 4, and the visitor was told: created [4,6), existing
// [6,7), created [7,8).
#ifndef UARENA_MEMORY_MAPPER_H_
#define UARENA_MEMORY_MAPPER_H_

#include <cstdint>

#include "memory/geometry.h"
#include "os/assistant.h"

namespace uarena {

struct MapResult {
  uint64_t done = 0;  // pages mapped, from the first on
  int error = 0;      // 0 or -errno: why it stopped
};

// Told of every run of pages that turned out to exist already; perhaps by two threads at once.
class ExistingVisitor {
 public:
  virtual void OnExisting(uint64_t first, uint64_t count) = 0;

 protected:
  ~ExistingVisitor() = default;
};

// Maps pages into the process that `uffd` belongs to, which need not be this one. Async-signal-safe
// and thread-safe; owns nothing.
class Mapper {
 public:
  Mapper() = default;
  // `uffd` -1: no userfaultfd; maps into this process by plain paging. `assistant`, which may be
  // null, helps with large ranges.
  Mapper(const Geometry& geometry, int data_fd, int uffd, Assistant* assistant = nullptr);

  // Makes [first, first + count) resident and mapped. Fresh pages are zero, and on NUMA node `node`
  // if that is not negative and has room. `visitor` may be null.
  MapResult Map(uint64_t first, uint64_t count, ExistingVisitor* visitor, int node) const;

  // Removes the pages from the memfd and from every process (vunmap_range). 0 or -errno.
  int Zap(uint64_t first, uint64_t count) const;

  // Wakes whatever waits for a page of the range.
  void Wake(uint64_t first, uint64_t count) const;

  int uffd() const { return uffd_; }

 private:
  MapResult MapShared(uint64_t first, uint64_t count, ExistingVisitor* visitor) const;
  MapResult MapAll(uint64_t first, uint64_t count, ExistingVisitor* visitor) const;
  int CheckRange(uint64_t first, uint64_t count) const;
  // Each maps a non-empty prefix of the range and returns its pages, or -errno.
  int64_t MapSome(uint64_t first, uint64_t count, bool* existed) const;
  int64_t MapSomeHuge(uint64_t first, bool* existed) const;
  int64_t MapSomeByPaging(uint64_t first, uint64_t count, bool* existed) const;

  Geometry geometry_;
  int data_fd_ = -1;
  int uffd_ = -1;
  Assistant* assistant_ = nullptr;
  uint64_t machine_pages_ = 0;
};

}  // namespace uarena

#endif  // UARENA_MEMORY_MAPPER_H_

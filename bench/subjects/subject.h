// SPDX-License-Identifier: Apache-2.0
//
// A subject: one way to get memory whose pages appear on first touch. Workloads know no subject and
// subjects know no workload; adding one of either needs no change to the others.
#ifndef UARENA_BENCH_SUBJECTS_SUBJECT_H_
#define UARENA_BENCH_SUBJECTS_SUBJECT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/subjects/allocator.h"
#include "bench/support/counters.h"

namespace uarena::bench {

// What a workload asks of a subject.
struct Need {
  uint64_t span_bytes = 0;      // address space
  uint64_t touched_2mib = 0;    // aligned 2 MiB blocks in which at least one page is touched
  bool touch_existing = false;  // TouchExisting will be called
  bool allocates = false;       // allocator() will be used
  bool frees = false;           // and pages be freed
  bool reserves = false;        // and pages be reserved
  bool forks = false;           // children that are forked once the memory is mapped will use it
};

// Memory of one repetition, unmapped and freed with the object.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual char* base() = 0;

  // Touches pages that exist. `written` says whether they hold WritePrior's words or zeros.
  using Toucher = std::function<void(char* base, bool written)>;

  // Makes the first `pages` pages exist and runs `touch` where they are not mapped yet. Here:
  // writes to them and runs `touch` in a forked child, which inherits a shared mapping but not its
  // page tables. What `touch` finds out it must leave in shared memory.
  virtual absl::Status TouchExisting(uint64_t pages, size_t page_size, const Toucher& touch);

  // Null where the subject has none.
  virtual Allocator* allocator() { return nullptr; }

  virtual Counters counters() { return {}; }
};

class Subject {
 public:
  virtual ~Subject() = default;

  // As in --subjects and in the JSON.
  virtual std::string name() const = 0;

  // Whether its memory comes out of the pool of 2 MiB pages.
  virtual bool uses_huge_pages() const { return false; }

  // Not OK if this machine, user or subject cannot do it: the message is the reason to skip it.
  virtual absl::Status CheckAvailable(const Need& need) = 0;

  // Memory of which no page has been touched. An error fails the run.
  virtual absl::StatusOr<std::unique_ptr<Memory>> Map(const Need& need) = 0;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_SUBJECT_H_

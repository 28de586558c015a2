// SPDX-License-Identifier: Apache-2.0
//
// A sealed memfd: of the arena's pages (the counterpart of alloc_pages()), or of its control
// memory.
#ifndef UARENA_MEMORY_BACKING_H_
#define UARENA_MEMORY_BACKING_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "os/fd.h"

namespace uarena {

// Creates a memfd of `bytes`, sealed so that nobody can shrink it under another process or take the
// seals off. Errors: ResourceExhausted, Unimplemented (hugetlb not in this kernel).
absl::StatusOr<UniqueFd> CreateBacking(const char* name, uint64_t bytes, bool huge);

// Checks that `fd`, which a peer sent, is a memfd that nobody can shrink, and returns its size.
// Errors: InvalidArgument.
absl::StatusOr<uint64_t> CheckBacking(int fd);

// The pages of `page_size` bytes that hold memory. Errors: Internal.
absl::StatusOr<uint64_t> ResidentPages(int fd, uint64_t page_size);

}  // namespace uarena

#endif  // UARENA_MEMORY_BACKING_H_

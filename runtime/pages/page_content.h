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

}  // namespace uarena

#endif  // UARENA_PAGES_PAGE_CONTENT_H_

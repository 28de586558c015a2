// SPDX-License-Identifier: Apache-2.0
//
// Walks over all of a heap: its invariants and its statistics.
#ifndef UARENA_HEAP_HEAP_CHECK_H_
#define UARENA_HEAP_HEAP_CHECK_H_

#include "absl/status/status.h"
#include "heap/span_table.h"
#include "uarena/heap.h"

namespace uarena {

// Proves that every span has pages of its own which are all allocated, blocks that can be true, and
// an owner that exists or a place in the list of its class; and that every unused one is in the
// list of those. The arena should be quiet. Errors: DataLoss.
absl::Status CheckHeap(const SpanTable& table);

HeapStats CountHeap(const SpanTable& table);

}  // namespace uarena

#endif  // UARENA_HEAP_HEAP_CHECK_H_

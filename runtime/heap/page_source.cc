// SPDX-License-Identifier: Apache-2.0
#include "heap/page_source.h"

#include <cerrno>

#include "pages/operation.h"

namespace uarena {

int PageSource::Allocate(uint32_t operation, uint64_t count, uint64_t* first) {
  if (kept_->TakeHeld(operation, count, first)) return 0;
  const ArenaDescription& description = context().control->description();
  const Geometry& geometry = description.geometry;
  if (!geometry.huge && !budget_->Take(count << geometry.page_shift)) return -ENOMEM;
  return allocator_->AllocateHeld(operation, count, description.numa_node, kept_, first);
}

void PageSource::Free(uint32_t operation) {
  const Intent intent = LoadIntent(*context().control, operation);
  if (!kept_->KeepRun(operation, intent.first, intent.count)) FreeRun(context(), operation);
}

}  // namespace uarena

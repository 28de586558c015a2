// SPDX-License-Identifier: Apache-2.0
#include "bench/support/samples.h"

#include <algorithm>
#include <new>

namespace uarena::bench {

Samples::Samples(size_t capacity)
    : capacity_(capacity),
      memory_(sizeof(Header) + capacity * sizeof(uint32_t)),
      header_(new (memory_.base()) Header()),
      values_(reinterpret_cast<uint32_t*>(header_ + 1)) {}

void Samples::Clear() {
  header_->count = 0;
  header_->wrong_pages = 0;
}

void Samples::Append(std::span<const uint32_t> nanoseconds) {
  const uint64_t first = header_->count.fetch_add(nanoseconds.size());
  if (first >= capacity_) return;
  const size_t fitting = std::min<size_t>(nanoseconds.size(), capacity_ - first);
  std::copy_n(nanoseconds.begin(), fitting, values_ + first);
}

std::span<uint32_t> Samples::nanoseconds() {
  return {values_, std::min<size_t>(header_->count, capacity_)};
}

}  // namespace uarena::bench

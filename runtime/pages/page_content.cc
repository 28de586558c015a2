// SPDX-License-Identifier: Apache-2.0
#include "pages/page_content.h"

#include <algorithm>
#include <cstring>

#include "os/syscall.h"

namespace uarena {

bool PageHoldsData(int data_fd, const Geometry& geometry, uint64_t page) {
  static constexpr uint8_t kZeros[1024] = {};
  uint8_t buffer[sizeof(kZeros)];
  const uint64_t start = page << geometry.page_shift;
  for (uint64_t done = 0; done < geometry.page_size(); done += sizeof(buffer)) {
    const int64_t bytes = sys::Pread(data_fd, buffer, sizeof(buffer), start + done);
    // An unreadable page is somebody's for all we know.
    if (bytes != static_cast<int64_t>(sizeof(buffer))) return true;
    if (memcmp(buffer, kZeros, sizeof(buffer)) != 0) return true;
  }
  return false;
}

uint64_t ResidentPagesWalk::NextFrom(uint64_t page) {
  if (page < run_end_) return std::max(page, run_first_);
  const uint64_t none = geometry_.max_pages;
  const int64_t data = page < none ? sys::SeekData(data_fd_, page << geometry_.page_shift) : -1;
  if (data < 0) return none;
  run_first_ = static_cast<uint64_t>(data) >> geometry_.page_shift;
  const int64_t hole = sys::SeekHole(data_fd_, run_first_ << geometry_.page_shift);
  run_end_ = hole < 0 ? none : static_cast<uint64_t>(hole) >> geometry_.page_shift;
  return run_first_;
}

}  // namespace uarena

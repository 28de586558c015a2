// SPDX-License-Identifier: Apache-2.0
#include "pages/page_content.h"

#include <algorithm>
#include <cstring>

#include "os/syscall.h"

namespace uarena {

namespace {

constexpr uint64_t kChunk = 4096;
constexpr uint8_t kZeros[kChunk] = {};

}  // namespace

bool PageHoldsData(int data_fd, const Geometry& geometry, uint64_t page) {
  uint8_t buffer[kChunk];
  const uint64_t start = page << geometry.page_shift;
  for (uint64_t done = 0; done < geometry.page_size(); done += kChunk) {
    const int64_t bytes = sys::Pread(data_fd, buffer, kChunk, start + done);
    // An unreadable page is somebody's for all we know.
    if (bytes != static_cast<int64_t>(kChunk)) return true;
    if (memcmp(buffer, kZeros, kChunk) != 0) return true;
  }
  return false;
}

bool MappedPageHoldsData(const Geometry& geometry, uint64_t page) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(geometry.AddressOf(page));
  for (uint64_t done = 0; done < geometry.page_size(); done += kChunk) {
    if (memcmp(bytes + done, kZeros, kChunk) != 0) return true;
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

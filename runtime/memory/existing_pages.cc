// SPDX-License-Identifier: Apache-2.0
#include "memory/existing_pages.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "os/syscall.h"

namespace uarena {
namespace {

constexpr uint64_t kStepPages = 64;

}  // namespace

ExistingPages::ExistingPages(const Geometry& geometry, int data_fd, int uffd, uint64_t limit,
                             std::shared_ptr<Assistant> assistant)
    : geometry_(geometry),
      data_fd_(data_fd),
      uffd_(uffd),
      assistant_(std::move(assistant)),
      left_(limit) {
  assistant_->AddIdle(this);
}

ExistingPages::~ExistingPages() { assistant_->RemoveIdle(this); }

bool ExistingPages::Step() {
  if (left_ == 0 || next_ >= geometry_.max_pages) return false;
  if (next_ >= run_end_) {
    const int64_t data = sys::SeekData(data_fd_, next_ << geometry_.page_shift);
    if (data < 0) return false;
    const int64_t hole = sys::SeekHole(data_fd_, static_cast<uint64_t>(data));
    if (hole <= data) return false;
    next_ = static_cast<uint64_t>(data) >> geometry_.page_shift;
    run_end_ = static_cast<uint64_t>(hole) >> geometry_.page_shift;
  }
  const uint64_t pages = std::min({kStepPages, left_, run_end_ - next_});
  const int64_t bytes =
      sys::UffdContinue(uffd_, geometry_.AddressOf(next_), pages << geometry_.page_shift);
  if (bytes > 0) {
    const auto mapped = static_cast<uint64_t>(bytes) >> geometry_.page_shift;
    next_ += mapped;
    left_ -= mapped;
    return true;
  }
  // Mapped already: whoever touched it may well be on its way up. Get ahead of it.
  if (bytes == -EEXIST) next_ += pages;
  if (bytes == -EFAULT) run_end_ = ++next_;  // freed since
  return bytes == -EEXIST || bytes == -EFAULT || bytes == -EAGAIN;
}

}  // namespace uarena

// SPDX-License-Identifier: Apache-2.0
#include "fault/window.h"

#include <algorithm>
#include <bit>

namespace uarena {
namespace {

// Faults of a stream before its window grows.
constexpr uint32_t kProbation = 3;

StreamWord Pack(uint64_t next, uint32_t log2_window, uint32_t faults) {
  return next << 16 | log2_window << 8 | faults;
}

}  // namespace

WindowChoice NextWindow(const std::array<StreamWord, kStreams>& streams, uint64_t page,
                        uint32_t max_pages, uint32_t turn) {
  for (int i = 0; i < kStreams; ++i) {
    const StreamWord word = streams[i];
    if (word == 0) continue;
    const uint64_t next = word >> 16;
    const uint32_t log2_window = word >> 8 & 255;
    const uint32_t faults = word & 255;
    // A stream may skip pages that were mapped already, but no more than it last took.
    if (page - next >= uint64_t{1} << log2_window) continue;
    const uint32_t max_log2 = static_cast<uint32_t>(std::bit_width(max_pages)) - 1;
    const uint32_t grown = std::min(faults >= kProbation ? log2_window + 1 : log2_window, max_log2);
    const uint64_t pages = uint64_t{1} << grown;
    return {pages, i, Pack(page + pages, grown, std::min(faults + 1, 255u))};
  }
  return {1, static_cast<int>(turn % kStreams), Pack(page + 1, 0, 1)};
}

StreamWord ShortenStream(StreamWord word, uint64_t page, uint64_t mapped) {
  return (page + mapped) << 16 | (word & 0xffff);
}

WindowChoice Streams::Choose(uint64_t page, uint32_t max_pages) {
  std::array<StreamWord, kStreams> snapshot;
  for (int i = 0; i < kStreams; ++i) snapshot[i] = words_[i].load(std::memory_order_relaxed);
  const uint32_t turn = turn_.load(std::memory_order_relaxed);
  const WindowChoice choice = NextWindow(snapshot, page, max_pages, turn);
  if ((choice.word & 255) == 1) turn_.store(turn + 1, std::memory_order_relaxed);
  return choice;
}

void Streams::Done(const WindowChoice& choice, uint64_t page, uint64_t mapped) {
  words_[choice.stream].store(ShortenStream(choice.word, page, mapped), std::memory_order_relaxed);
}

}  // namespace uarena

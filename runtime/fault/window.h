// SPDX-License-Identifier: Apache-2.0
//
// How far a fault populates. Pure: from what the last faults were, how many pages the next one
// takes.
//
// A stream is a run of faults each of which begins where the pages of the one before end. Its
// window is 1 for the first three faults and doubles from then on. A fault that belongs to no
// stream starts one.
//
// Example, one thread touching pages 0, 1, 2, …, max 8: faults at 0, 1, 2 take 1 page each, at 3
// two, at 5 four, at 9 eight, at 17 eight. Touches in random order never continue a stream but by
// chance, and then two chances in a row are needed: populated pages stay within 1.25 of touched
// ones.
#ifndef UARENA_FAULT_WINDOW_H_
#define UARENA_FAULT_WINDOW_H_

#include <array>
#include <atomic>
#include <cstdint>

namespace uarena {

// A stream packed into one word, so that racing threads at worst lose one: next page << 16 | log2
// of the window << 8 | faults so far, at most 255. 0 is no stream.
using StreamWord = uint64_t;

struct WindowChoice {
  uint64_t pages = 1;
  int stream = 0;       // which one to replace
  StreamWord word = 0;  // by what, if `pages` pages are mapped
};

inline constexpr int kStreams = 8;

// What to populate for a fault at `page` (below 2^47); `max_pages` is a power of two. `turn` picks
// the stream to give up for a new one.
WindowChoice NextWindow(const std::array<StreamWord, kStreams>& streams, uint64_t page,
                        uint32_t max_pages, uint32_t turn);

// The same stream if only `mapped` pages were.
StreamWord ShortenStream(StreamWord word, uint64_t page, uint64_t mapped);

// The streams of one process in one arena. Thread-safe and async-signal-safe; races cost accuracy,
// never correctness.
class Streams {
 public:
  WindowChoice Choose(uint64_t page, uint32_t max_pages);
  void Done(const WindowChoice& choice, uint64_t page, uint64_t mapped);

 private:
  std::array<std::atomic<StreamWord>, kStreams> words_{};
  std::atomic<uint32_t> turn_{0};
};

}  // namespace uarena

#endif  // UARENA_FAULT_WINDOW_H_

// SPDX-License-Identifier: Apache-2.0
//
// The control memfd, mapped: how code reaches what layout.h describes.
#ifndef UARENA_PAGES_CONTROL_H_
#define UARENA_PAGES_CONTROL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "memory/geometry.h"
#include "os/fd.h"
#include "pages/layout.h"
#include "uarena/options.h"

namespace uarena {

// What an arena is, as decided by its creator; a checked copy of the header.
struct ArenaDescription {
  Geometry geometry;
  bool segv_on_fault = false;
  uint32_t max_populate_pages = 1;
  uint64_t quota_pages = 0;
  int numa_node = kNoNode;
  std::string name;
};

// Owns a mapping of the control memfd. Thread-safe and, past Create/Attach, async-signal-safe.
class Control {
 public:
  // Makes and maps a control memfd in which every page is free.
  static absl::StatusOr<Control> Create(const ArenaDescription& description);
  // Maps one that a peer made, checking what it says. Errors: InvalidArgument,
  // FailedPrecondition (another layout version).
  static absl::StatusOr<Control> Attach(UniqueFd fd);

  Control() = default;
  Control(Control&& other) noexcept;
  Control& operator=(Control&& other) noexcept;
  ~Control();

  const ArenaDescription& description() const { return description_; }
  const Layout& layout() const { return layout_; }
  uint64_t max_pages() const { return description_.geometry.max_pages; }
  int fd() const { return fd_.get(); }

  ControlHeader& header() const { return *reinterpret_cast<ControlHeader*>(map_); }
  Word& word(uint64_t index) const {
    return reinterpret_cast<Word*>(map_ + layout_.words_offset)[index];
  }
  uint64_t IntentIndex(uint32_t operation, IntentWord word) const {
    return layout_.intents + uint64_t{operation} * kIntentWords + word;
  }
  PageState& state(uint64_t page) const {
    return reinterpret_cast<PageState*>(map_ + layout_.states_offset)[page];
  }
  uint64_t SpanIndex(uint32_t span, SpanWord word) const {
    return layout_.spans + uint64_t{span} * kSpanWords + word;
  }
  SpanHints& span_hints(uint32_t span) const {
    return reinterpret_cast<SpanHints*>(map_ + layout_.span_hints_offset)[span];
  }
  std::atomic<uint32_t>& span_map(uint64_t page) const {
    return reinterpret_cast<std::atomic<uint32_t>*>(map_ + layout_.span_map_offset)[page];
  }
  // The bits of the blocks from a page on.
  std::atomic<uint64_t>* free_bits(uint64_t page) const {
    return reinterpret_cast<std::atomic<uint64_t>*>(map_ + layout_.free_bits_offset) +
           FirstBitWord(page);
  }
  std::atomic<uint64_t>* remote_bits(uint64_t page) const {
    return reinterpret_cast<std::atomic<uint64_t>*>(map_ + layout_.remote_bits_offset) +
           FirstBitWord(page);
  }
  std::atomic<uint32_t>& cache(uint32_t id) const {
    return reinterpret_cast<std::atomic<uint32_t>*>(map_ + layout_.caches_offset)[id];
  }
  OperationRecord& operation(uint32_t index) const {
    return reinterpret_cast<OperationRecord*>(map_ + layout_.operations_offset)[index];
  }
  ProcessRecord& process(uint32_t slot) const {
    return reinterpret_cast<ProcessRecord*>(map_ + layout_.processes_offset)[slot];
  }
  uint64_t LockOffset(uint32_t slot) const { return layout_.locks_offset + slot; }

 private:
  Control(UniqueFd fd, uint8_t* map, const ArenaDescription& description);
  uint64_t FirstBitWord(uint64_t page) const {
    return (page << (description_.geometry.page_shift - kGranuleShift)) * kGranuleBitWords;
  }

  ArenaDescription description_;
  Layout layout_{1, kGranuleShift};
  UniqueFd fd_;
  uint8_t* map_ = nullptr;
};

}  // namespace uarena

#endif  // UARENA_PAGES_CONTROL_H_

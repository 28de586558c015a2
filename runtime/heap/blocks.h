// SPDX-License-Identifier: Apache-2.0
//
// The blocks of a slab, a bit each, beside the pages. `free` bits are written by the slab's owner
// alone, with plain stores; whoever else frees a block sets its `remote` bit, and the owner
// collects those when it needs blocks.
//
// Invariant: a block is in use exactly if neither of its bits is set. Giving a block out is one
// store, and so is taking it back: a process killed before it has done nothing, and after it all.
// The summaries and the count of used blocks are hints for the owner, and made anew with the slab's
// next owner.
#ifndef UARENA_HEAP_BLOCKS_H_
#define UARENA_HEAP_BLOCKS_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "heap/span_table.h"

namespace uarena {

// Of the slab that a class without one has.
inline constinit SpanHints g_no_hints{};

// A slab's blocks, as one caller works on them.
class Blocks {
 public:
  // Of no slab: there is none to take.
  Blocks() = default;
  Blocks(const SpanTable& table, uint32_t span, uint64_t first_page, const SpanShape& shape)
      : shape_(&shape),
        free_(table.control().free_bits(first_page)),
        remote_bits_(table.control().remote_bits(first_page)),
        remote_(&table.Remote(span)),
        hints_(&table.Hints(span)) {}

  // Sets all blocks free. Before the span exists.
  static void Init(const Control& control, uint64_t first_page, const SpanShape& shape);

  // By the owner: makes the hints anew. Collects as well.
  void Adopt();

  // By the owner: takes a free block. False: there is none.
  bool Take(uint32_t* block) {
    uint64_t summary = hints_->summary.load(std::memory_order_relaxed);
    while (summary != 0) {
      const auto group = static_cast<uint32_t>(std::countr_zero(summary));
      const uint32_t end = std::min((group + 1) << shape_->group_shift, shape_->words);
      for (uint32_t word = group << shape_->group_shift; word < end; ++word) {
        const uint64_t bits = free_[word].load(std::memory_order_relaxed);
        if (bits == 0) continue;
        *block = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
        // Only in damaged memory, where no pointer beyond the span must come from.
        if (*block >= shape_->blocks) return false;
        free_[word].store(bits & (bits - 1), std::memory_order_relaxed);
        AddUsed(1);
        return true;
      }
      summary &= summary - 1;
      hints_->summary.store(summary, std::memory_order_relaxed);
    }
    return false;
  }

  // By the owner. False: the block is free already.
  bool Give(uint32_t block) {
    const uint32_t word = block / 64;
    const uint64_t bit = uint64_t{1} << block % 64;
    const uint64_t bits = free_[word].load(std::memory_order_relaxed);
    if ((bits & bit) != 0) return false;
    if (remote_->load(std::memory_order_relaxed) != 0 &&
        (remote_bits_[word].load(std::memory_order_relaxed) & bit) != 0) {
      return false;
    }
    // Released: the next owner of the block reads and writes it after this.
    free_[word].store(bits | bit, std::memory_order_release);
    if (bits == 0) NoteFree(word);
    AddUsed(-1);
    return true;
  }

  // By anybody else. False: the block is free already.
  bool GiveRemotely(uint32_t block) {
    const uint32_t word = block / 64;
    const uint64_t bit = uint64_t{1} << block % 64;
    if ((free_[word].load(std::memory_order_relaxed) & bit) != 0) return false;
    if ((remote_bits_[word].fetch_or(bit) & bit) != 0) return false;
    // After the bit: who clears the summary reads the bits after that.
    const uint64_t group = uint64_t{1} << (word >> shape_->group_shift);
    if ((remote_->load() & group) == 0) remote_->fetch_or(group);
    return true;
  }

  bool AnyRemote() const { return remote_->load(std::memory_order_relaxed) != 0; }

  // By the owner: makes what others have freed free. Returns how many blocks.
  uint32_t Collect();

  // Whether the block is in use, as far as one can see from outside.
  bool InUse(uint32_t block) const {
    const uint64_t bits = free_[block / 64].load(std::memory_order_relaxed) |
                          remote_bits_[block / 64].load(std::memory_order_relaxed);
    return (bits >> block % 64 & 1) == 0;
  }

  // How many blocks are in use, counted.
  uint32_t CountUsed() const;
  // Whether a bit beyond the last block is set.
  bool Damaged() const;

  // By whoever recovers a process that was killed after it set a remote bit, and before it said so.
  void NoteRemote();

  uint32_t used() const { return hints_->used.load(std::memory_order_relaxed); }

 private:
  void AddUsed(uint32_t more) { hints_->used.store(used() + more, std::memory_order_relaxed); }
  void NoteFree(uint32_t word) {
    const uint64_t group = uint64_t{1} << (word >> shape_->group_shift);
    hints_->summary.store(hints_->summary.load(std::memory_order_relaxed) | group,
                          std::memory_order_relaxed);
  }

  const SpanShape* shape_ = nullptr;
  std::atomic<uint64_t>* free_ = nullptr;
  std::atomic<uint64_t>* remote_bits_ = nullptr;
  Word* remote_ = nullptr;  // bit i: some word of group i of the remote bits may not be 0
  SpanHints* hints_ = &g_no_hints;
};

}  // namespace uarena

#endif  // UARENA_HEAP_BLOCKS_H_

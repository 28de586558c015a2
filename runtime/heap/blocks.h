// SPDX-License-Identifier: Apache-2.0
//
// The blocks of a slab, a bit each, beside the pages. `free` bits are written by the slab's owner
// alone, with plain stores; whoever else frees a block sets its `remote` bit, and the owner
// collects those when it needs blocks.
//
// Invariant: a block is in use exactly if neither of its bits is set. Giving a block out is one
// store, and so is taking it back: a process killed before it has done nothing, and after it all.
// The summaries and the count of free blocks are hints for the owner, and made anew with the slab's
// next owner.
#ifndef UARENA_HEAP_BLOCKS_H_
#define UARENA_HEAP_BLOCKS_H_

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>

#include "heap/span_table.h"

namespace uarena {

// A slab's blocks, as one caller works on them.
class Blocks {
 public:
  Blocks(const SpanTable& table, uint32_t span, uint64_t first_page, const SpanShape& shape)
      : shape_(&shape),
        free_(table.FreeBits(first_page)),
        remote_bits_(table.RemoteBits(first_page)),
        remote_(&table.Remote(span)),
        hints_(&table.Hints(span)) {}

  // Sets all blocks free. Before the span is a slab.
  static void Init(const SpanTable& table, uint64_t first_page, const SpanShape& shape);

  // By the owner: makes the hints anew. Collects as well.
  void Adopt();

  // By the owner: a word of bits of which one is set; the block of its first bit. Null: there is
  // none.
  std::atomic<uint64_t>* FindFree(uint32_t* first_block);

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
    return true;
  }

  // The word of free bits that the block's is in.
  std::atomic<uint64_t>* FreeWord(uint32_t block) const { return &free_[block / 64]; }

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

  // By the owner: makes what others have freed free. False: there was nothing.
  bool Collect();

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

  // How many are free as far as the owner knows, counted.
  uint32_t CountFree() const;

 private:
  void NoteFree(uint32_t word) {
    const uint64_t group = uint64_t{1} << (word >> shape_->group_shift);
    hints_->summary.store(hints_->summary.load(std::memory_order_relaxed) | group,
                          std::memory_order_relaxed);
  }

  const SpanShape* shape_;
  std::atomic<uint64_t>* free_;
  std::atomic<uint64_t>* remote_bits_;
  Word* remote_;  // bit i: some word of group i of the remote bits may not be 0
  SpanHints* hints_;
};

}  // namespace uarena

#endif  // UARENA_HEAP_BLOCKS_H_

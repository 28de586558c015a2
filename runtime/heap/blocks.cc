// SPDX-License-Identifier: Apache-2.0
#include "heap/blocks.h"

namespace uarena {
namespace {

// The bits of a word that stand for blocks.
uint64_t BlockBits(const SpanShape& shape, uint32_t word) {
  const uint32_t blocks = shape.blocks - word * 64;
  return blocks >= 64 ? ~uint64_t{0} : (uint64_t{1} << blocks) - 1;
}

}  // namespace

void Blocks::Init(const SpanTable& table, uint64_t first_page, const SpanShape& shape) {
  for (uint32_t word = 0; word < shape.words; ++word) {
    table.FreeBits(first_page)[word].store(BlockBits(shape, word), std::memory_order_relaxed);
    table.RemoteBits(first_page)[word].store(0, std::memory_order_relaxed);
  }
}

void Blocks::Adopt() {
  // All groups may have remote bits: whoever set the last one may have been killed before it said
  // so.
  remote_->store(~uint64_t{0});
  Collect();
  uint64_t summary = 0;
  for (uint32_t word = 0; word < shape_->words; ++word) {
    if (free_[word].load(std::memory_order_acquire) != 0) {
      summary |= uint64_t{1} << (word >> shape_->group_shift);
    }
  }
  hints_->summary.store(summary, std::memory_order_relaxed);
}

std::atomic<uint64_t>* Blocks::FindFree(uint32_t* first_block) {
  uint64_t summary = hints_->summary.load(std::memory_order_relaxed);
  while (summary != 0) {
    const auto group = static_cast<uint32_t>(std::countr_zero(summary));
    const uint32_t end = std::min((group + 1) << shape_->group_shift, shape_->words);
    for (uint32_t word = group << shape_->group_shift; word < end; ++word) {
      if (free_[word].load(std::memory_order_relaxed) == 0) continue;
      *first_block = word * 64;
      return &free_[word];
    }
    summary &= summary - 1;
    hints_->summary.store(summary, std::memory_order_relaxed);
  }
  return nullptr;
}

bool Blocks::Collect() {
  bool collected = false;
  uint64_t groups = remote_->exchange(0);
  while (groups != 0) {
    const auto group = static_cast<uint32_t>(std::countr_zero(groups));
    groups &= groups - 1;
    const uint32_t first = group << shape_->group_shift;
    if (first >= shape_->words) break;
    const uint32_t end = std::min(first + (1u << shape_->group_shift), shape_->words);
    for (uint32_t word = first; word < end; ++word) {
      // Not before the exchange, which a weaker load might be.
      const uint64_t remote = remote_bits_[word].load();
      if (remote == 0) continue;
      // Free before it is not remote any more: killed in between, both are set, and adopting counts
      // them as free.
      const uint64_t bits = free_[word].load(std::memory_order_relaxed);
      free_[word].store(bits | remote, std::memory_order_relaxed);
      remote_bits_[word].fetch_and(~remote, std::memory_order_acq_rel);
      collected = true;
      NoteFree(word);
    }
  }
  return collected;
}

uint32_t Blocks::CountUsed() const {
  uint32_t used = 0;
  for (uint32_t word = 0; word < shape_->words; ++word) {
    const uint64_t bits = free_[word].load(std::memory_order_relaxed) |
                          remote_bits_[word].load(std::memory_order_relaxed);
    used += static_cast<uint32_t>(std::popcount(BlockBits(*shape_, word) & ~bits));
  }
  return used;
}

uint32_t Blocks::CountFree() const {
  uint32_t blocks = 0;
  for (uint32_t word = 0; word < shape_->words; ++word) {
    const uint64_t bits = free_[word].load(std::memory_order_relaxed);
    blocks += static_cast<uint32_t>(std::popcount(bits & BlockBits(*shape_, word)));
  }
  return blocks;
}

bool Blocks::Damaged() const {
  const uint32_t last = shape_->words - 1;
  const uint64_t bits = free_[last].load(std::memory_order_relaxed) |
                        remote_bits_[last].load(std::memory_order_relaxed);
  return (bits & ~BlockBits(*shape_, last)) != 0;
}

void Blocks::NoteRemote() {
  for (uint32_t word = 0; word < shape_->words; ++word) {
    if (remote_bits_[word].load(std::memory_order_acquire) == 0) continue;
    remote_->fetch_or(uint64_t{1} << (word >> shape_->group_shift));
  }
}

}  // namespace uarena

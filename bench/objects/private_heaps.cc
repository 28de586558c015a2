// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/private_heaps.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cerrno>
#include <vector>

namespace uarena::bench {
namespace {

constexpr size_t kGranule = 16;
// Blocks are never joined, so that sizes which come and go leave more behind than is ever live.
constexpr uint64_t kSpare = 8;

absl::Status CheckOneProcess(const HeapNeed& need) {
  if (!need.shared) return absl::OkStatus();
  return absl::UnimplementedError("its blocks are private to a process");
}

class GlibcHeap : public BenchHeap {
 public:
  void* Allocate(size_t size) override { return malloc(size); }
  bool Free(void* block, size_t /*size*/) override {
    free(block);
    return true;
  }

  void StartCounting() override {
    malloc_trim(0);
    const struct mallinfo2 info = mallinfo2();
    others_ = info.uordblks + info.hblkhd;
  }
  std::optional<double> UsedBytes() override {
    const struct mallinfo2 info = mallinfo2();
    return static_cast<double>(info.arena + info.hblkhd - others_);
  }

 private:
  size_t others_ = 0;  // in use by this program's own data
};

class FreeLists : public BenchHeap {
 public:
  FreeLists(char* base, uint64_t bytes) : base_(base), bytes_(bytes), next_(base) {}
  ~FreeLists() override { munmap(base_, bytes_); }

  void* Allocate(size_t size) override {
    const size_t granules = (size + kGranule - 1) / kGranule;
    if (granules >= lists_.size()) lists_.resize(granules + 1);
    if (Freed* block = lists_[granules]; block != nullptr) {
      lists_[granules] = block->next;
      return block;
    }
    if (static_cast<uint64_t>(base_ + bytes_ - next_) < granules * kGranule) return nullptr;
    void* block = next_;
    next_ += granules * kGranule;
    return block;
  }

  bool Free(void* block, size_t size) override {
    auto* freed = static_cast<Freed*>(block);
    Freed*& list = lists_[(size + kGranule - 1) / kGranule];
    freed->next = list;
    list = freed;
    return true;
  }

 private:
  struct Freed {
    Freed* next;
  };
  char* const base_;
  const uint64_t bytes_;
  char* next_;
  std::vector<Freed*> lists_;  // by granules
};

}  // namespace

absl::Status GlibcHeapSubject::CheckAvailable(const HeapNeed& need) {
  return CheckOneProcess(need);
}

absl::StatusOr<std::unique_ptr<BenchHeap>> GlibcHeapSubject::Make(const HeapNeed& /*need*/) {
  return std::make_unique<GlibcHeap>();
}

absl::Status FreeListsSubject::CheckAvailable(const HeapNeed& need) {
  return CheckOneProcess(need);
}

absl::StatusOr<std::unique_ptr<BenchHeap>> FreeListsSubject::Make(const HeapNeed& need) {
  const uint64_t bytes = kSpare * need.bytes;
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return absl::ErrnoToStatus(errno, "mmap");
  return std::make_unique<FreeLists>(static_cast<char*>(base), bytes);
}

}  // namespace uarena::bench

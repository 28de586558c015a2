// SPDX-License-Identifier: Apache-2.0
#include "uarena/heap.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "heap/size_class.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"
#include "uarena/roots.h"

namespace uarena {
namespace {

using testing::Fork;
using ::testing::HasSubstr;
using testing::Shared;
using testing::Wait;

Arena NewArena(uint64_t pages = 1 << 16) {
  ArenaOptions options;
  options.max_pages = pages;
  return Arena::Create(options).value();
}

TEST(SizeClassTest, IsTheSmallestThatFits) {
  for (uint32_t size = 1; size <= kMaxSizeClass; ++size) {
    const uint32_t size_class = ClassOf(size);
    ASSERT_GE(ClassSize(size_class), size);
    ASSERT_TRUE(size_class == 0 || ClassSize(size_class - 1) < size) << size;
    ASSERT_LE(ClassSize(size_class) - size, std::max(size / 8, 15u)) << size;
  }
}

TEST(SizeClassTest, SpansWasteLittleAndBlocksAreFoundByTheirBytes) {
  for (const uint32_t page_shift : {12, 14, 16, 21}) {
    const SpanShapes shapes = MakeSpanShapes(page_shift);
    for (uint32_t c = 0; c < kSizeClasses && ClassSize(c) <= shapes.largest; ++c) {
      const SpanShape& shape = shapes.of[c];
      ASSERT_GE(shape.blocks, 1u);
      if (page_shift < 21) {
        ASSERT_GE(shape.blocks * uint64_t{shape.size}, shape.bytes / 16 * 14) << shape.size;
      }
      ASSERT_LE((shape.words - 1) >> shape.group_shift, 63u);
      for (uint64_t offset = 0; offset < shape.bytes; offset += offset % 7 + 1) {
        ASSERT_EQ(shape.BlockAt(offset), offset / shape.size) << shape.size << " " << offset;
      }
    }
  }
}

TEST(HeapTest, BlocksOfEverySizeAreAlignedAndTheirOwn) {
  Arena arena = NewArena();
  Heap heap(arena);
  std::vector<std::pair<char*, size_t>> blocks;
  for (size_t size = 0; size < 200'000; size += size / 16 + 1) {
    for (const size_t alignment : {1, 16, 64, 4096}) {
      const absl::StatusOr<void*> block = heap.Allocate(size, alignment);
      ASSERT_TRUE(block.ok()) << block.status();
      ASSERT_EQ(reinterpret_cast<uint64_t>(*block) % std::max<size_t>(alignment, 16), 0u);
      const size_t usable = heap.UsableSize(*block).value();
      ASSERT_GE(usable, size);
      memset(*block, static_cast<int>(blocks.size() % 251), usable);
      blocks.emplace_back(static_cast<char*>(*block), usable);
    }
  }
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(heap.Stats()->blocks_in_use, blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    for (size_t byte = 0; byte < blocks[i].second; ++byte) {
      ASSERT_EQ(static_cast<unsigned char>(blocks[i].first[byte]), i % 251);
    }
    ASSERT_EQ(heap.Free(blocks[i].first), absl::OkStatus());
  }
  EXPECT_EQ(heap.Stats()->blocks_in_use, 0u);
  heap.Trim();
  EXPECT_EQ(heap.Stats()->pages, 0u);
  EXPECT_EQ(arena.Stats()->allocated_pages, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST(HeapTest, RefusesWhatIsNotABlockInUseAndNamesIt) {
  Arena arena = NewArena();
  Heap heap(arena);
  auto* small = static_cast<char*>(heap.Allocate(100).value());
  auto* large = static_cast<char*>(heap.Allocate(100'000).value());
  auto* page = static_cast<char*>(arena.AllocPages(nullptr, 1).value());
  int local = 0;
  const HeapStats before = *heap.Stats();
  const std::pair<void*, const char*> wrong[] = {
      {small + 16, "inside a block"}, {large + 4096, "inside a block"},
      {large + 8, "inside"},          {page, "not in the heap"},
      {&local, "not in the arena"},   {small + 64 * 112, "free already"}};
  for (const auto& [ptr, why] : wrong) {
    const absl::Status status = heap.Free(ptr);
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(why));
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrFormat("%p", ptr)));
    EXPECT_FALSE(heap.UsableSize(ptr).ok());
  }
  EXPECT_EQ(heap.Stats()->blocks_in_use, before.blocks_in_use);
  for (char* block : {small, large}) {
    ASSERT_EQ(heap.Free(block), absl::OkStatus());
    EXPECT_TRUE(absl::IsInvalidArgument(heap.Free(block))) << "a double free";
  }
  EXPECT_EQ(heap.Free(nullptr), absl::OkStatus());
  EXPECT_TRUE(absl::IsInvalidArgument(heap.Allocate(8, 3).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(heap.Allocate(8, 0).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(heap.Allocate(8, 8192).status()));
  EXPECT_TRUE(absl::IsResourceExhausted(heap.Allocate(~size_t{0}).status()));
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST(HeapTest, DoubleFreeByAnotherThreadIsFound) {
  Arena arena = NewArena();
  Heap heap(arena);
  void* block = heap.Allocate(64).value();
  std::thread([&] {
    EXPECT_EQ(heap.Free(block), absl::OkStatus());
    EXPECT_FALSE(heap.Free(block).ok());
  }).join();
  EXPECT_FALSE(heap.Free(block).ok());
}

TEST(HeapTest, WithoutItsArenaItSaysSo) {
  std::unique_ptr<Arena> arena = std::make_unique<Arena>(NewArena());
  Heap heap(*arena);
  void* block = heap.Allocate(10).value();
  arena.reset();
  EXPECT_TRUE(absl::IsFailedPrecondition(heap.Allocate(10).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(heap.Free(block)));
  EXPECT_TRUE(absl::IsFailedPrecondition(heap.Stats().status()));
  EXPECT_EQ(heap.Trim(), 0u);
}

TEST(HeapTest, ExhaustionIsAStatusAndFreeingHelps) {
  for (const uint64_t quota : {0, 200}) {
    ArenaOptions options;
    options.max_pages = 256;
    options.quota_pages = quota;
    Arena arena = Arena::Create(options).value();
    Heap heap(arena);
    std::mt19937 random(1);
    for (int round = 0; round < 20; ++round) {
      std::vector<void*> blocks;
      while (true) {
        const absl::StatusOr<void*> block = heap.Allocate(random() % 3000 + 1);
        if (!block.ok()) {
          ASSERT_TRUE(absl::IsResourceExhausted(block.status())) << block.status();
          break;
        }
        blocks.push_back(*block);
      }
      ASSERT_GT(blocks.size(), 100u) << "round " << round;
      for (void* block : blocks) ASSERT_EQ(heap.Free(block), absl::OkStatus());
      // All of it is there for a block that needs most of it.
      const absl::StatusOr<void*> large = heap.Allocate(180 * 4096);
      ASSERT_TRUE(large.ok()) << large.status();
      ASSERT_EQ(heap.Free(*large), absl::OkStatus());
    }
    EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  }
}

TEST(HeapTest, AShortageGivesNoMisalignedBlocks) {
  Arena arena = NewArena(64);
  Heap heap(arena);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(heap.Allocate(80).ok());
  while (heap.TryAllocate(4096) != nullptr) {
  }
  while (void* block = heap.TryAllocate(64, 64)) {
    ASSERT_EQ(reinterpret_cast<uint64_t>(block) % 64, 0u);
  }
}

TEST(HeapTest, WhatAThreadLeavesIsForOthers) {
  Arena arena = NewArena(2048);
  Heap heap(arena);
  for (int round = 0; round < 20; ++round) {
    std::vector<void*> blocks;
    // Most of the arena; would a thread's spans stay with it, the second round had no room.
    std::thread([&] {
      for (int i = 0; i < 5000; ++i)
        blocks.push_back(heap.Allocate(i % 2 == 0 ? 1000 : 300).value());
    }).join();
    for (size_t i = 1; i < blocks.size(); i += 2) ASSERT_EQ(heap.Free(blocks[i]), absl::OkStatus());
    for (size_t i = 0; i < blocks.size(); i += 2) ASSERT_EQ(heap.Free(blocks[i]), absl::OkStatus());
  }
  heap.Trim();
  EXPECT_EQ(heap.Stats()->pages, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST(HeapTest, BlocksFreedByAnotherThreadAreUsedAgain) {
  Arena arena = NewArena();
  Heap heap(arena);
  constexpr int kInFlight = 256;
  std::atomic<void*> ring[kInFlight] = {};
  std::atomic<bool> done{false};
  std::thread consumer([&] {
    for (uint64_t i = 0; !done.load() || ring[i % kInFlight].load() != nullptr;) {
      void* block = ring[i % kInFlight].exchange(nullptr);
      if (block == nullptr) continue;
      ASSERT_EQ(heap.Free(block), absl::OkStatus());
      ++i;
    }
  });
  uint64_t most_pages = 0;
  for (uint64_t i = 0; i < 300'000; ++i) {
    void* block = heap.Allocate(i % 500 + 1).value();
    std::atomic<void*>& slot = ring[i % kInFlight];
    while (slot.load() != nullptr) std::this_thread::yield();
    slot.store(block);
    if (i % 10'000 == 0) most_pages = std::max(most_pages, heap.Stats()->pages);
  }
  done.store(true);
  consumer.join();
  // 256 blocks are in use at a time, of 28 classes: a few spans of each.
  EXPECT_LT(most_pages, 1200u);
  heap.Trim();
  EXPECT_EQ(heap.Stats()->pages, 0u);
}

// Blocks change hands through the slots of a table, between all threads of all processes. Whoever
// takes one finds what its allocator wrote into all of it, and frees it.
struct Board {
  static constexpr int kSlots = 2000;
  std::atomic<uint64_t*> slots[kSlots];
  std::atomic<uint64_t> steps;
  std::atomic<bool> failed;
};

void Exchange(Heap heap, Board& board, uint64_t seed, std::chrono::steady_clock::time_point end) {
  std::mt19937_64 random(seed);
  while (!board.failed.load() && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 100; ++i) {
      uint64_t* block = nullptr;
      if (random() % 16 != 0) {
        const uint64_t words = random() % 50 == 0 ? random() % 20'000 + 2 : random() % 100 + 2;
        block = static_cast<uint64_t*>(heap.TryAllocate(words * 8));
        if (block != nullptr) {
          block[0] = words;
          for (uint64_t word = 1; word < words; ++word) block[word] = words * 31 + word;
        }
      }
      block = board.slots[random() % Board::kSlots].exchange(block);
      if (block == nullptr) continue;
      const uint64_t words = block[0];
      for (uint64_t word = 1; word < words; ++word) {
        if (block[word] != words * 31 + word) board.failed.store(true);
      }
      if (!heap.Free(block).ok()) board.failed.store(true);
    }
    board.steps.fetch_add(100);
  }
}

TEST(HeapTest, ProcessesFreeEachOthersBlocks) {
  Arena arena = NewArena();
  Heap heap(arena);
  Shared<Board> board;
#if defined(__SANITIZE_THREAD__)
  constexpr int kThreads = 1;  // ThreadSanitizer does not know threads that a forked child starts
#else
  constexpr int kThreads = 2;
#endif
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  std::vector<pid_t> children;
  for (uint64_t process = 0; process < 3; ++process) {
    children.push_back(Fork([&, process] {
      std::vector<std::thread> threads;
      for (uint64_t thread = 1; thread < kThreads; ++thread) {
        threads.emplace_back([&, thread] { Exchange(heap, *board, process * 8 + thread, end); });
      }
      Exchange(heap, *board, process * 8, end);
      for (std::thread& thread : threads) thread.join();
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_FALSE(board->failed.load());
  EXPECT_GT(board->steps.load(), 1000u);
  ASSERT_TRUE(arena.Recover().ok());
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  uint64_t blocks = 0;
  for (auto& slot : board->slots) blocks += slot.load() != nullptr;
  EXPECT_EQ(heap.Stats()->blocks_in_use, blocks);
  for (auto& slot : board->slots) ASSERT_EQ(heap.Free(slot.load()), absl::OkStatus());
  heap.Trim();
  EXPECT_EQ(heap.Stats()->pages, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

// Two threads run out of room in turn, so that each takes the other's empty spans again and again.
TEST(HeapTest, ThreadsInNeedTakeEachOthersEmptySpans) {
  Arena arena = NewArena(512);
  Heap heap(arena);
  std::atomic<bool> failed{false};
  auto work = [&](uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<std::pair<uint32_t*, uint32_t>> mine;
    for (int i = 0; i < 60'000 && !failed.load(); ++i) {
      const uint32_t words = random() % 20 == 0 ? random() % 50'000 + 1 : random() % 2000 + 1;
      auto* block = static_cast<uint32_t*>(heap.TryAllocate(words * 4));
      if (block != nullptr) {
        block[0] = block[words - 1] = seed * 1'000'000 + words;
        mine.emplace_back(block, words);
      }
      while (!mine.empty() && (block == nullptr || random() % 3 == 0)) {
        std::swap(mine[random() % mine.size()], mine.back());
        const auto [freed, size] = mine.back();
        if (freed[0] != seed * 1'000'000 + size || freed[size - 1] != freed[0]) failed.store(true);
        if (!heap.Free(freed).ok()) failed.store(true);
        mine.pop_back();
        if (random() % 8 == 0) break;
      }
    }
    for (const auto& [block, words] : mine) {
      if (!heap.Free(block).ok()) failed.store(true);
    }
  };
  std::thread other([&] { work(1); });
  work(2);
  other.join();
  EXPECT_FALSE(failed.load());
  heap.Trim();
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
  EXPECT_EQ(heap.Stats()->pages, 0u);
}

TEST(HeapTest, AForkedChildAllocatesFromSpansOfItsOwn) {
  Arena arena = NewArena();
  Heap heap(arena);
  void* before = heap.Allocate(64).value();
  Shared<std::atomic<void*>> childs;
  const pid_t child = Fork([&] {
    childs->store(heap.Allocate(64).value());
    return heap.Free(before).ok() ? 0 : 1;
  });
  ASSERT_EQ(Wait(child), 0);
  std::vector<void*> mine;
  for (int i = 0; i < 1000; ++i) {
    mine.push_back(heap.Allocate(64).value());
    ASSERT_NE(mine.back(), childs->load());
  }
  ASSERT_TRUE(arena.Recover().ok());
  EXPECT_EQ(heap.Free(childs->load()), absl::OkStatus());
  for (void* block : mine) ASSERT_EQ(heap.Free(block), absl::OkStatus());
  EXPECT_EQ(heap.Stats()->blocks_in_use, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

// The child comes back from the constructor as well; the object is its parent's all the same.
TEST(HeapTest, AForkInAConstructorLeavesTheObjectToTheParent) {
  struct Forks {
    explicit Forks(pid_t* child) { *child = fork(); }
    int value = 7;
  };
  Arena arena = NewArena();
  Heap heap(arena);
  void* before = heap.Allocate(100).value();
  pid_t child = -1;
  const absl::StatusOr<Forks*> object = FindOrConstruct<Forks>(heap, "forks", &child);
  if (child == 0) {
    const bool refused = absl::IsFailedPrecondition(object.status());
    void* own = heap.Allocate(50).value();
    _exit(refused && heap.Free(own).ok() ? 0 : 1);
  }
  ASSERT_EQ(Wait(child), 0);
  ASSERT_TRUE(object.ok()) << object.status();
  EXPECT_EQ((*Find<Forks>(heap, "forks"))->value, 7);
  EXPECT_EQ(Destroy<Forks>(heap, "forks"), absl::OkStatus());
  EXPECT_EQ(heap.Free(before), absl::OkStatus());
  ASSERT_TRUE(arena.Recover().ok());
  EXPECT_EQ(heap.Stats()->blocks_in_use, 0u);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

struct First {
  int value = 1;
};
struct Second {
  static constexpr uint32_t kRootVersion = 3;
  int value = 2;
};

TEST(RootsTest, TypesAreChecked) {
  Arena arena = NewArena();
  ASSERT_TRUE(FindOrConstruct<First>(arena, "it").ok());
  EXPECT_EQ((*FindOrConstruct<First>(arena, "it"))->value, 1);
  for (const absl::Status& status :
       {FindOrConstruct<Second>(arena, "it").status(), Find<Second>(arena, "it").status(),
        Destroy<Second>(arena, "it")}) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    for (const char* shown : {"First", "Second", "version 0", "version 3", "4 bytes"}) {
      EXPECT_THAT(std::string(status.message()), HasSubstr(shown));
    }
  }
  EXPECT_EQ(arena.RootNames(), std::vector<std::string>{"it"});
  // A root without a type is not taken for one.
  ASSERT_TRUE(arena.SetRoot("bare", arena.base()).ok());
  EXPECT_THAT(std::string(Find<First>(arena, "bare").status().message()), HasSubstr("no type"));
  EXPECT_TRUE(absl::IsNotFound(Find<First>(arena, "none").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Find<First>(arena, "a/b").status()));
  int local = 0;
  EXPECT_TRUE(absl::IsOutOfRange(Publish(arena, "local", &local)));
  EXPECT_EQ(Destroy<First>(arena, "it"), absl::OkStatus());
  EXPECT_TRUE(absl::IsNotFound(Destroy<First>(arena, "it")));
  EXPECT_EQ(Heap(arena).Stats()->blocks_in_use, 0u);
}

TEST(RootsTest, OneConstructsAndTheOthersWait) {
  Arena arena = NewArena();
  Shared<std::atomic<int>> constructed;
  struct Slow {
    explicit Slow(std::atomic<int>* count) {
      usleep(20'000);
      count->fetch_add(1);
    }
    int done = 1;
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    children.push_back(Fork([&] {
      const absl::StatusOr<Slow*> slow = FindOrConstruct<Slow>(arena, "slow", &*constructed);
      return slow.ok() && (*slow)->done == 1 ? 0 : 1;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  EXPECT_EQ(constructed->load(), 1);
}

TEST(RootsTest, AConstructorThatThrowsOrAsksForItselfLeavesTheNextToConstruct) {
  Arena arena = NewArena();
  struct Throws {
    Throws() { throw std::runtime_error("no"); }
  };
  struct Asks {
    explicit Asks(Heap heap) : answer(FindOrConstruct<int>(heap, "self").status().code()) {}
    absl::StatusCode answer;
  };
  EXPECT_THROW(FindOrConstruct<Throws>(arena, "x").status().IgnoreError(), std::runtime_error);
  EXPECT_TRUE(FindOrConstruct<int>(arena, "x", 5).ok());
  EXPECT_EQ((*FindOrConstruct<Asks>(arena, "asks", arena))->answer, absl::StatusCode::kOk);
  struct Itself {
    explicit Itself(Heap heap)
        : answer(FindOrConstruct<Itself>(heap, "me", heap).status().code()) {}
    absl::StatusCode answer;
  };
  EXPECT_EQ((*FindOrConstruct<Itself>(arena, "me", arena))->answer,
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(arena.CheckInvariants(), absl::OkStatus());
}

TEST(HeapTest, AThreadUsesManyArenas) {
  std::vector<Arena> arenas;
  for (int i = 0; i < 9; ++i) arenas.push_back(NewArena(1024));
  std::vector<void*> blocks;
  for (int i = 0; i < 1000; ++i) blocks.push_back(Heap(arenas[i % 9]).Allocate(50).value());
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(arenas[i % 9].Contains(blocks[i]));
    ASSERT_EQ(Heap(arenas[i % 9]).Free(blocks[i]), absl::OkStatus());
  }
}

}  // namespace
}  // namespace uarena

// SPDX-License-Identifier: Apache-2.0
//
// Processes that allocate, free and construct objects in one heap are killed, or stopped, anywhere.
// The others go on; after recovery every invariant holds, and no block is lost that somebody could
// have reached, nor any but the one that a killed process was just being given.
#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "tests/support/stopping.h"
#include "uarena/arena.h"
#include "uarena/containers.h"
#include "uarena/heap.h"
#include "uarena/roots.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Shared;
using testing::Wait;

constexpr int kWorkers = 3;
constexpr int kSlots = 64;

// Where blocks are known to everybody. A worker notes what it has in hand, so that a block is in
// the table, or in a hand, but for the moment in which it is given out.
struct Board {
  std::atomic<char*> slots[kSlots];
  std::atomic<char*> hand[kWorkers];
  std::atomic<uint64_t> steps[kWorkers];
  std::atomic<bool> failed;
};

struct Tree {
  explicit Tree(Heap heap) : words(heap), leaves(heap) {
    for (int i = 0; i < 20; ++i) {
      words.emplace_back("a string that does not fit into the object itself, number twenty or so");
      leaves.push_back(std::array<char, 5000>{});
    }
    large = heap.TryAllocate(50'000);
  }
  Vector<String> words;
  Vector<std::array<char, 5000>> leaves;
  void* large;
};

void ConstructAndDestroy(Heap heap, std::mt19937_64& random) {
  const std::string name = absl::StrCat("tree", random() % 2);
  if (random() % 2 == 0) {
    const absl::StatusOr<Tree*> tree = FindOrConstruct<Tree>(heap, name, heap);
    if (!tree.ok()) abort();
  } else if (const absl::StatusOr<Tree*> tree = Find<Tree>(heap, name); tree.ok()) {
    void* large = (*tree)->large;
    if (Destroy<Tree>(heap, name).ok()) heap.Free(large).IgnoreError();
  }
}

int Work(Heap heap, Board& board, int id, uint64_t seed) {
  std::mt19937_64 random(seed);
  while (true) {
    const size_t size = random() % 10 == 0 ? random() % 200'000 + 1 : random() % 2000 + 1;
    auto* block = static_cast<char*>(heap.TryAllocate(size));
    if (block != nullptr) *block = static_cast<char>(id);
    board.hand[id].store(block);
    block = board.slots[random() % kSlots].exchange(block);
    board.hand[id].store(block);
    if (block != nullptr && !heap.Free(block).ok()) {
      board.failed.store(true);
      return 1;
    }
    board.hand[id].store(nullptr);
    if (random() % 64 == 0) heap.Trim();
    board.steps[id].fetch_add(1);
  }
}

// When nobody works any more: frees what is known, once.
void FreeAll(Heap heap, Board& board) {
  std::set<char*> known;
  for (auto& slot : board.slots) known.insert(slot.exchange(nullptr));
  for (auto& hand : board.hand) known.insert(hand.exchange(nullptr));
  // Some of those in hands had been freed.
  for (char* block : known) heap.Free(block).IgnoreError();
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kRounds = 60;
#else
constexpr int kRounds = 400;
#endif

TEST(HeapKillTest, AnyInstantLeavesTheHeapWhole) {
  ArenaOptions options;
  options.max_pages = 8192;
  Arena arena = Arena::Create(options).value();
  Heap heap(arena);
  Shared<Board> board;
  std::mt19937_64 random(7);
  uint64_t kills = 0;
  std::array<pid_t, kWorkers> workers{};
  for (int id = 0; id < kWorkers; ++id) {
    workers[id] = Fork([&] { return Work(heap, *board, id, id); });
  }
  for (int round = 0; round < kRounds; ++round) {
    usleep(random() % 3000);
    const int id = static_cast<int>(random() % kWorkers);
    kill(workers[id], SIGKILL);
    ASSERT_EQ(Wait(workers[id]), 1000 + SIGKILL) << "a worker found a block that was not one";
    ++kills;
    // What it had in hand may be in the table by now, or freed and somebody else's: so it is lost,
    // and counted.
    board->hand[id].store(nullptr);
    workers[id] = Fork([&, round] { return Work(heap, *board, id, round * 16 + id + 1000); });
    // The others get on, however this one ended.
    std::array<uint64_t, kWorkers> before{};
    for (int i = 0; i < kWorkers; ++i) before[i] = board->steps[i].load();
    for (int i = 0; i < kWorkers; ++i) {
      for (int wait = 0; board->steps[i].load() == before[i]; ++wait) {
        ASSERT_LT(wait, 10'000) << "worker " << i << " stands still";
        usleep(1000);
      }
    }
    if (round % 20 != 19) continue;
    for (const pid_t worker : workers) kill(worker, SIGKILL);
    for (const pid_t worker : workers) ASSERT_EQ(Wait(worker), 1000 + SIGKILL);
    kills += kWorkers;
    ASSERT_TRUE(arena.Recover().ok());
    ASSERT_EQ(arena.CheckInvariants(), absl::OkStatus()) << "round " << round;
    FreeAll(heap, *board);
    heap.Trim();
    ASSERT_EQ(arena.CheckInvariants(), absl::OkStatus()) << "round " << round;
    // At most the block that each was just being given, or was just giving back.
    ASSERT_LE(heap.Stats()->blocks_in_use, kills) << "round " << round;
    for (int i = 0; i < kWorkers; ++i) {
      workers[i] = Fork([&, round] { return Work(heap, *board, i, round * 16 + i + 5000); });
    }
  }
  for (const pid_t worker : workers) kill(worker, SIGKILL);
  for (const pid_t worker : workers) Wait(worker);
  EXPECT_FALSE(board->failed.load());
  printf("%lu kills, %lu blocks lost\n", kills, heap.Stats()->blocks_in_use);
}

TEST(HeapKillTest, AConstructorThatIsKilledLeavesNothing) {
  ArenaOptions options;
  options.max_pages = 8192;
  Arena arena = Arena::Create(options).value();
  Heap heap(arena);
  const absl::StatusOr<Tree*> one = FindOrConstruct<Tree>(heap, "one", heap);
  ASSERT_TRUE(one.ok()) << one.status();
  const uint64_t blocks_of_one = heap.Stats()->blocks_in_use;
  std::mt19937_64 random(11);
  for (int round = 0; round < kRounds; ++round) {
    struct Dies {
      Dies(Heap heap, int after) : tree(heap) {
        for (int i = 0; i < after; ++i) heap.Allocate(i * 37 % 3000 + 1).value();
        kill(getpid(), SIGKILL);
      }
      Tree tree;
    };
    const pid_t child = Fork([&] {
      FindOrConstruct<Dies>(heap, "dies", heap, static_cast<int>(random() % 300)).IgnoreError();
      return 1;
    });
    ASSERT_EQ(Wait(child), 1000 + SIGKILL);
    if (round % 2 == 0) {
      ASSERT_TRUE(arena.Recover().ok());
      ASSERT_EQ(heap.Stats()->blocks_in_use, blocks_of_one);
      ASSERT_TRUE(absl::IsNotFound(Find<Dies>(heap, "dies").status()));
    } else {
      // Whoever asks for it next finds that its constructor is dead, and constructs; of another
      // type at once.
      ASSERT_TRUE(arena.Recover().ok());
      const absl::StatusOr<Tree*> tree = FindOrConstruct<Tree>(heap, "dies", heap);
      ASSERT_TRUE(tree.ok()) << tree.status();
      ASSERT_EQ(heap.Stats()->blocks_in_use, 2 * blocks_of_one);
      void* large = (*tree)->large;
      ASSERT_EQ(Destroy<Tree>(heap, "dies"), absl::OkStatus());
      ASSERT_EQ(heap.Free(large), absl::OkStatus());
    }
    ASSERT_EQ(arena.CheckInvariants(), absl::OkStatus());
  }
}

TEST(HeapKillTest, ConstructingAndDestroyingUnderKills) {
  ArenaOptions options;
  options.max_pages = 8192;
  Arena arena = Arena::Create(options).value();
  Heap heap(arena);
  std::mt19937_64 random(13);
  for (int round = 0; round < kRounds / 4; ++round) {
    std::vector<pid_t> workers;
    for (int i = 0; i < kWorkers; ++i) {
      workers.push_back(Fork([&] {
        std::mt19937_64 own(random() + i);
        while (true) ConstructAndDestroy(heap, own);
        return 0;
      }));
    }
    usleep(random() % 5000);
    for (const pid_t worker : workers) kill(worker, SIGKILL);
    for (const pid_t worker : workers) ASSERT_EQ(Wait(worker), 1000 + SIGKILL);
    ASSERT_TRUE(arena.Recover().ok());
    ASSERT_EQ(arena.CheckInvariants(), absl::OkStatus()) << "round " << round;
    for (const char* name : {"tree0", "tree1"}) {
      // Somebody else's construction never stays in the way.
      const absl::StatusOr<Tree*> tree = FindOrConstruct<Tree>(heap, name, heap);
      ASSERT_TRUE(tree.ok()) << tree.status();
      ASSERT_EQ((*tree)->words.size(), 20u);
      ASSERT_EQ((*tree)->words[19].compare(0, 8, "a string"), 0);
      void* large = (*tree)->large;
      ASSERT_EQ(Destroy<Tree>(heap, name), absl::OkStatus());
      ASSERT_EQ(heap.Free(large), absl::OkStatus());
    }
  }
}

#if defined(UARENA_FAILPOINTS)

using testing::EndInAnyOrder;
using testing::StopAt;
using testing::WatchUntilStopped;

constexpr const char* kPoints[] = {
    "heap.allocated",      "heap.created",      "heap.mapped",       "heap.tagged",
    "heap.ended",          "heap.split",        "heap.adopted",      "heap.large_taken",
    "heap.recovered",      "construct.apart",   "construct.claimed", "construct.finished",
    "transaction.publish", "transaction.apply", "claim.tagged",      "allocate.mapped",
    "allocate.filled",     "take.claimed",      "take.filled",       "keep.draining",
    "keep.zeroed",         "free.draining",     "free.punched",      "free.inserted",
    "recover.operation"};

// One process after another is stopped at a point, in the middle of a call; then each is killed or
// goes on.
TEST(HeapKillTest, StoppedAnywhere) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    ArenaOptions options;
    options.max_pages = 1024;
    options.keep_freed_bytes = random() % 2 == 0 ? 0 : 1 << 20;
    Arena arena = Arena::Create(options).value();
    Heap heap(arena);
    Shared<Board> board;
    for (int i = 0; i < kSlots / 2; ++i) {
      board->slots[i].store(static_cast<char*>(heap.Allocate(random() % 5000 + 1).value()));
    }
    std::string story = absl::StrCat("round ", round);
    std::vector<pid_t> stopped;
    for (int actor = 0; actor < kWorkers; ++actor) {
      const char* point = kPoints[random() % std::size(kPoints)];
      const int passes = static_cast<int>(random() % 5);
      const uint32_t seed = random();
      absl::StrAppend(&story, "; seed ", seed, " to ", point, "/", passes);
      const pid_t child = Fork([&] {
        StopAt(point, passes);
        std::mt19937_64 own(seed);
        for (int i = 0; i < 40; ++i) {
          const size_t size = own() % 4 == 0 ? own() % 100'000 + 1 : own() % 3000 + 1;
          auto* block = static_cast<char*>(heap.TryAllocate(size));
          board->hand[actor].store(block);
          block = board->slots[own() % kSlots].exchange(block);
          board->hand[actor].store(block);
          if (!heap.Free(block).ok()) board->failed.store(true);
          board->hand[actor].store(nullptr);
          if (i % 8 == 0) heap.Trim();
        }
        try {
          const std::string name = absl::StrCat("t", actor);
          const absl::StatusOr<Tree*> tree = FindOrConstruct<Tree>(heap, name, heap);
          if (!tree.ok() && !absl::IsResourceExhausted(tree.status())) board->failed.store(true);
        } catch (const std::bad_alloc&) {  // the arena is small
        }
        return 0;
      });
      ASSERT_NO_FATAL_FAILURE(WatchUntilStopped(child, story, &stopped));
    }
    ASSERT_NO_FATAL_FAILURE(EndInAnyOrder(stopped, 2, arena, random, &story));
    ASSERT_TRUE(arena.Recover().ok()) << story;
    ASSERT_EQ(arena.CheckInvariants(), absl::OkStatus()) << story;
    ASSERT_FALSE(board->failed.load()) << story;
    FreeAll(heap, *board);
    uint64_t trees = 0;
    for (int actor = 0; actor < kWorkers; ++actor) {
      const std::string name = absl::StrCat("t", actor);
      absl::StatusOr<Tree*> tree = Find<Tree>(heap, name);
      if (!tree.ok()) continue;
      ++trees;
      void* large = (*tree)->large;
      ASSERT_EQ(Destroy<Tree>(heap, name), absl::OkStatus()) << story;
      ASSERT_EQ(heap.Free(large), absl::OkStatus()) << story;
    }
    heap.Trim();
    ASSERT_EQ(arena.CheckInvariants(), absl::OkStatus()) << story << "; trees " << trees;
    ASSERT_LE(heap.Stats()->blocks_in_use, stopped.size()) << story;
  }
}

#endif

}  // namespace
}  // namespace uarena

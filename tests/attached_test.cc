// SPDX-License-Identifier: Apache-2.0
//
// Who a process is in an arena, and which arena an address belongs to.
#include "client/attached.h"

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "client/arena_impl.h"
#include "gtest/gtest.h"
#include "pages/operation.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"
#include "uarena/internal/thread_owner.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Shared;
using testing::Wait;

Arena NewArena() {
  ArenaOptions options;
  options.max_pages = 64;
  return std::move(Arena::Create(options)).value();
}

TEST(AttachedTest, FindsTheArenaOfAnAddress) {
  std::vector<Arena> arenas;
  for (int i = 0; i < 40; ++i) arenas.push_back(NewArena());  // more than one chunk
  for (Arena& arena : arenas) {
    char* base = static_cast<char*>(arena.base());
    for (const void* inside : {base, base + arena.size() - 1}) {
      const std::optional<Attached> found = FindAttached(inside);
      ASSERT_TRUE(found.has_value());
      EXPECT_EQ(found->base, reinterpret_cast<uint64_t>(base));
      EXPECT_EQ(found->bytes, arena.size());
      EXPECT_EQ(found->owner_id, OwnerId(found->arena->control(), found->arena->slot()));
    }
    EXPECT_FALSE(FindAttached(base + arena.size()).has_value());
    EXPECT_FALSE(FindAttached(base - 1).has_value());
  }
  EXPECT_FALSE(FindAttached(nullptr).has_value());
  EXPECT_FALSE(FindAttached(&arenas).has_value());
  const void* gone = arenas[7].base();
  const uint64_t epoch = AttachEpoch().load();
  arenas.erase(arenas.begin() + 7);
  EXPECT_GT(AttachEpoch().load(), epoch);
  EXPECT_FALSE(FindAttached(gone).has_value());
}

TEST(AttachedTest, TheCacheFollows) {
  const Arena one = NewArena();
  auto two = std::make_unique<Arena>(NewArena());
  const uint64_t self = internal::FindThreadOwner(one.base());
  EXPECT_NE(self, 0u);
  EXPECT_EQ(internal::CachedThreadOwner(one.base()), self);
  EXPECT_EQ(internal::CachedThreadOwner(two->base()), 0u);
  EXPECT_NE(internal::FindThreadOwner(two->base()), 0u);
  EXPECT_EQ(internal::CachedThreadOwner(one.base()), 0u);
  const void* base = two->base();
  two.reset();
  EXPECT_EQ(internal::CachedThreadOwner(base), 0u);
  EXPECT_EQ(internal::FindThreadOwner(base), 0u);
  EXPECT_EQ(internal::FindThreadOwner(one.base()), self);
  // Another thread of the process has the same owner id.
  uint64_t other = 0;
  std::thread([&] { other = internal::FindThreadOwner(one.base()); }).join();
  EXPECT_NE(other, self);
  EXPECT_EQ(static_cast<uint32_t>(other), static_cast<uint32_t>(self));
}

TEST(AttachedTest, AForkedChildIsSomebodyElse) {
  const Arena arena = NewArena();
  const uint64_t self = internal::FindThreadOwner(arena.base());
  const pid_t child = Fork([&] {
    if (internal::CachedThreadOwner(arena.base()) != 0) return 1;
    const uint64_t mine = internal::FindThreadOwner(arena.base());
    return mine != 0 && static_cast<uint32_t>(mine) != static_cast<uint32_t>(self) ? 0 : 2;
  });
  EXPECT_EQ(Wait(child), 0);
}

TEST(AttachedTest, AnOwnerIsDeadForEver) {
  Arena arena = NewArena();
  const Control& control = FindAttached(arena.base())->arena->control();
  const auto self = [&] { return FindAttached(arena.base())->owner_id; };
  const uint32_t mine = self();
  const Shared<std::atomic<uint32_t>> of_child;
  std::set<uint32_t> seen = {mine};
  for (int round = 0; round < 30; ++round) {
    of_child->store(0);
    const pid_t child = Fork([&] {
      of_child->store(self());
      pause();
      return 0;
    });
    while (of_child->load() == 0) std::this_thread::yield();
    EXPECT_TRUE(OwnerAlive(control, *of_child));
    EXPECT_TRUE(OwnerAlive(control, mine));
    kill(child, SIGSTOP);
    EXPECT_TRUE(OwnerAlive(control, *of_child)) << "stopped is not dead";
    kill(child, SIGKILL);
    Wait(child);
    for (const uint32_t id : seen) EXPECT_EQ(OwnerAlive(control, id), id == mine);
    EXPECT_FALSE(OwnerAlive(control, *of_child));
    if (round % 2 == 0) {
      ASSERT_EQ(arena.Recover().value(), 1);
    }
    EXPECT_FALSE(OwnerAlive(control, *of_child));
    EXPECT_TRUE(seen.insert(*of_child).second) << "slots are reused, owner ids are not";
    const pid_t leaves = Fork([&] {
      of_child->store(self());
      { const Arena gone = std::move(arena); }
      return 0;
    });
    EXPECT_EQ(Wait(leaves), 0);
    EXPECT_FALSE(OwnerAlive(control, *of_child));
    EXPECT_TRUE(seen.insert(*of_child).second) << "those that detach have had theirs, too";
  }
  EXPECT_FALSE(OwnerAlive(control, 0));
  EXPECT_FALSE(OwnerAlive(control, (1u << kOwnerSlotBits) - 1));
}

// Threads look up while others attach and detach.
TEST(AttachedTest, LookingUpNeedsNoLock) {
  const Arena arena = NewArena();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        const std::optional<Attached> found = FindAttached(arena.base());
        ASSERT_TRUE(found.has_value());
        ASSERT_EQ(found->base, reinterpret_cast<uint64_t>(arena.base()));
      }
    });
  }
  for (int i = 0; i < 100; ++i) NewArena();
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace uarena

// SPDX-License-Identifier: Apache-2.0
#include "uarena/memory_resource.h"

#include <map>
#include <memory_resource>
#include <new>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "support/small_arena.h"
#include "uarena/containers.h"

namespace uarena {
namespace {

using testing::BlocksInUse;
using testing::SmallArena;

TEST(MemoryResourceTest, PmrContainersLieInTheArena) {
  const Arena arena = SmallArena();
  {
    ArenaMemoryResource memory(arena);
    std::pmr::map<std::pmr::string, std::pmr::vector<std::pmr::string>> map(&memory);
    for (int i = 0; i < 1000; ++i) {
      map[std::pmr::string(std::to_string(i))].emplace_back(100, 'x');
    }
    for (const auto& [key, texts] : map) {
      EXPECT_TRUE(arena.Contains(&key));
      EXPECT_TRUE(arena.Contains(texts.front().data()));
    }
    EXPECT_GT(BlocksInUse(arena), 2000);
  }
  EXPECT_EQ(BlocksInUse(arena), 0);
}

TEST(MemoryResourceTest, IsEqualWithinAnArena) {
  const Arena one = SmallArena();
  const Arena other = SmallArena();
  const ArenaMemoryResource memory(one);
  EXPECT_TRUE(memory == ArenaMemoryResource(one));
  EXPECT_FALSE(memory == ArenaMemoryResource(other));
  EXPECT_FALSE(memory == *std::pmr::new_delete_resource());
  EXPECT_TRUE(memory.heap() == Heap(one));
}

TEST(MemoryResourceTest, Aligns) {
  const Arena arena = SmallArena();
  ArenaMemoryResource memory(arena);
  for (size_t alignment = 1; alignment <= arena.page_size(); alignment *= 2) {
    void* const block = memory.allocate(24, alignment);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0);
    memory.deallocate(block, 24, alignment);
  }
  EXPECT_EQ(BlocksInUse(arena), 0);
}

TEST(MemoryResourceTest, AnExhaustedArenaThrows) {
  const Arena arena = SmallArena();
  ArenaMemoryResource memory(arena);
  EXPECT_THROW((void)memory.allocate(arena.size() + 1), std::bad_alloc);
  std::pmr::vector<int> numbers(&memory);
  EXPECT_THROW(numbers.resize(arena.size()), std::bad_alloc);
}

TEST(MemoryResourceDeathTest, FreeingWhatIsNotTheHeapsNamesTheAddress) {
  EXPECT_DEATH(
      {
        const Arena arena = SmallArena();
        alignas(16) static int elsewhere;
        ArenaMemoryResource(arena).deallocate(&elsewhere, sizeof(elsewhere));
      },
      "uarena: freeing 0x[0-9a-f]+: INVALID_ARGUMENT");
}

}  // namespace
}  // namespace uarena

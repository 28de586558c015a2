// SPDX-License-Identifier: Apache-2.0
#include "uarena/allocator.h"

#include <cstdint>
#include <list>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "support/small_arena.h"
#include "uarena/containers.h"

namespace uarena {
namespace {

using testing::BlocksInUse;
using testing::SmallArena;
using Traits = std::allocator_traits<ArenaAllocator<int>>;

static_assert(std::is_same_v<Traits::pointer, int*>);
static_assert(sizeof(ArenaAllocator<int>) == sizeof(void*));
static_assert(std::is_trivially_copyable_v<ArenaAllocator<int>>);
static_assert(!std::is_default_constructible_v<ArenaAllocator<int>>);
static_assert(!Traits::propagate_on_container_copy_assignment::value);
static_assert(!Traits::propagate_on_container_move_assignment::value);
static_assert(!Traits::propagate_on_container_swap::value);
static_assert(!Traits::is_always_equal::value);
static_assert(std::is_same_v<Traits::rebind_alloc<char>, ArenaAllocator<char>>);
static_assert(std::is_convertible_v<Heap, ArenaAllocator<int>>);
static_assert(std::is_convertible_v<Arena&, ArenaAllocator<int>>);
static_assert(std::is_convertible_v<ArenaAllocator<int>, ArenaAllocator<char>>);
static_assert(std::is_convertible_v<Heap, ScopedAllocator<int>>);
static_assert(std::is_convertible_v<ScopedAllocator<int>, ArenaAllocator<char>>);

TEST(AllocatorTest, IsEqualWithinAnArenaWhateverItsType) {
  const Arena one = SmallArena();
  const Arena other = SmallArena();
  const ArenaAllocator<int> ints(one);
  EXPECT_TRUE(ints == ArenaAllocator<int>(Heap(one)));
  EXPECT_TRUE(ints == ArenaAllocator<char>(ints));
  EXPECT_TRUE(ints != ArenaAllocator<int>(other));
  EXPECT_TRUE(ints.heap() == Heap(one));
  EXPECT_TRUE(Traits::select_on_container_copy_construction(ints) == ints);
}

template <size_t kAlignment>
void ExpectAligned(Heap heap) {
  struct alignas(kAlignment) Aligned {
    char byte;
  };
  std::vector<Aligned, ArenaAllocator<Aligned>> blocks(heap);
  std::list<Aligned, ArenaAllocator<Aligned>> nodes(heap);
  for (int i = 0; i < 100; ++i) {
    blocks.emplace_back();
    nodes.emplace_back();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.data()) % kAlignment, 0);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&nodes.back()) % kAlignment, 0);
  }
}

TEST(AllocatorTest, AlignsAsTheTypeWants) {
  const Arena arena = SmallArena();
  ExpectAligned<1>(arena);
  ExpectAligned<16>(arena);
  ExpectAligned<64>(arena);
  ExpectAligned<1024>(arena);
  ExpectAligned<4096>(arena);
}

TEST(AllocatorTest, MoreThanAPageOfAlignmentIsBadAlloc) {
  const Arena arena = SmallArena();
  struct alignas(1 << 20) Aligned {
    char byte;
  };
  ArenaAllocator<Aligned> allocator(arena);
  EXPECT_THROW((void)allocator.allocate(1), std::bad_alloc);
}

TEST(AllocatorTest, MoreThanThereCanBeIsBadArrayNewLength) {
  const Arena arena = SmallArena();
  ArenaAllocator<int64_t> allocator(arena);
  EXPECT_THROW((void)allocator.allocate(SIZE_MAX), std::bad_array_new_length);
  EXPECT_THROW((void)allocator.allocate(SIZE_MAX / 8), std::bad_array_new_length);
  EXPECT_THROW((void)allocator.allocate(SIZE_MAX / 32), std::bad_alloc);
}

TEST(AllocatorTest, AnExhaustedArenaThrowsAndTheContainerStaysWhole) {
  const Arena arena = SmallArena();
  List<String> list(arena);
  size_t added = 0;
  const auto fill = [&] {
    while (true) {
      list.emplace_back(1000, static_cast<char>('a' + added % 26));
      ++added;
    }
  };
  EXPECT_THROW(fill(), std::bad_alloc);
  EXPECT_GT(added, 1000);
  ASSERT_EQ(list.size(), added);
  size_t i = 0;
  for (const String& text : list)
    EXPECT_EQ(std::string_view(text), std::string(1000, 'a' + i++ % 26));
  // What is freed can be had again.
  for (int n = 0; n < 100; ++n) list.pop_front();
  for (int n = 0; n < 50; ++n) list.emplace_back(1000, 'z');
  EXPECT_EQ(list.size(), added - 50);
  list.clear();
  EXPECT_EQ(BlocksInUse(arena), 0);
}

TEST(AllocatorTest, AVectorThatCannotGrowKeepsItsElements) {
  const Arena arena = SmallArena();
  Vector<uint64_t> numbers(arena);
  const auto fill = [&] {
    while (true) numbers.push_back(numbers.size());
  };
  EXPECT_THROW(fill(), std::bad_alloc);
  ASSERT_GT(numbers.size(), 10'000);
  for (size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], i);
}

using AllocatorDeathTest = ::testing::Test;

TEST(AllocatorDeathTest, FreeingWhatIsNotTheHeapsNamesTheAddress) {
  alignas(16) static int elsewhere;
  EXPECT_DEATH(ArenaAllocator<int>(SmallArena()).deallocate(&elsewhere, 1),
               absl::StrFormat("uarena: freeing %p: INVALID_ARGUMENT", &elsewhere));
}

TEST(AllocatorDeathTest, FreeingTwiceDies) {
  EXPECT_DEATH(
      {
        const Arena arena = SmallArena();
        ArenaAllocator<int> allocator(arena);
        int* const numbers = allocator.allocate(10);
        allocator.deallocate(numbers, 10);
        allocator.deallocate(numbers, 10);
      },
      "uarena: freeing 0x[0-9a-f]+: INVALID_ARGUMENT");
}

TEST(AllocatorDeathTest, FreeingInAnotherArenaDies) {
  EXPECT_DEATH(
      {
        const Arena one = SmallArena();
        const Arena other = SmallArena();
        int* const number = ArenaAllocator<int>(one).allocate(1);
        ArenaAllocator<int>(other).deallocate(number, 1);
      },
      "uarena: freeing 0x[0-9a-f]+: INVALID_ARGUMENT");
}

}  // namespace
}  // namespace uarena

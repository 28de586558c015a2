// SPDX-License-Identifier: Apache-2.0
#include "uarena/objects.h"

#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/arena_process.h"
#include "support/small_arena.h"
#include "uarena/containers.h"

namespace uarena {
namespace {

using testing::BlocksInUse;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::SmallArena;

struct Point {
  Point(int first, int second) : x(first), y(second) {}
  int x;
  int y;
};

// Counts its own.
struct Counted {
  explicit Counted(int* counter) : count(counter) { ++*count; }
  ~Counted() { --*count; }
  int* count;
};

struct Throwing {
  Throwing() { throw std::runtime_error("no"); }
};

// Takes an allocator first, as std::tuple does.
struct Leading {
  using allocator_type = ArenaAllocator<char>;
  Leading(std::allocator_arg_t, const allocator_type& allocator, const char* characters)
      : text(characters, allocator) {}
  String text;
};

TEST(ObjectsTest, NewConstructsAndDeleteDestroys) {
  const Arena arena = SmallArena();
  Point* const point = New<Point>(arena, 3, 4).value();
  EXPECT_TRUE(arena.Contains(point));
  EXPECT_EQ(point->x * 10 + point->y, 34);
  int count = 0;
  Counted* const counted = New<Counted>(arena, &count).value();
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(Delete(arena, counted).ok());
  EXPECT_EQ(count, 0);
  EXPECT_TRUE(Delete<const Point>(arena, point).ok());
  EXPECT_EQ(BlocksInUse(arena), 0);
}

TEST(ObjectsTest, WhatTakesAnAllocatorGetsTheArenas) {
  const Arena arena = SmallArena();
  auto* const numbers = New<Vector<int>>(arena, 3, 7).value();
  EXPECT_THAT(*numbers, ElementsAre(7, 7, 7));
  EXPECT_TRUE(arena.Contains(numbers->data()));
  auto* const text = New<String>(arena, 100, 'x').value();
  EXPECT_TRUE(arena.Contains(text->data()));
  auto* const leading = New<Leading>(arena, "a text that is longer than a string object").value();
  EXPECT_TRUE(arena.Contains(leading->text.data()));
  auto* const pair = New<std::pair<String, Vector<String>>>(arena).value();
  pair->second.emplace_back(100, 'y');
  EXPECT_TRUE(arena.Contains(pair->second[0].data()));
  EXPECT_TRUE(Delete(arena, numbers).ok());
  EXPECT_TRUE(Delete(arena, text).ok());
  EXPECT_TRUE(Delete(arena, leading).ok());
  EXPECT_TRUE(Delete(arena, pair).ok());
  EXPECT_EQ(BlocksInUse(arena), 0);
}

TEST(ObjectsTest, AlignsAsTheTypeWants) {
  const Arena arena = SmallArena();
  struct alignas(256) Aligned {
    char byte = 0;
  };
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(New<Aligned>(arena).value()) % 256, 0);
  }
}

TEST(ObjectsTest, AConstructorThatThrowsLeavesNothing) {
  const Arena arena = SmallArena();
  EXPECT_THROW(New<Throwing>(arena).IgnoreError(), std::runtime_error);
  EXPECT_THROW(New<Vector<char>>(arena, arena.size()).IgnoreError(), std::bad_alloc);
  EXPECT_EQ(BlocksInUse(arena), 0);
}

TEST(ObjectsTest, WithoutRoomNewIsAnError) {
  const Arena arena = SmallArena();
  struct Large {
    char bytes[64 << 20];
  };
  EXPECT_EQ(New<Large>(arena).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(ObjectsTest, DeletingNullIsFine) {
  const Arena arena = SmallArena();
  EXPECT_TRUE(Delete(arena, static_cast<Point*>(nullptr)).ok());
}

TEST(ObjectsTest, DeletingWhatIsNotABlockRunsNoDestructor) {
  const Arena arena = SmallArena();
  const Arena other = SmallArena();
  int count = 0;
  Counted local(&count);
  const absl::Status refused = Delete(arena, &local);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat(absl::Hex(&local))));
  Counted* const counted = New<Counted>(arena, &count).value();
  EXPECT_EQ(Delete(other, counted).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(count, 2);
  EXPECT_TRUE(Delete(arena, counted).ok());
  EXPECT_EQ(Delete(arena, counted).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(count, 1);
}

TEST(ObjectsTest, DeletingALargerTypeThanTheBlockHoldsIsAnError) {
  const Arena arena = SmallArena();
  struct Large {
    char bytes[4096];
  };
  Point* const point = New<Point>(arena, 1, 2).value();
  const absl::Status refused = Delete(arena, reinterpret_cast<Large*>(point));
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat(absl::Hex(point))));
  EXPECT_TRUE(Delete(arena, point).ok());
}

TEST(ObjectsTest, AnotherProcessReadsWritesAndDeletes) {
  const Arena arena = SmallArena();
  auto* const map = New<Map<String, Vector<int>>>(arena).value();
  map->emplace("primes", std::initializer_list<int>{2, 3, 5});
  const auto child = [&] {
    if (map->size() != 1 || map->find("primes")->second.back() != 5) return 1;
    map->find("primes")->second.push_back(7);
    map->emplace("squares", std::initializer_list<int>{1, 4, 9});
    return 0;
  };
  ASSERT_EQ(testing::Wait(testing::Fork(child)), 0);
  EXPECT_THAT(map->find("primes")->second, ElementsAre(2, 3, 5, 7));
  EXPECT_THAT(map->find("squares")->second, ElementsAre(1, 4, 9));
  ASSERT_EQ(testing::Wait(testing::Fork([&] { return Delete(arena, map).ok() ? 0 : 1; })), 0);
  EXPECT_EQ(BlocksInUse(arena), 0);
}

}  // namespace
}  // namespace uarena

// SPDX-License-Identifier: Apache-2.0
//
// Containers of every kind in arenas: what they hold stays in their own.
#include "uarena/containers.h"

#include <boost/container/deque.hpp>
#include <boost/container/flat_map.hpp>
#include <boost/container/list.hpp>
#include <boost/container/map.hpp>
#include <boost/container/scoped_allocator.hpp>
#include <boost/container/vector.hpp>
#include <forward_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "support/small_arena.h"

namespace uarena {
namespace {

using testing::BlocksInUse;
using testing::SmallArena;

// Too long to lie in a string object.
std::string Text(int i) { return std::to_string(i) + std::string(50, 'x'); }

// Adds what is made of `i`, at the end where there is one.
template <typename Container>
void Add(Container& container, int i) {
  const std::string text = Text(i);
  if constexpr (std::is_same_v<Container, String>) {
    container += text;
  } else if constexpr (requires { typename Container::mapped_type; }) {
    container.emplace(std::piecewise_construct, std::forward_as_tuple(text),
                      std::forward_as_tuple(text));
  } else if constexpr (requires { typename Container::key_type; }) {
    container.emplace(text);
  } else if constexpr (requires { container.emplace_back(text); }) {
    container.emplace_back(text);
  } else {
    container.emplace_front(text);
  }
}

// Where an element is, and where the characters of its strings are.
void ExpectWithin(const Arena& arena, const char& character) {
  EXPECT_TRUE(arena.Contains(&character));
}
void ExpectWithin(const Arena& arena, const String& text) {
  EXPECT_TRUE(arena.Contains(&text));
  EXPECT_TRUE(arena.Contains(text.data()));
}
template <typename First, typename Second>
void ExpectWithin(const Arena& arena, const std::pair<First, Second>& pair) {
  ExpectWithin(arena, pair.first);
  ExpectWithin(arena, pair.second);
}

template <typename Container>
void ExpectAllWithin(const Arena& arena, const Container& container) {
  for (const auto& element : container) ExpectWithin(arena, element);
}

// The pairs of Boost's maps are Boost's own, which std::scoped_allocator_adaptor does not know.
template <typename T>
using BoostAllocator = boost::container::scoped_allocator_adaptor<ArenaAllocator<T>>;

template <typename Container>
class ContainersTest : public ::testing::Test {
 protected:
  Container Filled(const Arena& arena, int from, int to) {
    Container container(typename Container::allocator_type{arena});
    for (int i = from; i < to; ++i) Add(container, i);
    return container;
  }

  const Arena one_ = SmallArena();
  const Arena other_ = SmallArena();
};

using TextPair = std::pair<const String, String>;
using Kinds = ::testing::Types<
    String, Vector<String>, Deque<String>, List<String>, Map<String, String>, Set<String>,
    UnorderedMap<String, String>, UnorderedSet<String>,
    std::forward_list<String, ScopedAllocator<String>>,
    std::multimap<String, String, StringLess, ScopedAllocator<TextPair>>,
    std::multiset<String, StringLess, ScopedAllocator<String>>,
    std::unordered_multimap<String, String, StringHash, StringEqual, ScopedAllocator<TextPair>>,
    boost::container::vector<String, ScopedAllocator<String>>,
    boost::container::deque<String, ScopedAllocator<String>>,
    boost::container::list<String, ScopedAllocator<String>>,
    boost::container::map<String, String, StringLess, BoostAllocator<TextPair>>,
    boost::container::flat_map<String, String, StringLess,
                               BoostAllocator<std::pair<String, String>>>>;
TYPED_TEST_SUITE(ContainersTest, Kinds);

TYPED_TEST(ContainersTest, LiesInItsArena) {
  {
    const TypeParam container = this->Filled(this->one_, 0, 100);
    EXPECT_FALSE(container.empty());
    ExpectAllWithin(this->one_, container);
    EXPECT_GT(BlocksInUse(this->one_), 0);
  }
  EXPECT_EQ(BlocksInUse(this->one_), 0);
}

TYPED_TEST(ContainersTest, ACopyIsInTheSameArenaUnlessToldOtherwise) {
  const TypeParam container = this->Filled(this->one_, 0, 20);
  const TypeParam copy = container;  // NOLINT(performance-unnecessary-copy-initialization)
  ExpectAllWithin(this->one_, copy);
  const TypeParam elsewhere(container, typename TypeParam::allocator_type(this->other_));
  ExpectAllWithin(this->other_, elsewhere);
  EXPECT_TRUE(copy == container);
  EXPECT_TRUE(elsewhere == container);
}

TYPED_TEST(ContainersTest, MovedWithinItsArenaItTakesTheElementsAlong) {
  TypeParam container = this->Filled(this->one_, 0, 20);
  const TypeParam copy = container;
  const uint64_t blocks = BlocksInUse(this->one_);
  TypeParam moved = std::move(container);
  EXPECT_LE(BlocksInUse(this->one_), blocks + 2);  // some keep a first block when moved from
  EXPECT_TRUE(moved == copy);
  TypeParam target = this->Filled(this->one_, 50, 60);
  target = std::move(moved);
  EXPECT_TRUE(target == copy);
  ExpectAllWithin(this->one_, target);
}

TYPED_TEST(ContainersTest, AssignedFromAnotherArenaItStaysInItsOwn) {
  const TypeParam source = this->Filled(this->other_, 0, 20);
  TypeParam target = this->Filled(this->one_, 50, 60);
  target = source;
  EXPECT_TRUE(target == source);
  ExpectAllWithin(this->one_, target);
  EXPECT_EQ(target.get_allocator(), typename TypeParam::allocator_type(this->one_));

  TypeParam moved_from = source;
  target.clear();
  target = std::move(moved_from);
  EXPECT_TRUE(target == source);
  ExpectAllWithin(this->one_, target);
  ExpectAllWithin(this->other_, source);
}

TYPED_TEST(ContainersTest, MovedIntoAnotherArenaItLeavesNothingBehind) {
  const TypeParam expected = this->Filled(this->one_, 0, 20);
  {
    TypeParam source = this->Filled(this->other_, 0, 20);
    const TypeParam moved(std::move(source), typename TypeParam::allocator_type(this->one_));
    EXPECT_TRUE(moved == expected);
    ExpectAllWithin(this->one_, moved);
  }
  EXPECT_EQ(BlocksInUse(this->other_), 0);
}

TYPED_TEST(ContainersTest, SwapsWithinAnArenaAndByThreeMovesAcross) {
  TypeParam a = this->Filled(this->one_, 0, 20);
  TypeParam b = this->Filled(this->one_, 20, 50);
  const TypeParam as = a;
  const TypeParam bs = b;
  a.swap(b);
  EXPECT_TRUE(a == bs && b == as);
  ExpectAllWithin(this->one_, a);

  TypeParam c = this->Filled(this->other_, 60, 90);
  const TypeParam cs = c;
  TypeParam between = std::move(a);
  a = std::move(c);
  c = std::move(between);
  EXPECT_TRUE(a == cs && c == bs);
  ExpectAllWithin(this->one_, a);
  ExpectAllWithin(this->other_, c);
}

// A class with containers of itself.
struct Tree {
  using allocator_type = ScopedAllocator<char>;
  explicit Tree(const allocator_type& allocator) : Tree("", allocator) {}
  Tree(std::string_view text, const allocator_type& allocator)
      : name(text, allocator), children(allocator), by_name(allocator) {}
  Tree(const Tree& other, const allocator_type& allocator)
      : name(other.name, allocator),
        children(other.children, allocator),
        by_name(other.by_name, allocator) {}
  Tree(Tree&& other, const allocator_type& allocator)
      : name(std::move(other.name), allocator),
        children(std::move(other.children), allocator),
        by_name(std::move(other.by_name), allocator) {}
  Tree(const Tree&) = default;
  Tree(Tree&&) = default;
  Tree& operator=(const Tree&) = default;
  Tree& operator=(Tree&&) = default;
  ~Tree() = default;

  String name;
  Vector<Tree> children;
  Map<String, Tree> by_name;
};

void Grow(Tree& tree, int depth) {
  if (depth == 0) return;
  for (int i = 0; i < 3; ++i) {
    Grow(tree.children.emplace_back(Text(i)), depth - 1);
    const auto [child, added] = tree.by_name.emplace(
        std::piecewise_construct, std::forward_as_tuple(Text(i)), std::forward_as_tuple(Text(i)));
    EXPECT_TRUE(added);
    Grow(child->second, depth - 1);
  }
}

size_t ExpectTreeWithin(const Arena& arena, const Tree& tree) {
  EXPECT_TRUE(arena.Contains(tree.name.data()));
  size_t count = 1;
  for (const Tree& child : tree.children) count += ExpectTreeWithin(arena, child);
  for (const auto& [name, child] : tree.by_name) {
    EXPECT_TRUE(arena.Contains(name.data()));
    count += ExpectTreeWithin(arena, child);
  }
  return count;
}

TEST(NestedContainersTest, ATreeLiesInOneArena) {
  const Arena arena = SmallArena();
  const Arena other = SmallArena();
  {
    Vector<Tree> forest(arena);
    Grow(forest.emplace_back(Text(0)), 4);
    EXPECT_EQ(ExpectTreeWithin(arena, forest.front()), 1 + 6 + 36 + 216 + 1296);
    Vector<Tree> copy(forest, other);
    EXPECT_EQ(ExpectTreeWithin(other, copy.front()), 1 + 6 + 36 + 216 + 1296);
    copy.emplace_back(forest.front().children.front());
    EXPECT_EQ(ExpectTreeWithin(other, copy.back()), 1 + 6 + 36 + 216);
  }
  EXPECT_EQ(BlocksInUse(arena), 0);
  EXPECT_EQ(BlocksInUse(other), 0);
}

TEST(NestedContainersTest, EveryLevelGetsTheArena) {
  const Arena arena = SmallArena();
  UnorderedMap<String, Map<int, List<Vector<String>>>> map(arena);
  auto& inner =
      map.emplace(std::piecewise_construct, std::forward_as_tuple(Text(1)), std::forward_as_tuple())
          .first->second;
  inner[7].emplace_back().emplace_back(Text(2));
  EXPECT_TRUE(arena.Contains(map.find(Text(1))->first.data()));
  EXPECT_TRUE(arena.Contains(inner.at(7).front().front().data()));
  Vector<std::pair<String, std::pair<int, String>>> pairs(arena);
  pairs.emplace_back();
  pairs.back().second.second = Text(3);
  EXPECT_TRUE(arena.Contains(pairs.back().second.second.data()));
  Vector<std::tuple<int, String>> tuples(arena);
  std::get<1>(tuples.emplace_back()) = Text(4);
  EXPECT_TRUE(arena.Contains(std::get<1>(tuples.back()).data()));
}

TEST(StringKeysTest, AreFoundWithoutMakingAString) {
  const Arena arena = SmallArena();
  UnorderedMap<String, int> map(arena);
  UnorderedSet<String> set(arena);
  Map<String, int> tree(arena);
  for (int i = 0; i < 100; ++i) {
    map.emplace(Text(i), i);
    set.emplace(Text(i));
    tree.emplace(Text(i), i);
  }
  const uint64_t blocks = BlocksInUse(arena);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(map.find(std::string_view(Text(i)))->second, i);
    EXPECT_EQ(map.find(Text(i).c_str())->second, i);
    EXPECT_TRUE(set.contains(Text(i)));
    EXPECT_EQ(tree.find(Text(i))->second, i);
    EXPECT_FALSE(set.contains(Text(i + 100)));
  }
  EXPECT_EQ(BlocksInUse(arena), blocks);
}

TEST(StringKeysTest, HashDoesNotDependOnTheAllocator) {
  const Arena arena = SmallArena();
  const String text("text", arena);
  EXPECT_EQ(Hash<String>()(text), StringHash()("text"));
  EXPECT_EQ(StringHash()(std::string("text")), StringHash()(text));
  EXPECT_NE(StringHash()("text"), StringHash()("texts"));
}

}  // namespace
}  // namespace uarena

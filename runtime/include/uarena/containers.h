// SPDX-License-Identifier: Apache-2.0
///
/// Names for the standard containers with an ArenaAllocator. Nested ones lie in the arena of the
/// outermost:
///
///   absl::StatusOr<uarena::Map<uarena::String, uarena::Vector<int>>*> map =
///       uarena::New<uarena::Map<uarena::String, uarena::Vector<int>>>(*arena);
///   (*map)->emplace("primes", std::initializer_list<int>{2, 3, 5});
///
/// Programs that share them must agree on the layout of the standard library: the same library,
/// and the same of its debug modes and ABI switches.
///
/// Keys that are Strings are found by anything that converts to std::string_view, without making a
/// String. Elsewhere, compare a String with a std::string by way of std::string_view. Others, such
/// as Boost.Container's, take an ArenaAllocator<T> or ScopedAllocator<T> in the same way.
#ifndef UARENA_CONTAINERS_H_
#define UARENA_CONTAINERS_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "uarena/allocator.h"

namespace uarena {

using String = std::basic_string<char, std::char_traits<char>, ArenaAllocator<char>>;

/// Hash, order and equality of strings, whatever their allocator: a String, a std::string and a
/// literal of the same characters are one key. The hash is std::hash of a std::string_view, which
/// is the same in every process that has the same standard library.
struct StringHash {
  using is_transparent = void;
  // Not noexcept, so that libstdc++ keeps each string's hash beside it instead of hashing again.
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};
struct StringLess {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a < b; }
};
struct StringEqual {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const { return a == b; }
};

/// What the containers below use unless told otherwise: these for String, for which there is no
/// std::hash, and the standard's for everything else.
template <typename T>
struct Hash : std::hash<T> {};
template <>
struct Hash<String> : StringHash {};
template <typename T>
struct Less : std::less<> {};
template <>
struct Less<String> : StringLess {};
template <typename T>
struct Equal : std::equal_to<> {};
template <>
struct Equal<String> : StringEqual {};

template <typename T>
using Vector = std::vector<T, ScopedAllocator<T>>;

template <typename T>
using Deque = std::deque<T, ScopedAllocator<T>>;

template <typename T>
using List = std::list<T, ScopedAllocator<T>>;

template <typename Key, typename T, typename Compare = Less<Key>>
using Map = std::map<Key, T, Compare, ScopedAllocator<std::pair<const Key, T>>>;

template <typename Key, typename Compare = Less<Key>>
using Set = std::set<Key, Compare, ScopedAllocator<Key>>;

template <typename Key, typename T, typename KeyHash = Hash<Key>, typename KeyEqual = Equal<Key>>
using UnorderedMap =
    std::unordered_map<Key, T, KeyHash, KeyEqual, ScopedAllocator<std::pair<const Key, T>>>;

template <typename Key, typename KeyHash = Hash<Key>, typename KeyEqual = Equal<Key>>
using UnorderedSet = std::unordered_set<Key, KeyHash, KeyEqual, ScopedAllocator<Key>>;

}  // namespace uarena

#endif  // UARENA_CONTAINERS_H_

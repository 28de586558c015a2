// SPDX-License-Identifier: Apache-2.0
//
// One container of each kind, in an arena or in a process' own memory. Both are changed by the same
// code, so the second is the model that the first is held against.
#ifndef UARENA_TESTS_TWO_PROGRAMS_WORLD_H_
#define UARENA_TESTS_TWO_PROGRAMS_WORLD_H_

#include <array>
#include <boost/container/deque.hpp>
#include <boost/container/flat_map.hpp>
#include <boost/container/map.hpp>
#include <boost/container/scoped_allocator.hpp>
#include <boost/container/vector.hpp>
#include <deque>
#include <forward_list>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <scoped_allocator>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "uarena/containers.h"

namespace two_programs {

template <template <typename> typename Allocator>
struct Kinds {
  template <typename T>
  using Scoped = std::scoped_allocator_adaptor<Allocator<T>>;
  template <typename T>
  using BoostScoped = boost::container::scoped_allocator_adaptor<Allocator<T>>;

  using String = std::basic_string<char, std::char_traits<char>, Allocator<char>>;
  template <typename T>
  using Vector = std::vector<T, Scoped<T>>;
  template <typename T>
  using PlainVector = std::vector<T, Allocator<T>>;
  template <typename T>
  using Deque = std::deque<T, Scoped<T>>;
  template <typename T>
  using List = std::list<T, Scoped<T>>;
  template <typename T>
  using ForwardList = std::forward_list<T, Scoped<T>>;
  template <typename K, typename V>
  using Map = std::map<K, V, uarena::Less<K>, Scoped<std::pair<const K, V>>>;
  template <typename K, typename V>
  using Multimap = std::multimap<K, V, uarena::Less<K>, Scoped<std::pair<const K, V>>>;
  template <typename K>
  using Set = std::set<K, uarena::Less<K>, Scoped<K>>;
  template <typename V>
  using HashMap = std::unordered_map<String, V, uarena::StringHash, uarena::StringEqual,
                                     Scoped<std::pair<const String, V>>>;
  using HashSet =
      std::unordered_set<String, uarena::StringHash, uarena::StringEqual, Scoped<String>>;
  template <typename T>
  using BoostVector = boost::container::vector<T, Scoped<T>>;
  template <typename T>
  using BoostDeque = boost::container::deque<T, Scoped<T>>;
  template <typename V>
  using BoostMap =
      boost::container::map<String, V, uarena::StringLess, BoostScoped<std::pair<const String, V>>>;
  template <typename V>
  using FlatMap =
      boost::container::flat_map<String, V, uarena::StringLess, BoostScoped<std::pair<String, V>>>;
};
using InArena = Kinds<uarena::ArenaAllocator>;
using InProcess = Kinds<std::allocator>;

// A node of a tree: containers of nodes in containers of nodes.
template <typename K>
struct Tree {  // NOLINT(bugprone-exception-escape): its operator= moves, which throws nothing
  using allocator_type = typename K::template Scoped<char>;
  explicit Tree(const allocator_type& allocator)
      : name(allocator), children(allocator), by_name(allocator) {}
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

  typename K::String name;
  typename K::template Vector<Tree> children;
  typename K::template Map<typename K::String, Tree> by_name;
};

template <typename K>
struct World {
  using allocator_type = typename K::template Scoped<char>;
  using String = typename K::String;
  explicit World(const allocator_type& a)
      : text(a),
        numbers(a),
        bits(a),
        plain(a),
        deque(a),
        list(a),
        forward_list(a),
        map(a),
        multimap(a),
        set(a),
        hash_map(a),
        hash_set(a),
        boost_vector(a),
        boost_deque(a),
        boost_map(typename decltype(boost_map)::allocator_type(a.outer_allocator())),
        flat_map(typename decltype(flat_map)::allocator_type(a.outer_allocator())),
        tree(a) {}

  String text;
  typename K::template Vector<int> numbers;
  typename K::template Vector<bool> bits;
  typename K::template PlainVector<std::array<int, 3>> plain;
  typename K::template Deque<String> deque;
  typename K::template List<String> list;
  typename K::template ForwardList<String> forward_list;
  typename K::template Map<String, typename K::template Vector<int>> map;
  typename K::template Multimap<int, String> multimap;
  typename K::template Set<String> set;
  typename K::template HashMap<typename K::template Map<int, typename K::template List<String>>>
      hash_map;
  typename K::HashSet hash_set;
  typename K::template BoostVector<String> boost_vector;
  typename K::template BoostDeque<int> boost_deque;
  typename K::template BoostMap<String> boost_map;
  typename K::template FlatMap<int> flat_map;
  Tree<K> tree;
  std::variant<int, double> variant;
  std::optional<std::pair<int, char>> optional;
};

}  // namespace two_programs

#endif  // UARENA_TESTS_TWO_PROGRAMS_WORLD_H_

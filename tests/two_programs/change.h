// SPDX-License-Identifier: Apache-2.0
//
// What the programs do to a World, and how it is put into words to compare it.
#ifndef UARENA_TESTS_TWO_PROGRAMS_CHANGE_H_
#define UARENA_TESTS_TWO_PROGRAMS_CHANGE_H_

#include <algorithm>
#include <iterator>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/two_programs/world.h"

namespace two_programs {

// Short and long ones, those that lie in a string object and those that do not.
inline std::string Text(uint32_t number) {
  return std::to_string(number % 200) + std::string(size_t{number} % 7 * 10, 'x');
}

template <typename Key, typename Value>
auto KeyAndValue(const Key& key, const Value& value) {
  return std::make_tuple(std::piecewise_construct, std::forward_as_tuple(key),
                         std::forward_as_tuple(value));
}

// Adds a pair, or removes the one that is there.
template <typename Map, typename Value>
void Toggle(Map& map, const std::string& key, const Value& value) {
  if (const auto found = map.find(std::string_view(key)); found != map.end()) {
    map.erase(found);
  } else {
    std::apply([&](const auto&... parts) { map.emplace(parts...); }, KeyAndValue(key, value));
  }
}

template <typename Set>
void ToggleKey(Set& set, const std::string& key) {
  if (const auto found = set.find(std::string_view(key)); found != set.end()) {
    set.erase(found);
  } else {
    set.emplace(key);
  }
}

template <typename K>
void Grow(Tree<K>& tree, uint32_t number, int depth) {
  if (depth == 0) return;
  if (tree.children.size() > 3) tree.children.erase(tree.children.begin());
  Grow(tree.children.emplace_back(Text(number)), number * 7, depth - 1);
  Toggle(tree.by_name, Text(number), Text(number + 1));
  for (auto& [name, child] : tree.by_name) Grow(child, number * 5 + 1, depth - 1);
}

// The same changes for the same `step`, whatever the world lies in.
template <typename K>
void Change(World<K>& world, uint32_t step) {
  std::minstd_rand random(step + 1);
  for (int i = 0; i < 50; ++i) {
    const auto number = static_cast<uint32_t>(random());
    const std::string text = Text(number);
    world.text += text;
    world.numbers.push_back(static_cast<int>(number));
    world.bits.push_back(number % 3 == 0);
    world.plain.push_back({i, static_cast<int>(step), static_cast<int>(number)});
    world.deque.emplace_front(text);
    world.deque.emplace_back(text);
    world.list.emplace(std::next(world.list.begin(), static_cast<int>(world.list.size() / 2)),
                       text);
    world.forward_list.emplace_front(text);
    Toggle(world.map, text, static_cast<size_t>(number % 30));
    world.multimap.emplace(number % 20, text);
    ToggleKey(world.set, text);
    const auto inner = std::get<0>(world.hash_map.emplace(
        std::piecewise_construct, std::forward_as_tuple(text), std::forward_as_tuple()));
    inner->second[static_cast<int>(number % 5)].emplace_back(text);
    ToggleKey(world.hash_set, text);
    world.boost_vector.emplace_back(text);
    world.boost_deque.push_front(static_cast<int>(number));
    Toggle(world.boost_map, text, text);
    Toggle(world.flat_map, text, static_cast<int>(number));
  }
  if (world.text.size() > 5000) world.text.erase(0, 4000);
  if (world.numbers.size() > 400) world.numbers.clear();
  if (world.deque.size() > 300) world.deque.resize(20);
  if (world.list.size() > 200)
    world.list.remove_if([](const auto& text) { return text[0] == '1'; });
  if (const auto found = world.hash_map.find(Text(step)); found != world.hash_map.end()) {
    world.hash_map.erase(found);
  }
  world.list.reverse();
  world.forward_list.sort();
  std::sort(world.boost_vector.begin(), world.boost_vector.end());
  world.multimap.erase(static_cast<int>(step % 20));
  Grow(world.tree, step, 3);
  if (step % 2 == 0) {
    world.variant = static_cast<int>(step);
    world.optional.reset();
  } else {
    world.variant = step / 2.0;
    world.optional.emplace(step, 'c');
  }
}

inline std::string Words(std::string_view text) { return std::string(text); }
template <typename T>
requires std::is_arithmetic_v<T> std::string Words(T number) { return std::to_string(number); }
template <typename K>
std::string Words(const Tree<K>& tree);
template <typename T>
requires(requires(const T& range) { range.begin(); } &&
         !std::is_convertible_v<T, std::string_view>) std::string Words(const T& range);

template <typename Pair>
requires requires(const Pair& pair) { pair.second; }
std::string Words(const Pair& pair) { return Words(pair.first) + "=" + Words(pair.second); }

template <typename T>
requires(requires(const T& range) { range.begin(); } &&
         !std::is_convertible_v<T, std::string_view>) std::string Words(const T& range) {
  std::vector<std::string> all(static_cast<size_t>(std::distance(range.begin(), range.end())));
  std::transform(range.begin(), range.end(), all.begin(),
                 [](const auto& element) { return Words(element); });
  // Of these the order is not given by what was done.
  if constexpr (requires { typename T::hasher; }) std::sort(all.begin(), all.end());
  std::string words = "[";
  for (const std::string& each : all) words += each + ",";
  return words + "]";
}

template <typename K>
std::string Words(const Tree<K>& tree) {
  return "{" + Words(tree.name) + Words(tree.children) + Words(tree.by_name) + "}";
}

// A line for each container.
template <typename K>
std::string Words(const World<K>& world) {
  const auto all = std::tie(world.text, world.numbers, world.bits, world.plain, world.deque,
                            world.list, world.forward_list, world.map, world.multimap, world.set,
                            world.hash_map, world.hash_set, world.boost_vector, world.boost_deque,
                            world.boost_map, world.flat_map, world.tree);
  std::string words;
  std::apply([&](const auto&... each) { ((words += Words(each) + "\n"), ...); }, all);
  words += std::visit([](auto number) { return Words(number); }, world.variant);
  return words + (world.optional.has_value() ? Words(*world.optional) : "-");
}

}  // namespace two_programs

#endif  // UARENA_TESTS_TWO_PROGRAMS_CHANGE_H_

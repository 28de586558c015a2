// SPDX-License-Identifier: Apache-2.0
//
// Compiled once for each statement of CMakeLists.txt, which is to be refused or accepted.
#include <any>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <string>
#include <system_error>
#include <unordered_map>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "uarena/containers.h"
#include "uarena/memory_resource.h"
#include "uarena/objects.h"

struct Shape {
  virtual double Area() const { return 0; }
};

struct Denied {};
template <>
struct uarena::IsShareable<Denied> : std::false_type {};

struct Person {
  uarena::String name;
  std::string nickname;
};
template <>
struct uarena::IsShareable<Person> : uarena::AllShareable<uarena::String, std::string> {};

template <typename T>
using ArenaVector = std::vector<T, uarena::ArenaAllocator<T>>;

void Use(uarena::Heap heap) { UARENA_STATEMENT; }

// SPDX-License-Identifier: Apache-2.0
///
/// Which types may lie in an arena: those that mean the same in every process.
///
/// An object in an arena is at one address everywhere, so its own pointers into the arena are good.
/// What it must not have is anything that belongs to one process or program: a vtable, the address
/// of a function or of a static object, memory of that process' heap, a mutex that only its threads
/// know. ArenaAllocator, New and the typed roots refuse, at compile time, what can be recognised.
///
/// Not recognised are members and bases: a struct is not asked what it consists of. Say it, once:
///
///   struct Person { uarena::String name; std::string nickname; };
///   template <>
///   struct uarena::IsShareable<Person>
///       : uarena::AllShareable<uarena::String, std::string> {};      // refuses New<Person>
///
/// Nor are lambdas that captured a reference, classes with virtual bases but no virtual function,
/// and what a pointer points to. Pointers, std::string_view, std::span and iterators are accepted,
/// since they may point into the arena; that they do is up to whoever stores them.
#ifndef UARENA_SHAREABLE_H_
#define UARENA_SHAREABLE_H_

#include <type_traits>

#include "uarena/internal/obstacle.h"

namespace uarena {

/// Whether a T may lie in an arena, as far as can be recognised. T must be complete. To be
/// specialised for one's own types: std::true_type, std::false_type, or AllShareable of what the
/// type consists of.
template <typename T>
struct IsShareable : internal::Judgement<T> {};

/// True if all of them are; refuses with the reason of the first that is not.
template <typename... Ts>
using AllShareable = internal::Parts<Ts...>;

template <typename T>
inline constexpr bool kIsShareable = IsShareable<T>::value;

/// Does not compile unless a T is shareable; the message says what is in the way. Costs nothing.
template <typename T>
constexpr void RequireShareable() {
  using internal::Obstacle;
  constexpr Obstacle kObstacle = internal::ObstacleTo<T>();
  static_assert(kObstacle != Obstacle::kReference,
                "not in an arena: a reference cannot be stored; use a pointer into the arena");
  static_assert(
      kObstacle != Obstacle::kVtable,
      "not in an arena: a type with virtual functions; its vtable lies elsewhere in other "
      "programs. Use std::variant, or a tag");
  static_assert(kObstacle != Obstacle::kFunctionPointer,
                "not in an arena: a pointer to a function, which lies elsewhere in other programs");
  static_assert(
      kObstacle != Obstacle::kProcessMemory,
      "not in an arena: a type that keeps what it holds in memory of one process. Use the "
      "containers of uarena/containers.h, or others with uarena::ArenaAllocator");
  static_assert(kObstacle != Obstacle::kProcessObject,
                "not in an arena: a type that works within one process only. Use the locks of "
                "uarena/mutex.h and its neighbours");
  static_assert(kObstacle != Obstacle::kProgramData,
                "not in an arena: a type that points to code or static data of one program");
  static_assert(kObstacle != Obstacle::kProcessHash,
                "not in an arena: a hash table or hash that has another salt in every process. Use "
                "uarena::UnorderedMap, or another hash");
  static_assert(kObstacle != Obstacle::kSpecialised,
                "not in an arena: uarena::IsShareable is specialised as false for this type");
}

}  // namespace uarena

#endif  // UARENA_SHAREABLE_H_

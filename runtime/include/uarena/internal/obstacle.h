// SPDX-License-Identifier: Apache-2.0
//
// What stands in the way of sharing a type, as far as the language can tell. Users specialise
// IsShareable (uarena/shareable.h), not this.
#ifndef UARENA_INTERNAL_OBSTACLE_H_
#define UARENA_INTERNAL_OBSTACLE_H_

#include <any>
#include <array>
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <initializer_list>
#include <latch>
#include <locale>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <optional>
#include <semaphore>
#include <shared_mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <typeindex>
#include <utility>
#include <variant>

#include "absl/base/config.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Declared, not included: whoever has none of these in his program shall not have to link them.
namespace absl {
ABSL_NAMESPACE_BEGIN
class Mutex;
class CondVar;
class Notification;
class Cord;
class TimeZone;
template <class Signature>
class AnyInvocable;
namespace hash_internal {
template <typename T>
struct Hash;
}  // namespace hash_internal
namespace container_internal {
struct StringHash;
template <typename Tree>
class btree_container;
}  // namespace container_internal
ABSL_NAMESPACE_END
}  // namespace absl

namespace uarena {

template <typename T>
struct IsShareable;

namespace internal {

enum class Obstacle : uint8_t {
  kNone,
  kReference,
  kVtable,
  kFunctionPointer,
  kProcessMemory,  // it keeps what it holds in memory of one process
  kProcessObject,  // it works between the threads of one process
  kProgramData,    // it points to code or static data of one program
  kProcessHash,    // it hashes with what differs from process to process
  kSpecialised,    // IsShareable says so
};

template <Obstacle kWhich>
struct Verdict : std::bool_constant<kWhich == Obstacle::kNone> {
  static constexpr Obstacle kObstacle = kWhich;
};

// What IsShareable<T> says, which may be a user's.
template <typename T>
consteval Obstacle ObstacleTo() {
  if constexpr (IsShareable<T>::value) {
    return Obstacle::kNone;
  } else if constexpr (requires { IsShareable<T>::kObstacle; }) {
    return IsShareable<T>::kObstacle;
  } else {
    return Obstacle::kSpecialised;
  }
}

template <typename... Ts>
consteval Obstacle FirstObstacleTo() {
  Obstacle first = Obstacle::kNone;
  ((first = first == Obstacle::kNone ? ObstacleTo<Ts>() : first), ...);
  return first;
}

// Abseil's hash tables, which, empty, point to a table in the program, and mostly hash with a salt.
// Their base class has had other parameters in other releases, hence by what only they have.
template <typename T>
concept SwissTable = requires {
  typename T::hasher;
  typename T::policy_type;
  typename T::slot_type;
};

// std::pair, and those of other libraries.
template <typename T>
concept Pair = requires {
  typename T::first_type;
  typename T::second_type;
};

// Abseil's B-trees, which, empty, point to a node in the program.
template <typename Tree>
std::true_type DerivesFromBtree(const absl::container_internal::btree_container<Tree>*);
std::false_type DerivesFromBtree(const void*);

// What classes say of themselves. Their elements are not asked for: a type may contain containers
// of itself, and is not complete then. The allocator does it, when there are any.
template <typename T>
consteval Obstacle ClassObstacle() {
  Obstacle found = Obstacle::kNone;
  const auto ask = [&found](Obstacle next) { found = found == Obstacle::kNone ? next : found; };
  if constexpr (std::is_polymorphic_v<T>) ask(Obstacle::kVtable);
  if constexpr (SwissTable<T>) ask(Obstacle::kProcessHash);
  if constexpr (decltype(DerivesFromBtree(static_cast<T*>(nullptr)))::value) {
    ask(Obstacle::kProgramData);
  }
  if constexpr (requires { typename T::hasher; }) ask(ObstacleTo<typename T::hasher>());
  if constexpr (requires { typename T::key_equal; }) ask(ObstacleTo<typename T::key_equal>());
  if constexpr (requires { typename T::key_compare; }) ask(ObstacleTo<typename T::key_compare>());
  // Containers and strings; std::stack and the like; std::filesystem::path and std::basic_regex.
  if constexpr (requires { typename T::allocator_type; })
    ask(ObstacleTo<typename T::allocator_type>());
  if constexpr (requires { typename T::container_type; })
    ask(ObstacleTo<typename T::container_type>());
  if constexpr (requires { typename T::string_type; }) ask(ObstacleTo<typename T::string_type>());
  if constexpr (Pair<T>) ask(FirstObstacleTo<typename T::first_type, typename T::second_type>());
  // std::scoped_allocator_adaptor, of which an allocator of this process may be the outer one.
  if constexpr (requires { typename T::outer_allocator_type; }) {
    ask(ObstacleTo<typename T::outer_allocator_type>());
  }
  return found;
}

template <typename T>
consteval Obstacle PlainObstacle() {
  if constexpr (std::is_reference_v<T>) {
    return Obstacle::kReference;
  } else if constexpr (std::is_function_v<std::remove_pointer_t<T>> ||
                       std::is_member_function_pointer_v<T>) {
    return Obstacle::kFunctionPointer;
  } else if constexpr (std::is_class_v<T> || std::is_union_v<T>) {
    return ClassObstacle<T>();
  } else {
    return Obstacle::kNone;
  }
}

template <typename T>
struct Judgement : Verdict<PlainObstacle<T>()> {};

// The parts of what consists of others.
template <typename... Ts>
using Parts = Verdict<FirstObstacleTo<Ts...>()>;

template <typename T>
requires(!std::is_same_v<T, std::remove_cv_t<T>>) struct Judgement<T> : Parts<std::remove_cv_t<T>> {
};
template <typename T, size_t kSize>
struct Judgement<T[kSize]> : Parts<T> {};
template <typename T, size_t kSize>
struct Judgement<std::array<T, kSize>> : Parts<T> {};
template <typename... Ts>
struct Judgement<std::tuple<Ts...>> : Parts<Ts...> {};
template <typename... Ts>
struct Judgement<std::variant<Ts...>> : Parts<Ts...> {};
template <typename T>
struct Judgement<std::optional<T>> : Parts<T> {};
template <typename T>
struct Judgement<std::atomic<T>> : Parts<T> {};
template <typename T, typename Deleter>
struct Judgement<std::unique_ptr<T, Deleter>> : Parts<Deleter> {};
template <typename T>
struct Judgement<std::reference_wrapper<T>> : Parts<T*> {};

template <typename T>
struct Judgement<std::allocator<T>> : Verdict<Obstacle::kProcessMemory> {};
template <typename T>
struct Judgement<std::pmr::polymorphic_allocator<T>> : Verdict<Obstacle::kProcessMemory> {};
template <typename T>
struct Judgement<std::default_delete<T>> : Verdict<Obstacle::kProcessMemory> {};
template <typename T>
struct Judgement<std::shared_ptr<T>> : Verdict<Obstacle::kProcessMemory> {};
template <typename T>
struct Judgement<std::weak_ptr<T>> : Verdict<Obstacle::kProcessMemory> {};
template <typename T>
struct Judgement<std::initializer_list<T>> : Verdict<Obstacle::kProcessMemory> {};
template <>
struct Judgement<std::any> : Verdict<Obstacle::kProcessMemory> {};
template <>
struct Judgement<std::exception_ptr> : Verdict<Obstacle::kProcessMemory> {};
template <>
struct Judgement<std::locale> : Verdict<Obstacle::kProcessMemory> {};
template <>
struct Judgement<absl::Status> : Verdict<Obstacle::kProcessMemory> {};
template <typename T>
struct Judgement<absl::StatusOr<T>> : Verdict<Obstacle::kProcessMemory> {};
template <>
struct Judgement<absl::Cord> : Verdict<Obstacle::kProcessMemory> {};

template <typename Signature>
struct Judgement<std::function<Signature>> : Verdict<Obstacle::kProgramData> {};
template <typename Signature>
struct Judgement<absl::AnyInvocable<Signature>> : Verdict<Obstacle::kProgramData> {};
template <typename Promise>
struct Judgement<std::coroutine_handle<Promise>> : Verdict<Obstacle::kProgramData> {};
template <>
struct Judgement<std::error_code> : Verdict<Obstacle::kProgramData> {};
template <>
struct Judgement<std::error_condition> : Verdict<Obstacle::kProgramData> {};
template <>
struct Judgement<std::type_index> : Verdict<Obstacle::kProgramData> {};
template <>
struct Judgement<absl::TimeZone> : Verdict<Obstacle::kProgramData> {};

template <>
struct Judgement<std::mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::recursive_mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::timed_mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::recursive_timed_mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::shared_mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::shared_timed_mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::condition_variable> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::condition_variable_any> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::once_flag> : Verdict<Obstacle::kProcessObject> {};
template <typename Mutex>
struct Judgement<std::unique_lock<Mutex>> : Verdict<Obstacle::kProcessObject> {};
template <typename Mutex>
struct Judgement<std::shared_lock<Mutex>> : Verdict<Obstacle::kProcessObject> {};
template <std::ptrdiff_t kMost>
struct Judgement<std::counting_semaphore<kMost>> : Verdict<Obstacle::kProcessObject> {};
template <typename Completion>
struct Judgement<std::barrier<Completion>> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::latch> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::thread> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::jthread> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::stop_token> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<std::stop_source> : Verdict<Obstacle::kProcessObject> {};
template <typename T>
struct Judgement<std::future<T>> : Verdict<Obstacle::kProcessObject> {};
template <typename T>
struct Judgement<std::shared_future<T>> : Verdict<Obstacle::kProcessObject> {};
template <typename T>
struct Judgement<std::promise<T>> : Verdict<Obstacle::kProcessObject> {};
template <typename Signature>
struct Judgement<std::packaged_task<Signature>> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<absl::Mutex> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<absl::CondVar> : Verdict<Obstacle::kProcessObject> {};
template <>
struct Judgement<absl::Notification> : Verdict<Obstacle::kProcessObject> {};

template <typename T>
struct Judgement<absl::hash_internal::Hash<T>> : Verdict<Obstacle::kProcessHash> {};
template <>
struct Judgement<absl::container_internal::StringHash> : Verdict<Obstacle::kProcessHash> {};

}  // namespace internal
}  // namespace uarena

#endif  // UARENA_INTERNAL_OBSTACLE_H_

// SPDX-License-Identifier: Apache-2.0
///
/// Named objects: how programs find each other's, and agree on who makes them.
///
/// A root records its type's name, its size and a version, which the type's owner raises when its
/// layout changes. Asking for another is an error that shows both.
///
///   auto counters = uarena::FindOrConstruct<Counters>(*arena, "counters");
///   (*counters)->requests.fetch_add(1);
#ifndef UARENA_ROOTS_H_
#define UARENA_ROOTS_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "uarena/heap.h"
#include "uarena/internal/construction.h"
#include "uarena/objects.h"

namespace uarena {

/// What a root says of an object of type T. Specialise it, or give T static members `kRootName`
/// (convertible to std::string) and `kRootVersion`, where programs are built by different
/// compilers, which write type names differently, or where the layout of T changes. Of names longer
/// than 199 bytes a hash is compared.
template <typename T>
struct RootTraits {
  static std::string Name() {
    if constexpr (requires { std::string(T::kRootName); }) {
      return std::string(T::kRootName);
    } else {
      return internal::TypeNameFrom(__PRETTY_FUNCTION__);
    }
  }
  static uint32_t Version() {
    if constexpr (requires { uint32_t{T::kRootVersion}; }) {
      return T::kRootVersion;
    } else {
      return 0;
    }
  }
};

namespace internal {
template <typename T>
TypeDescription DescribeType() {
  return {RootTraits<T>::Name(), sizeof(T), RootTraits<T>::Version()};
}
}  // namespace internal

/// The object `name` (1 to 63 bytes of letters, digits, '.', '_' and '-'); constructs it from
/// `args`, as New does, if there is none. Among all processes one constructs, and the others wait
/// for it. If that one dies, all that the constructor has allocated in this heap is returned, and
/// another constructs: so a constructor must not link what it allocates to anything but its object.
/// If it throws, the exception goes to the caller and the next one constructs. Thread-safe. Errors:
/// InvalidArgument (name), FailedPrecondition (another type, size or version; asked for by its own
/// constructor, or in a child that the constructor forked; not attached for writing),
/// ResourceExhausted (memory; 1,024 names are taken), DataLoss (the control memory is damaged).
template <typename T, typename... Args>
absl::StatusOr<T*> FindOrConstruct(Heap heap, std::string_view name, Args&&... args) {
  absl::StatusOr<internal::Construction> construction =
      internal::Construction::Begin(heap, name, internal::DescribeType<T>());
  if (!construction.ok()) return construction.status();
  if (construction->found() != nullptr) return static_cast<T*>(construction->found());
  absl::StatusOr<T*> object = New<T>(heap, std::forward<Args>(args)...);
  if (!object.ok()) return object.status();
  if (absl::Status status = construction->Finish(*object); !status.ok()) {
    if (!construction->forked()) Delete(heap, *object).IgnoreError();
    return status;
  }
  return *object;
}

/// The object `name`. Errors: as FindOrConstruct, and NotFound (there is none, or it is not
/// finished).
template <typename T>
absl::StatusOr<T*> Find(Heap heap, std::string_view name) {
  RequireShareable<T>();
  absl::StatusOr<void*> found = internal::FindTypedRoot(heap, name, internal::DescribeType<T>());
  if (!found.ok()) return found.status();
  return static_cast<T*>(*found);
}

/// Gives an object that is in the arena a name; another one that has the name loses it. Errors: as
/// FindOrConstruct, and OutOfRange (not in the arena).
template <typename T>
absl::Status Publish(Heap heap, std::string_view name, T* object) {
  RequireShareable<T>();
  return internal::SetTypedRoot(heap, name, object, internal::DescribeType<T>());
}

/// Takes the name away, and deletes the object, which nobody may use then. A process that dies in
/// between leaves the object, without a name. Errors: as Find.
template <typename T>
absl::Status Destroy(Heap heap, std::string_view name) {
  absl::StatusOr<T*> object = Find<T>(heap, name);
  if (!object.ok()) return object.status();
  if (absl::Status status = internal::RemoveTypedRoot(heap, name, *object); !status.ok())
    return status;
  return Delete(heap, *object);
}

}  // namespace uarena

#endif  // UARENA_ROOTS_H_

// SPDX-License-Identifier: Apache-2.0
//
// Not part of the interface: what the templates of uarena/roots.h need.
#ifndef UARENA_INTERNAL_CONSTRUCTION_H_
#define UARENA_INTERNAL_CONSTRUCTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "uarena/heap.h"

namespace uarena::internal {

struct TypeDescription {
  std::string name;
  uint64_t size = 0;
  uint32_t version = 0;
};

// The name of a type as the compiler writes it, of which `pretty` is what it says of a function
// template.
std::string TypeNameFrom(std::string_view pretty);

absl::StatusOr<void*> FindTypedRoot(Heap heap, std::string_view name, const TypeDescription& type);
absl::Status SetTypedRoot(Heap heap, std::string_view name, void* object,
                          const TypeDescription& type);
// Removes the root, if it points to `object`. Errors: NotFound.
absl::Status RemoveTypedRoot(Heap heap, std::string_view name, const void* object);

// One caller's turn at constructing the object of a root. Meanwhile the thread allocates from a
// cache apart, all of which is thrown away if the process dies; others wait.
class Construction {
 public:
  // Waits while somebody else constructs it. Errors: those of FindOrConstruct.
  static absl::StatusOr<Construction> Begin(Heap heap, std::string_view name,
                                            const TypeDescription& type);
  Construction(Construction&&) noexcept;
  Construction& operator=(Construction&&) noexcept;
  // Gives up, unless it was finished; what has been allocated is the thread's.
  ~Construction();

  // The object, if there is one already.
  void* found() const { return found_; }
  // Publishes the object.
  absl::Status Finish(void* object);
  // In a child that was forked meanwhile: the object is its parent's.
  bool forked() const;

 private:
  struct Claim;
  Construction();

  void* found_ = nullptr;
  std::unique_ptr<Claim> claim_;
};

}  // namespace uarena::internal

#endif  // UARENA_INTERNAL_CONSTRUCTION_H_

// SPDX-License-Identifier: Apache-2.0
//
// Named roots: how one process finds what another has built. A table in the control memory, changed
// by transactions, so a root is there with all of its name and value or not at all.
#ifndef UARENA_PAGES_ROOTS_H_
#define UARENA_PAGES_ROOTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pages/control.h"

namespace uarena {

// What a root says of the object that it points to. A size of 0 means that it says nothing.
struct RootType {
  std::string name;  // at most 199 bytes are kept
  uint64_t size = 0;
  uint32_t version = 0;
};

struct FoundRoot {
  uint64_t offset = 0;   // in the arena, in bytes; not while it is being constructed
  uint32_t builder = 0;  // the cache apart in which it is being constructed; 0: it is not
  RootType type;
};

// Sets `name` to a byte offset in the arena; the name must have 1 to 63 bytes. 0, -ENOSPC (the
// table is full), -EBUSY (it is being constructed), -EUSERS (no operation record), -EUCLEAN.
int SetRoot(const Control& control, uint32_t process_slot, std::string_view name, uint64_t offset,
            const RootType& type = {});
// With an offset, only if that is the root's. 0, -ENOENT, -EBUSY, -EUSERS, -EUCLEAN.
int RemoveRoot(const Control& control, uint32_t process_slot, std::string_view name,
               std::optional<uint64_t> offset = {});
// 0, -ENOENT, -EUSERS, -EUCLEAN. Also finds one that is being constructed.
int FindRoot(const Control& control, uint32_t process_slot, std::string_view name, FoundRoot* root);

// Makes a root that is being constructed by `builder`. 0, -EEXIST (there is one, finished or not),
// and as SetRoot.
int ClaimRoot(const Control& control, uint32_t process_slot, std::string_view name,
              const RootType& type, uint32_t builder);
// Ends that: the object is at `offset`. 0, -ENOENT (it is not being constructed by `builder`),
// -EUSERS, -EUCLEAN.
int FinishRoot(const Control& control, uint32_t process_slot, std::string_view name,
               uint32_t builder, uint64_t offset);
// Whether `builder` constructs a root; and gives that up. `operation` is the caller's.
bool ConstructsRoot(const Control& control, uint32_t operation, uint32_t builder);
void DropClaim(const Control& control, uint32_t operation, uint32_t builder);

// Of finished roots.
std::vector<std::string> RootNames(const Control& control, uint32_t process_slot);

}  // namespace uarena

#endif  // UARENA_PAGES_ROOTS_H_

// SPDX-License-Identifier: Apache-2.0
//
// Named roots: how one process finds what another has built. A table in the control memory, changed
// by transactions, so a root is there with all of its name and value or not at all.
#ifndef UARENA_PAGES_ROOTS_H_
#define UARENA_PAGES_ROOTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pages/control.h"

namespace uarena {

// Sets `name` to a byte offset in the arena; the name must have 1 to 63 bytes. 0, -ENOSPC (the
// table is full), -EUSERS (no operation record), -EUCLEAN.
int SetRoot(const Control& control, uint32_t process_slot, std::string_view name, uint64_t offset);
// 0, -ENOENT, -EUSERS, -EUCLEAN.
int RemoveRoot(const Control& control, uint32_t process_slot, std::string_view name);
int FindRoot(const Control& control, uint32_t process_slot, std::string_view name,
             uint64_t* offset);
std::vector<std::string> RootNames(const Control& control, uint32_t process_slot);

}  // namespace uarena

#endif  // UARENA_PAGES_ROOTS_H_

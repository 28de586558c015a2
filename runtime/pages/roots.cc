// SPDX-License-Identifier: Apache-2.0
#include "pages/roots.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "pages/operation.h"
#include "pages/transaction.h"

namespace uarena {
namespace {

constexpr uint32_t kNameWords = kRootNameBytes / 4;
using NameWords = std::array<uint32_t, kNameWords>;

NameWords Pack(std::string_view name) {
  NameWords words{};
  memcpy(words.data(), name.data(), std::min<size_t>(name.size(), kRootNameBytes - 1));
  return words;
}

// Must be the same in every process, so no std::hash. FNV-1a.
uint32_t Hash(const NameWords& name) {
  uint32_t hash = 2166136261u;
  for (const uint32_t word : name) hash = (hash ^ word) * 16777619u;
  return hash;
}

uint64_t EntryIndex(const Control& control, uint32_t entry) {
  return control.layout().roots + uint64_t{entry} * kRootWords;
}

bool InUse(Transaction& transaction, uint64_t entry) {
  return transaction.Read(entry + kRootOffsetLow) != 0 ||
         transaction.Read(entry + kRootOffsetHigh) != 0;
}

bool NameIs(Transaction& transaction, uint64_t entry, const NameWords& name) {
  for (uint32_t i = 0; i < kNameWords; ++i) {
    if (transaction.Read(entry + kRootName + i) != name[i]) return false;
  }
  return true;
}

struct Place {
  std::optional<uint64_t> found;
  std::optional<uint64_t> vacant;
};

// Open addressing, linear; a removed root keeps its name, so that chains through it hold.
Place Look(Transaction& transaction, const NameWords& name) {
  Place place;
  const uint32_t home = Hash(name);
  for (uint32_t i = 0; i < kMaxRoots; ++i) {
    const uint64_t entry = EntryIndex(transaction.control(), (home + i) % kMaxRoots);
    if (InUse(transaction, entry)) {
      if (NameIs(transaction, entry, name)) {
        place.found = entry;
        return place;
      }
      continue;
    }
    if (!place.vacant.has_value()) place.vacant = entry;
    if (transaction.Read(entry + kRootName) == 0) return place;  // never used
  }
  return place;
}

void WriteOffset(Transaction& transaction, uint64_t entry, uint64_t stored) {
  transaction.Write(entry + kRootOffsetLow, static_cast<uint32_t>(stored));
  transaction.Write(entry + kRootOffsetHigh, static_cast<uint32_t>(stored >> 32));
}

}  // namespace

int SetRoot(const Control& control, uint32_t process_slot, std::string_view name, uint64_t offset) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  const NameWords words = Pack(name);
  return RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, words);
    if (!place.found.has_value()) {
      if (!place.vacant.has_value()) return -ENOSPC;
      for (uint32_t i = 0; i < kNameWords; ++i) {
        transaction.Write(*place.vacant + kRootName + i, words[i]);
      }
    }
    WriteOffset(transaction, place.found.value_or(place.vacant.value_or(0)), offset + 1);
    return 0;
  });
}

int RemoveRoot(const Control& control, uint32_t process_slot, std::string_view name) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  return RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, Pack(name));
    if (!place.found.has_value()) return -ENOENT;
    WriteOffset(transaction, *place.found, 0);
    return 0;
  });
}

int FindRoot(const Control& control, uint32_t process_slot, std::string_view name,
             uint64_t* offset) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  const int result = RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, Pack(name));
    if (!place.found.has_value()) return -ENOENT;
    *offset = (uint64_t{transaction.Read(*place.found + kRootOffsetHigh)} << 32 |
               transaction.Read(*place.found + kRootOffsetLow)) -
              1;
    return -EALREADY;  // found; nothing to commit
  });
  return result == -EALREADY ? 0 : result;
}

std::vector<std::string> RootNames(const Control& control, uint32_t process_slot) {
  std::vector<std::string> names;
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return names;
  for (uint32_t i = 0; i < kMaxRoots; ++i) {
    char name[kRootNameBytes] = {};
    const int result = RunTransaction(control, operation.index(), [&](Transaction& transaction) {
      const uint64_t entry = EntryIndex(control, i);
      if (!InUse(transaction, entry)) return -ENOENT;
      for (uint32_t word = 0; word < kNameWords; ++word) {
        const uint32_t value = transaction.Read(entry + kRootName + word);
        memcpy(&name[size_t{word} * 4], &value, 4);
      }
      return -EALREADY;
    });
    if (result == -EALREADY) names.emplace_back(name, strnlen(name, sizeof(name)));
  }
  return names;
}

}  // namespace uarena

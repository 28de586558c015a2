// SPDX-License-Identifier: Apache-2.0
#include "pages/roots.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

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
         transaction.Read(entry + kRootOffsetHigh) != 0 ||
         transaction.Read(entry + kRootBuilder) != 0;
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

uint64_t OffsetOf(Transaction& transaction, uint64_t entry) {
  return (uint64_t{transaction.Read(entry + kRootOffsetHigh)} << 32 |
          transaction.Read(entry + kRootOffsetLow)) -
         1;
}

void WriteText(Transaction& transaction, uint64_t first, std::string_view text, uint32_t bytes) {
  text = text.substr(0, bytes - 1);
  for (uint32_t at = 0; at < bytes; at += 4) {
    uint32_t value = 0;
    if (at < text.size()) memcpy(&value, &text[at], std::min<size_t>(4, text.size() - at));
    transaction.Write(first + at / 4, value);
  }
}

std::string ReadText(Transaction& transaction, uint64_t first, uint32_t bytes) {
  std::string text(bytes, '\0');
  for (uint32_t at = 0; at < bytes; at += 4) {
    const uint32_t value = transaction.Read(first + at / 4);
    memcpy(&text[at], &value, 4);
  }
  text.resize(strnlen(text.data(), bytes));
  return text;
}

void WriteType(Transaction& transaction, uint64_t entry, const RootType& type) {
  transaction.Write(entry + kRootTypeVersion, type.version);
  transaction.Write(entry + kRootTypeSizeLow, static_cast<uint32_t>(type.size));
  transaction.Write(entry + kRootTypeSizeHigh, static_cast<uint32_t>(type.size >> 32));
  WriteText(transaction, entry + kRootTypeName, type.name, kRootTypeBytes);
}

// The entry of a name that may be set: its own, or a vacant one, which gets the name. 0: none.
uint64_t PlaceFor(Transaction& transaction, const Place& place, const NameWords& name) {
  if (place.found.has_value()) return *place.found;
  if (!place.vacant.has_value()) return 0;
  for (uint32_t i = 0; i < kNameWords; ++i) {
    transaction.Write(*place.vacant + kRootName + i, name[i]);
  }
  return *place.vacant;
}

// Calls visit(transaction, entry) in a transaction for the root that `builder` constructs.
template <typename Visit>
bool WithClaim(const Control& control, uint32_t operation, uint32_t builder, Visit visit) {
  for (uint32_t i = 0; i < kMaxRoots; ++i) {
    const uint64_t entry = EntryIndex(control, i);
    const int result = RunTransaction(control, operation, [&](Transaction& transaction) {
      if (transaction.Read(entry + kRootBuilder) != builder) return -ENOENT;
      visit(transaction, entry);
      return 0;
    });
    if (result == 0) return true;
  }
  return false;
}

}  // namespace

int SetRoot(const Control& control, uint32_t process_slot, std::string_view name, uint64_t offset,
            const RootType& type) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  const NameWords words = Pack(name);
  return RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const uint64_t entry = PlaceFor(transaction, Look(transaction, words), words);
    if (entry == 0) return -ENOSPC;
    if (transaction.Read(entry + kRootBuilder) != 0) return -EBUSY;
    WriteOffset(transaction, entry, offset + 1);
    WriteType(transaction, entry, type);
    return 0;
  });
}

int ClaimRoot(const Control& control, uint32_t process_slot, std::string_view name,
              const RootType& type, uint32_t builder) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  const NameWords words = Pack(name);
  return RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, words);
    if (place.found.has_value()) return -EEXIST;
    const uint64_t entry = PlaceFor(transaction, place, words);
    if (entry == 0) return -ENOSPC;
    transaction.Write(entry + kRootBuilder, builder);
    WriteType(transaction, entry, type);
    return 0;
  });
}

int FinishRoot(const Control& control, uint32_t process_slot, std::string_view name,
               uint32_t builder, uint64_t offset) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  return RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, Pack(name));
    if (!place.found.has_value() || transaction.Read(*place.found + kRootBuilder) != builder) {
      return -ENOENT;
    }
    transaction.Write(*place.found + kRootBuilder, 0);
    WriteOffset(transaction, *place.found, offset + 1);
    return 0;
  });
}

bool ConstructsRoot(const Control& control, uint32_t operation, uint32_t builder) {
  return WithClaim(control, operation, builder, [](Transaction&, uint64_t) {});
}

void DropClaim(const Control& control, uint32_t operation, uint32_t builder) {
  WithClaim(control, operation, builder, [](Transaction& transaction, uint64_t entry) {
    transaction.Write(entry + kRootBuilder, 0);
  });
}

int RemoveRoot(const Control& control, uint32_t process_slot, std::string_view name,
               std::optional<uint64_t> offset) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  return RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, Pack(name));
    if (!place.found.has_value()) return -ENOENT;
    if (transaction.Read(*place.found + kRootBuilder) != 0) return -EBUSY;
    if (offset.has_value() && OffsetOf(transaction, *place.found) != *offset) return -ENOENT;
    WriteOffset(transaction, *place.found, 0);
    return 0;
  });
}

int FindRoot(const Control& control, uint32_t process_slot, std::string_view name,
             FoundRoot* root) {
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return -EUSERS;
  const int result = RunTransaction(control, operation.index(), [&](Transaction& transaction) {
    const Place place = Look(transaction, Pack(name));
    if (!place.found.has_value()) return -ENOENT;
    auto read = [&](RootWord word) { return transaction.Read(*place.found + word); };
    root->offset = OffsetOf(transaction, *place.found);
    root->builder = read(kRootBuilder);
    root->type.version = read(kRootTypeVersion);
    root->type.size = uint64_t{read(kRootTypeSizeHigh)} << 32 | read(kRootTypeSizeLow);
    root->type.name = ReadText(transaction, *place.found + kRootTypeName, kRootTypeBytes);
    return -EALREADY;  // found; nothing to commit
  });
  return result == -EALREADY ? 0 : result;
}

std::vector<std::string> RootNames(const Control& control, uint32_t process_slot) {
  std::vector<std::string> names;
  const Operation operation(control, process_slot);
  if (operation.index() == 0) return names;
  for (uint32_t i = 0; i < kMaxRoots; ++i) {
    std::string name;
    const int result = RunTransaction(control, operation.index(), [&](Transaction& transaction) {
      const uint64_t entry = EntryIndex(control, i);
      if (!InUse(transaction, entry) || transaction.Read(entry + kRootBuilder) != 0) {
        return -ENOENT;
      }
      name = ReadText(transaction, entry + kRootName, kRootNameBytes);
      return -EALREADY;
    });
    if (result == -EALREADY) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace uarena

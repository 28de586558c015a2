// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_SELECT_H_
#define UARENA_BENCH_SUPPORT_SELECT_H_

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace uarena::bench {

// Whether `name` is to be kept; no names: everything is.
inline bool IsSelected(const std::vector<std::string>& names, const std::string& name) {
  return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
}

// Those of `all` whose name() is selected, in the order of `all`.
template <typename Named>
std::vector<std::unique_ptr<Named>> SelectByName(std::vector<std::unique_ptr<Named>> all,
                                                 const std::vector<std::string>& names) {
  std::erase_if(
      all, [&](const std::unique_ptr<Named>& item) { return !IsSelected(names, item->name()); });
  return all;
}

// Adds the name() of each.
template <typename Named>
void AddNames(const std::vector<std::unique_ptr<Named>>& all, std::vector<std::string>* names) {
  for (const auto& item : all) names->push_back(item->name());
}

// InvalidArgument, naming `flag`, if one of `names` is not `known`.
inline absl::Status CheckNames(const char* flag, const std::vector<std::string>& names,
                               const std::vector<std::string>& known) {
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": there is no \"", name, "\"; there are ", absl::StrJoin(known, ", ")));
  }
  return absl::OkStatus();
}

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_SELECT_H_

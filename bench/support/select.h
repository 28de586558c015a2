// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_SELECT_H_
#define UARENA_BENCH_SUPPORT_SELECT_H_

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace uarena::bench {

// Those of `all` whose name() is in `names`, in the order of `all`; no names: all of them.
// InvalidArgument, naming `flag`, if there is none of a name.
template <typename Named>
absl::StatusOr<std::vector<std::unique_ptr<Named>>> SelectByName(
    const char* flag, std::vector<std::unique_ptr<Named>> all,
    const std::vector<std::string>& names) {
  std::vector<std::string> known;
  known.reserve(all.size());
  for (const auto& item : all) known.push_back(item->name());
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": there is no \"", name, "\"; there are ", absl::StrJoin(known, ", ")));
  }
  if (!names.empty()) {
    std::erase_if(all, [&](const std::unique_ptr<Named>& item) {
      return std::find(names.begin(), names.end(), item->name()) == names.end();
    });
  }
  return all;
}

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_SELECT_H_

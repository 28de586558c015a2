// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_TESTS_SUPPORT_MODES_H_
#define UARENA_TESTS_SUPPORT_MODES_H_

#include <algorithm>
#include <string>

#include "gtest/gtest.h"
#include "uarena/arena.h"

namespace uarena::testing {

// The modes that need no daemon.
inline auto EmbeddedModes() {
  return ::testing::Values(FaultMode::kInPlace, FaultMode::kThread, FaultMode::kKernel);
}

// A GoogleTest name for a mode.
inline std::string ModeName(const ::testing::TestParamInfo<FaultMode>& test) {
  std::string name(FaultModeName(test.param));
  name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
  return name;
}

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_MODES_H_

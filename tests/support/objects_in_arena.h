// SPDX-License-Identifier: Apache-2.0
//
// A fixture for what lies in an arena and is shared with forked children.
#ifndef UARENA_TESTS_SUPPORT_OBJECTS_IN_ARENA_H_
#define UARENA_TESTS_SUPPORT_OBJECTS_IN_ARENA_H_

#include <signal.h>

#include <memory>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "tests/support/arena_process.h"
#include "uarena/arena.h"

namespace uarena::testing {

// Objects, of at most a page, lie in zeroed memory; nothing is constructed. They have an atomic
// `step`, by which the test and its children wait for one another.
template <typename Objects>
class ObjectsInArenaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ArenaOptions options;
    options.max_pages = 16;
    arena_ = std::make_unique<Arena>(std::move(Arena::Create(options)).value());
    objects_ = static_cast<Objects*>(arena_->AllocPages(nullptr, 1).value());
  }
  void WaitForStep(int step) const {
    while (objects_->step.load() != step) std::this_thread::yield();
  }
  static void Kill(pid_t child) {
    kill(child, SIGKILL);
    ASSERT_EQ(Wait(child), 1000 + SIGKILL);
  }

  std::unique_ptr<Arena> arena_;
  Objects* objects_ = nullptr;
};

}  // namespace uarena::testing

#endif  // UARENA_TESTS_SUPPORT_OBJECTS_IN_ARENA_H_

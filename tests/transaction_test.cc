// SPDX-License-Identifier: Apache-2.0
//
// Transactions are atomic whatever happens to those who make them: threads race, processes are
// killed and stopped in the middle, and a group of words must always be seen to change together.
#include "pages/transaction.h"

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "pages/control.h"
#include "tests/support/arena_process.h"

namespace uarena {
namespace {

using testing::Fork;
using testing::Shared;
using testing::Wait;

Control MakeControl() {
  ArenaDescription description;
  description.geometry = {uint64_t{1} << 44, 1000, 12, false};
  absl::StatusOr<Control> control = Control::Create(description);
  EXPECT_TRUE(control.ok()) << control.status();
  return *std::move(control);
}

constexpr int kGroup = 10;

// Adds 1 to every word of the group, which must all be equal.
int AddToAll(const Control& control, uint32_t operation) {
  return RunTransaction(control, operation, [&](Transaction& transaction) {
    const uint64_t first = control.layout().roots;
    const uint32_t value = transaction.Read(first);
    for (int i = 0; i < kGroup; ++i) {
      if (transaction.Read(first + i) != value) return -1;
      transaction.Write(first + i, value + 1);
    }
    return 0;
  });
}

TEST(TransactionTest, ReadsItsOwnWritesAndForgetsThemOnBegin) {
  const Control control = MakeControl();
  const uint64_t word = control.layout().roots;
  Transaction transaction(control, 1);
  transaction.Begin();
  transaction.Write(word, 5);
  EXPECT_EQ(transaction.Read(word), 5u);
  transaction.Begin();
  EXPECT_EQ(transaction.Read(word), 0u);
  transaction.Write(word, 6);
  transaction.Write(word, 7);
  EXPECT_TRUE(transaction.Commit());
  EXPECT_EQ(WordValue(control.word(word).load()), 7u);
}

TEST(TransactionTest, LosesToWhoCommitsFirst) {
  const Control control = MakeControl();
  Transaction first(control, 1);
  Transaction second(control, 2);
  first.Begin();
  second.Begin();
  first.Write(control.layout().roots, 1);
  second.Write(control.layout().roots, 2);
  EXPECT_TRUE(second.Commit());
  EXPECT_FALSE(first.Validate());
  EXPECT_FALSE(first.Commit());
  EXPECT_EQ(WordValue(control.word(control.layout().roots).load()), 2u);
}

TEST(TransactionTest, ThreadsNeverSeeHalfOfOne) {
  const Control control = MakeControl();
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (uint32_t id = 1; id <= kThreads; ++id) {
    threads.emplace_back([&, id] {
      for (int i = 0; i < kRounds; ++i) failures += AddToAll(control, id) != 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(WordValue(control.word(control.layout().roots).load()),
            static_cast<uint32_t>(kThreads * kRounds));
}

TEST(TransactionTest, OthersGoOnWhenOneIsKilledOrStopped) {
  const Control control = MakeControl();
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<pid_t> children;
    Shared<std::atomic<int>> failures;
    for (uint32_t id = 1; id <= 2; ++id) {
      children.push_back(Fork([&, id] {
        while (true) *failures += AddToAll(control, id) != 0;
        return 0;
      }));
    }
    usleep(random() % 2000);
    kill(children[0], SIGKILL);
    kill(children[1], SIGSTOP);
    for (int i = 0; i < 100; ++i) ASSERT_EQ(AddToAll(control, 3), 0) << "round " << round;
    // What the stopped one was about to write must not land now.
    kill(children[1], SIGCONT);
    usleep(random() % 500);
    kill(children[1], SIGKILL);
    for (const pid_t child : children) Wait(child);
    ASSERT_EQ(AddToAll(control, 3), 0) << "round " << round;
    ASSERT_EQ(failures->load(), 0) << "round " << round;
  }
}

}  // namespace
}  // namespace uarena

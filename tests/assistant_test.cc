// SPDX-License-Identifier: Apache-2.0
//
// Work that is split between a caller and the assistant: every chunk is done once, by the time Run
// returns, whoever else runs something meanwhile.
#include "os/assistant.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "fault/spin.h"
#include "gtest/gtest.h"
#include "tests/support/arena_process.h"

namespace uarena {
namespace {

class CountedWork final : public SplitWork {
 public:
  void DoChunk(uint32_t chunk) override {
    done_[chunk].fetch_add(1);
    // Long enough for the other thread to take some.
    for (int i = 0; i < 2000; ++i) spin_.fetch_add(1, std::memory_order_relaxed);
  }
  bool EachOnce(uint32_t chunks) const {
    for (uint32_t i = 0; i < done_.size(); ++i) {
      if (done_[i].load() != (i < chunks ? 1 : 0)) return false;
    }
    return true;
  }

 private:
  std::array<std::atomic<int>, 100> done_{};
  std::atomic<int> spin_{0};
};

class StepsLeft final : public IdleWork {
 public:
  explicit StepsLeft(int steps) : left_(steps) {}
  bool Step() override { return left_.fetch_sub(1) > 1; }
  int left() const { return left_.load(); }

 private:
  std::atomic<int> left_;
};

class AssistantTest : public ::testing::Test {
 protected:
  void SetUp() override {
    assistant_ = Assistant::Get();
    if (assistant_ == nullptr) GTEST_SKIP() << "only one processor to run on";
  }
  std::shared_ptr<Assistant> assistant_;
};

TEST_F(AssistantTest, OneForTheProcess) { EXPECT_EQ(Assistant::Get(), assistant_); }

TEST_F(AssistantTest, EveryChunkOnce) {
  for (uint32_t round = 0; round < 1000; ++round) {
    CountedWork work;
    const uint32_t chunks = round % 100;
    assistant_->Run(work, chunks);
    ASSERT_TRUE(work.EachOnce(chunks)) << "round " << round;
    if (round % 500 == 0) usleep(1000);  // let it fall asleep
  }
}

TEST_F(AssistantTest, SeveralCallersAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 500; ++round) {
        CountedWork work;
        assistant_->Run(work, 20);
        wrong += !work.EachOnce(20);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST_F(AssistantTest, IdleWorkIsSteppedThroughAndCanBeRemoved) {
  StepsLeft finite(10);
  assistant_->AddIdle(&finite);
  for (int i = 0; i < 2000 && finite.left() > 0; ++i) usleep(1000);
  EXPECT_EQ(finite.left(), 0);
  StepsLeft endless(1 << 30);
  assistant_->AddIdle(&endless);
  CountedWork work;
  assistant_->Run(work, 50);
  EXPECT_TRUE(work.EachOnce(50));
  assistant_->RemoveIdle(&endless);
  const int left = endless.left();
  usleep(2000);
  EXPECT_EQ(endless.left(), left);
  assistant_->RemoveIdle(&finite);  // removed before: nothing to do
}

TEST_F(AssistantTest, AForkedChildHasItsOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer does not know threads that a forked child starts";
#endif
  const pid_t child = testing::Fork([&] {
    Assistant::AbandonInChild();
    CountedWork alone;
    assistant_->Run(alone, 10);
    const std::shared_ptr<Assistant> own = Assistant::Get();
    CountedWork shared;
    own->Run(shared, 10);
    return own != assistant_ && alone.EachOnce(10) && shared.EachOnce(10) ? 0 : 1;
  });
  EXPECT_EQ(testing::Wait(child), 0);
}

TEST(SpinPolicyTest, LooksWhileFaultsComeSoon) {
  SpinPolicy spin;
  EXPECT_FALSE(spin.KeepLooking(1'000'000));
  spin.Served(1'000'000, 1'010'000);  // the first: nothing says that more will come
  EXPECT_FALSE(spin.KeepLooking(1'010'001));
  spin.Served(1'030'000, 1'040'000);  // 20 µs after the last
  EXPECT_TRUE(spin.KeepLooking(1'040'001));
  EXPECT_TRUE(spin.KeepLooking(1'139'999));
  EXPECT_FALSE(spin.KeepLooking(1'140'000));
  spin.Served(2'000'000, 2'010'000);  // late
  EXPECT_FALSE(spin.KeepLooking(2'010'001));
}

}  // namespace
}  // namespace uarena

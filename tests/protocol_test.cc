// SPDX-License-Identifier: Apache-2.0
//
// Frames: what is sent arrives, and what a peer may send instead is refused.
#include "ipc/protocol.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ipc/channel.h"

namespace uarena {
namespace {

class ChannelTest : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, GetParam(), 0, fds), 0);
    left_.reset(fds[0]);
    right_.reset(fds[1]);
  }
  UniqueFd left_;
  UniqueFd right_;
};

TEST_P(ChannelTest, FramesAndDescriptorsArrive) {
  NamePayload sent{};
  WriteText(sent.name, sizeof(sent.name), "name");
  const int fds[] = {STDIN_FILENO, STDOUT_FILENO};
  ASSERT_TRUE(SendFrame(left_.get(), FrameType::kRemove, sent, fds).ok());
  ASSERT_TRUE(SendFrame(left_.get(), FrameType::kDone, std::span<const uint8_t>(), {}).ok());
  absl::StatusOr<ReceivedFrame> received = ReceiveFrame(right_.get());
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->frame.header.type, FrameType::kRemove);
  EXPECT_EQ(received->fds.size(), 2u);
  NamePayload payload;
  ASSERT_TRUE(ReadPayload(received->frame, &payload).ok());
  EXPECT_EQ(ReadText(payload.name, sizeof(payload.name)), "name");
  received = ReceiveFrame(right_.get());
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->frame.header.type, FrameType::kDone);
}

TEST_P(ChannelTest, HangUpAndGarbage) {
  ASSERT_EQ(write(left_.get(), "garbage in front of a header", 28), 28);
  EXPECT_TRUE(absl::IsInvalidArgument(ReceiveFrame(right_.get()).status()));
  left_.reset();
  while (absl::IsInvalidArgument(ReceiveFrame(right_.get()).status())) {
  }
  EXPECT_TRUE(absl::IsUnavailable(ReceiveFrame(right_.get()).status()));
  EXPECT_TRUE(absl::IsUnavailable(
      SendFrame(right_.get(), FrameType::kDone, std::span<const uint8_t>(), {})));
}

INSTANTIATE_TEST_SUITE_P(Sockets, ChannelTest, ::testing::Values(SOCK_SEQPACKET, SOCK_STREAM),
                         [](const auto& test) {
                           return test.param == SOCK_STREAM ? "Stream" : "Packets";
                         });

TEST(FrameTest, VersionIsCheckedAndSaid) {
  Frame frame{};
  frame.header.version = 99;
  const absl::Status status = CheckFrame(frame, sizeof(FrameHeader));
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("version 99"));
}

TEST(FrameTest, LengthsMustAgree) {
  Frame frame{};
  frame.header.payload_bytes = 10;
  EXPECT_TRUE(absl::IsInvalidArgument(CheckFrame(frame, sizeof(FrameHeader))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckFrame(frame, 3)));
  EXPECT_TRUE(CheckFrame(frame, sizeof(FrameHeader) + 10).ok());
  OpenPayload payload;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadPayload(frame, &payload)));
}

TEST(FrameTest, RandomBytesAreRefusedOrRead) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    Frame frame;
    for (size_t at = 0; at < 128; at += 8) {
      const uint64_t word = random();
      memcpy(reinterpret_cast<char*>(&frame) + at, &word, 8);
    }
    if (i % 2 == 0) {
      frame.header = FrameHeader{};
      frame.header.payload_bytes = random() % 100;
    }
    const size_t bytes = random() % 200;
    if (!CheckFrame(frame, bytes).ok()) continue;
    ErrorPayload error;
    if (ReadPayload(frame, &error).ok()) {
      EXPECT_FALSE(ReadError(error).ok());
    }
  }
}

TEST(ErrorTest, SurvivesTheWire) {
  const absl::Status status = absl::OutOfRangeError("page 7 is not there");
  EXPECT_EQ(ReadError(MakeError(status)), status);
  ErrorPayload claims_ok{};
  EXPECT_FALSE(ReadError(claims_ok).ok());
  claims_ok.code = 12345;
  EXPECT_FALSE(ReadError(claims_ok).ok());
}

TEST(NameTest, Rules) {
  EXPECT_TRUE(CheckName("name", "a").ok());
  EXPECT_TRUE(CheckName("name", "Ab.9_-").ok());
  EXPECT_TRUE(CheckName("name", std::string(63, 'x')).ok());
  for (const std::string& bad : {std::string(), std::string(64, 'x'), std::string("a/b"),
                                 std::string("a b"), std::string("a\0b", 3), std::string("\xff")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckName("name", bad))) << bad;
  }
}

}  // namespace
}  // namespace uarena

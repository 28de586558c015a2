// SPDX-License-Identifier: Apache-2.0
//
// Frames: any bytes, of any length that could have arrived, are refused or read, by every reader of
// payloads that either side has.
//
// Input: two bytes, how much "arrived"; then the frame.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ipc/protocol.h"

namespace uarena {
namespace {

void Require(bool holds) {
  if (!holds) abort();
}

// A text field is terminated when written, and what is read of it is what fits.
template <size_t N>
void RoundTrip(const char (&field)[N]) {
  const std::string text = ReadText(field, N);
  Require(text.size() <= N && text.find('\0') == std::string::npos);
  char again[N];
  WriteText(again, N, text);
  Require(again[N - 1] == '\0');
  if (CheckName("name", text).ok()) Require(ReadText(again, N) == text && !text.empty());
}

template <typename T, typename Use>
void Read(const Frame& frame, Use use) {
  T payload;
  const absl::Status status = ReadPayload(frame, &payload);
  Require(status.ok() == (frame.header.payload_bytes == sizeof(T)));
  if (status.ok()) use(payload);
}

void Feed(const uint8_t* data, size_t size) {
  if (size < 2) return;
  uint16_t arrived = 0;
  memcpy(&arrived, data, sizeof(arrived));
  arrived = static_cast<uint16_t>(arrived % (sizeof(Frame) + 1));
  static Frame frame;
  memset(static_cast<void*>(&frame), 0, sizeof(frame));
  memcpy(static_cast<void*>(&frame), data + 2, std::min(size - 2, sizeof(frame)));
  const absl::Status status = CheckFrame(frame, arrived);
  if (!status.ok()) {
    Require(!status.message().empty());
    const ErrorPayload error = MakeError(status);
    Require(ReadError(error).code() == status.code());
    return;
  }
  Require(sizeof(FrameHeader) + frame.header.payload_bytes == arrived);
  Read<ErrorPayload>(frame, [](const ErrorPayload& error) { Require(!ReadError(error).ok()); });
  Read<OpenPayload>(frame, [](const OpenPayload& open) { RoundTrip(open.name); });
  Read<NamePayload>(frame, [](const NamePayload& name) { RoundTrip(name.name); });
  Read<GetRootsPayload>(frame, [](const GetRootsPayload& roots) { RoundTrip(roots.name); });
  Read<ListedPayload>(frame, [](const ListedPayload& listed) {
    for (size_t i = 0; i < std::min<size_t>(listed.count, kListEntries); ++i) {
      RoundTrip(listed.entries[i].name);
    }
  });
  Read<RootsPayload>(frame, [](const RootsPayload& roots) {
    for (size_t i = 0; i < std::min<size_t>(roots.count, kRootEntries); ++i) {
      RoundTrip(roots.entries[i].name);
    }
  });
  Read<OpenedPayload>(frame, [](const OpenedPayload&) {});
  Read<ServePayload>(frame, [](const ServePayload&) {});
  Read<StatsPayload>(frame, [](const StatsPayload&) {});
  Read<RefusedPayload>(frame, [](const RefusedPayload&) {});
}

}  // namespace
}  // namespace uarena

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uarena::Feed(data, size);
  return 0;
}

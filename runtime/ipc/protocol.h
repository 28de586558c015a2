// SPDX-License-Identifier: Apache-2.0
//
// What clients and the daemon say to each other over a SOCK_SEQPACKET Unix socket: one frame is one
// packet, a header and a payload of fixed layout, with file descriptors beside it.
//
// A frame of another version is answered by an error frame, whose header carries the answerer's
// version, so that either side can say which versions met. The header's first eight bytes never
// change.
#ifndef UARENA_IPC_PROTOCOL_H_
#define UARENA_IPC_PROTOCOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace uarena {

inline constexpr uint32_t kFrameMagic = 0x6e726175;  // "uarn"
inline constexpr uint16_t kProtocolVersion = 2;
inline constexpr size_t kMaxFrame = 4096;
inline constexpr size_t kMaxFrameFds = 3;
inline constexpr size_t kArenaNameBytes = 64;

enum class FrameType : uint16_t {
  kError = 1,
  kDone,
  kOpen,  // → kOpened with the data and the control memfd and the deed; read-only: the data alone
  kOpened,
  kServe,  // with the client's uffd → kDone: from now on the daemon resolves its faults
  kList,   // → kListed
  kListed,
  kRemove,    // → kDone
  kRefused,   // daemon → client, unasked: a thread's touch is refused; it is to get SIGSEGV
  kArena,     // between clients: an arena's two memfds (Arena::Send)
  kHandBack,  // with data, control and deed, to a daemon that may not know them → kOpened
  kGetRoots,  // of a read-only attach → kRoots
  kRoots,
  kGetStats,  // of a read-only attach → kStats
  kStats,
};

struct FrameHeader {
  uint32_t magic = kFrameMagic;
  uint16_t version = kProtocolVersion;
  FrameType type{};
  uint32_t payload_bytes = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(FrameHeader) == 16);

struct ErrorPayload {
  uint32_t code;  // absl::StatusCode
  char message[1020];
};

enum OpenFlags : uint32_t {
  kOpenCreate = 1,
  kOpenHuge = 2,
  kOpenSegvOnFault = 4,
  kOpenReadOnly = 8,
};

struct OpenPayload {
  char name[kArenaNameBytes];
  uint64_t max_pages;
  uint64_t user_vm_start;
  uint64_t quota_pages;
  uint32_t flags;
  uint32_t max_populate_pages;
  int32_t numa_node;
  uint32_t mode;  // of a new arena, as chmod(2) has it
};

// Drawn at random for every new arena: a name may be given again, an id is not.
using ArenaId = std::array<uint8_t, 16>;

enum OpenedFlags : uint32_t {
  kOpenedHuge = 1,
  kOpenedSegvOnFault = 2,
};

struct OpenedPayload {
  ArenaId id;
  uint64_t base;
  uint64_t max_pages;
  uint32_t page_shift;
  uint32_t flags;
};

struct ServePayload {
  uint32_t process_slot;
  uint32_t reserved;
};

struct NamePayload {
  char name[kArenaNameBytes];
};

struct ArenaEntry {
  char name[kArenaNameBytes];
  uint64_t base;
  uint64_t max_pages;
  uint64_t page_size;
  uint64_t allocated_pages;
  uint64_t populated_pages;
  uint32_t processes;
  uint32_t owner_uid;
  uint32_t owner_gid;
  uint32_t mode;
};

// Answers kList, whose NamePayload is the name to go on after; fewer entries than fit: the last
// page.
inline constexpr size_t kListEntries = 32;
struct ListedPayload {
  uint32_t count;
  uint32_t more;
  ArenaEntry entries[kListEntries];
};

struct RefusedPayload {
  uint64_t address;
  int32_t tid;
  uint32_t reserved;
};

static_assert(sizeof(FrameHeader) + sizeof(ListedPayload) <= kMaxFrame);

// The root `name`, or all of them if it is empty: from table entry `from` on.
struct GetRootsPayload {
  char name[kArenaNameBytes];
  uint32_t from;
  uint32_t reserved;
};

struct RootEntry {
  char name[kArenaNameBytes];
  uint64_t offset;
};

inline constexpr size_t kRootEntries = 32;
struct RootsPayload {
  uint32_t count;
  uint32_t next;  // the table entry to go on from; 0: there is none
  RootEntry entries[kRootEntries];
};

static_assert(sizeof(FrameHeader) + sizeof(RootsPayload) <= kMaxFrame);

struct StatsPayload {
  uint64_t allocated_pages;
  uint64_t reserved_pages;
  uint64_t ahead_pages;
  uint64_t kept_pages;
  uint64_t free_pages;
  uint64_t populated_pages;
  uint64_t processes;
};

// A received frame, its bytes still as the peer sent them.
struct Frame {
  FrameHeader header;
  alignas(8) uint8_t payload[kMaxFrame - sizeof(FrameHeader)];
};
static_assert(sizeof(Frame) == kMaxFrame);

// Checks magic, version, and that the lengths agree with what arrived. Errors: InvalidArgument,
// FailedPrecondition (version; the message has both).
absl::Status CheckFrame(const Frame& frame, size_t received_bytes);

// Copies the payload out as a T. Errors: InvalidArgument, if it is not exactly a T.
template <typename T>
absl::Status ReadPayload(const Frame& frame, T* payload);

// Text in fixed fields: always terminated when written, never trusted to be when read.
void WriteText(char* field, size_t bytes, std::string_view text);
std::string ReadText(const char* field, size_t bytes);

ErrorPayload MakeError(const absl::Status& status);
absl::Status ReadError(const ErrorPayload& payload);

// 1 to 63 bytes of letters, digits, '.', '_' and '-'. `what` begins the message. Errors:
// InvalidArgument.
absl::Status CheckName(absl::string_view what, std::string_view name);

// ---------------------------------------------------------------------------------------------

absl::Status WrongPayload(size_t expected, size_t found);

template <typename T>
absl::Status ReadPayload(const Frame& frame, T* payload) {
  if (frame.header.payload_bytes != sizeof(T)) {
    return WrongPayload(sizeof(T), frame.header.payload_bytes);
  }
  __builtin_memcpy(payload, frame.payload, sizeof(T));
  return absl::OkStatus();
}

}  // namespace uarena

#endif  // UARENA_IPC_PROTOCOL_H_

// SPDX-License-Identifier: Apache-2.0
#include "ipc/protocol.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace uarena {

absl::Status CheckFrame(const Frame& frame, size_t received_bytes) {
  if (received_bytes < sizeof(FrameHeader) || frame.header.magic != kFrameMagic) {
    return absl::InvalidArgumentError("what arrived is not a uarena frame");
  }
  if (frame.header.version != kProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the other side speaks protocol version ", frame.header.version, ", this one version ",
        kProtocolVersion, ": use the same release of uarenad and of the library"));
  }
  if (frame.header.payload_bytes != received_bytes - sizeof(FrameHeader)) {
    return absl::InvalidArgumentError(absl::StrCat("a frame announces ", frame.header.payload_bytes,
                                                   " bytes of payload and has ",
                                                   received_bytes - sizeof(FrameHeader)));
  }
  return absl::OkStatus();
}

absl::Status WrongPayload(size_t expected, size_t found) {
  return absl::InvalidArgumentError(
      absl::StrCat("a frame's payload has ", found, " bytes where its type has ", expected));
}

void WriteText(char* field, size_t bytes, std::string_view text) {
  const size_t used = std::min(bytes - 1, text.size());
  memcpy(field, text.data(), used);
  memset(field + used, 0, bytes - used);
}

std::string ReadText(const char* field, size_t bytes) {
  return std::string(field, strnlen(field, bytes));
}

ErrorPayload MakeError(const absl::Status& status) {
  ErrorPayload payload;
  payload.code = static_cast<uint32_t>(status.code());
  const absl::string_view message = status.message();
  WriteText(payload.message, sizeof(payload.message), {message.data(), message.size()});
  return payload;
}

absl::Status ReadError(const ErrorPayload& payload) {
  const auto code = static_cast<absl::StatusCode>(payload.code);
  const std::string message = ReadText(payload.message, sizeof(payload.message));
  // An unknown code, or an error that says "ok", is still an error.
  if (payload.code == 0 ||
      payload.code > static_cast<uint32_t>(absl::StatusCode::kUnauthenticated)) {
    return absl::UnknownError(message);
  }
  return absl::Status(code, message);
}

absl::Status CheckName(absl::string_view what, std::string_view name) {
  const absl::string_view text(name.data(), name.size());
  if (name.empty() || name.size() >= kArenaNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat(what, " \"", absl::CEscape(text), "\" has ",
                                                   name.size(), " bytes; 1 to ",
                                                   kArenaNameBytes - 1, " are allowed"));
  }
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '_' && c != '-') {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " \"", absl::CEscape(text),
                       "\": only letters, digits, '.', '_' and '-' are allowed"));
    }
  }
  return absl::OkStatus();
}

}  // namespace uarena

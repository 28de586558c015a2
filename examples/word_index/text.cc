// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace word_index {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = 64 << 20;
constexpr size_t kBinaryLookBytes = 8 << 10;

bool IsWordByte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte >= 128;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory) {
  std::error_code error;
  if (fs::is_regular_file(directory, error)) return std::vector<std::string>{directory};
  fs::recursive_directory_iterator at(directory, fs::directory_options::skip_permission_denied,
                                      error);
  if (error) return absl::NotFoundError(absl::StrCat(directory, ": ", error.message()));
  std::vector<std::string> files;
  for (; at != fs::recursive_directory_iterator(); at.increment(error)) {
    std::error_code ignored;  // a file that has just gone away is not a file
    if (at->is_regular_file(ignored)) files.push_back(at->path().string());
    if (error) break;
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<std::string> ReadText(const std::string& path) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error || size == 0 || size > kMaxFileBytes) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  const std::string_view start = std::string_view(text).substr(0, kBinaryLookBytes);
  if (text.empty() || start.find('\0') != std::string_view::npos) return std::nullopt;
  return text;
}

void FoldCase(char* text, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    if (text[i] >= 'A' && text[i] <= 'Z') text[i] = static_cast<char>(text[i] - 'A' + 'a');
  }
}

bool WordReader::Next(std::string_view* word) {
  const char* const end = rest_.data() + rest_.size();
  const char* const first = std::find_if(rest_.data(), end, IsWordByte);
  const char* const last = std::find_if_not(first, end, IsWordByte);
  rest_ = std::string_view(last, static_cast<size_t>(end - last));
  *word = std::string_view(first, static_cast<size_t>(last - first));
  return first != last;
}

}  // namespace word_index

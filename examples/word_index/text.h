// SPDX-License-Identifier: Apache-2.0
//
// Reading directories of text and cutting text into words. Knows nothing of arenas, so that the
// plain count which the index is checked against and the index itself see the same words.
#ifndef UARENA_EXAMPLES_WORD_INDEX_TEXT_H_
#define UARENA_EXAMPLES_WORD_INDEX_TEXT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace word_index {

// The regular files below `directory`, sorted. Symbolic links to files are followed, those to
// directories are not: they may form loops. A path of a file lists that file. Errors: NotFound.
absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& directory);

// The file's bytes, or nothing if it is unreadable, empty, larger than 64 MiB, or binary (has a NUL
// byte in its first 8 KiB).
std::optional<std::string> ReadText(const std::string& path);

// Makes ASCII letters lower case, in place.
void FoldCase(char* text, size_t size);

// Hands out the words of a text: runs of ASCII letters and digits and of bytes above 127, which
// keeps words in UTF-8 whole. The words point into the text.
class WordReader {
 public:
  explicit WordReader(std::string_view text) : rest_(text) {}
  // False at the end.
  bool Next(std::string_view* word);

 private:
  std::string_view rest_;
};

}  // namespace word_index

#endif  // UARENA_EXAMPLES_WORD_INDEX_TEXT_H_

// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"

namespace word_index {
namespace {

const char* RoleName(Role role) {
  switch (role) {
    case Role::kIndex:
      return "index";
    case Role::kQuery:
      return "query";
    case Role::kUpdate:
      return "update";
  }
  return "?";
}

// In microseconds, what `share` of the faults took at most. The histogram has powers of two, so
// this is the upper end of the bucket in which the fault lies.
double Percentile(const uarena::FaultStats& faults, double share) {
  const double wanted = share * static_cast<double>(faults.faults);
  uint64_t seen = 0;
  for (size_t i = 0; i < faults.resolve_ns_log2.size(); ++i) {
    seen += faults.resolve_ns_log2[i];
    if (seen != 0 && static_cast<double>(seen) >= wanted) {
      return static_cast<double>(uint64_t{2} << i) / 1000;
    }
  }
  return 0;
}

std::string BatchSizes(const uarena::FaultStats& faults) {
  std::string text;
  for (size_t i = 0; i < faults.batch_pages.size(); ++i) {
    if (faults.batch_pages[i] == 0) continue;
    const uint64_t low = uint64_t{1} << i;
    const std::string size = i == 0 ? "1" : absl::StrFormat("%d-%d", low, 2 * low - 1);
    absl::StrAppendFormat(&text, "  %s: %d", size, faults.batch_pages[i]);
  }
  return text.empty() ? "  none" : text;
}

}  // namespace

void PrintTable(const Table& table) {
  absl::PrintF("indexed %d files (%d skipped: binary, empty or unreadable), %d bytes of text\n",
               table.files.load(), table.files_skipped.load(), table.text_bytes.load());
  absl::PrintF("%d words, %d of them distinct\n", table.words.load(), table.distinct_words.load());
  std::vector<const Word*> words;
  for (uint64_t bucket = 0; bucket < kBuckets; ++bucket) {
    for (const Word* word = BucketWords(table, bucket); word != nullptr; word = word->next) {
      words.push_back(word);
    }
  }
  const size_t shown = std::min<size_t>(words.size(), 10);
  std::partial_sort(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(shown), words.end(),
                    [](const Word* a, const Word* b) { return a->count.load() > b->count.load(); });
  absl::PrintF("highest counts, updates included:");
  for (size_t i = 0; i < shown; ++i) {
    absl::PrintF(" %s %d", std::string(words[i]->view()), words[i]->count.load());
  }
  absl::PrintF("\n");
}

void PrintParticipantHeading() {
  absl::PrintF("%-8s %8s %-9s %11s %11s %8s %8s %9s %9s %9s\n", "process", "pid", "mode",
               "operations", "meanwhile", "faults", "pages", "mean us", "p50 us <", "p99 us <");
}

void PrintParticipant(const Participant& participant) {
  const uarena::FaultStats& faults = participant.faults;
  const double mean = faults.faults == 0 ? 0
                                         : static_cast<double>(faults.resolve_ns) /
                                               static_cast<double>(faults.faults) / 1000;
  absl::PrintF("%-8s %8d %-9s %11d %11d %8d %8d %9.1f %9.1f %9.1f\n", RoleName(participant.role),
               participant.pid, std::string(uarena::FaultModeName(participant.mode)),
               participant.operations.load(), participant.operations_while_indexing, faults.faults,
               faults.pages_populated, mean, Percentile(faults, 0.5), Percentile(faults, 0.99));
  absl::PrintF("         faults by the pages that each mapped:%s\n", BatchSizes(faults));
}

}  // namespace word_index

// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects/all_subjects.h"

#include "absl/strings/str_cat.h"
#include "bench/subjects/bpf_arena_subject.h"
#include "bench/subjects/naive_uffd_subject.h"
#include "bench/subjects/system_subjects.h"
#include "bench/subjects/uarena_subject.h"
#include "bench/support/select.h"

namespace uarena::bench {
namespace {

std::unique_ptr<Subject> InMode(FaultMode mode) {
  return std::make_unique<UarenaSubject>(UarenaSubjectName(mode), ArenaOptions{.fault_mode = mode});
}

Subjects AllSubjects(const std::string& uarenad) {
  Subjects subjects;
  subjects.push_back(InMode(FaultMode::kInPlace));
  subjects.push_back(InMode(FaultMode::kThread));
  subjects.push_back(std::make_unique<ServedSubject>(uarenad));
  subjects.push_back(InMode(FaultMode::kKernel));
  subjects.push_back(std::make_unique<UarenaSubject>(
      "uarena_zap", ArenaOptions{.fault_mode = FaultMode::kInPlace, .keep_freed_bytes = 0}));
  subjects.push_back(std::make_unique<UarenaSubject>(
      "uarena_2mib",
      ArenaOptions{.page_size = PageSize::k2MiB, .fault_mode = FaultMode::kInPlace}));
  subjects.push_back(std::make_unique<MemfdSubject>());
  subjects.push_back(std::make_unique<HugetlbSubject>());
  subjects.push_back(std::make_unique<AnonymousSubject>());
  subjects.push_back(std::make_unique<NaiveUffdSubject>());
  subjects.push_back(std::make_unique<BpfArenaSubject>());
  return subjects;
}

}  // namespace

Subjects MakeSubjects(const std::vector<std::string>& names, const std::string& uarenad) {
  return SelectByName(AllSubjects(uarenad), names);
}

std::string DefaultSubjectName() { return UarenaSubjectName(ProbeKernel().picked); }

Subjects MakeWindowSubjects() {
  Subjects subjects;
  for (uint32_t pages = 1; pages <= kLargestWindow; pages *= 2) {
    subjects.push_back(std::make_unique<UarenaSubject>(
        WindowSubjectName(pages),
        ArenaOptions{.fault_mode = FaultMode::kInPlace, .max_populate_pages = pages}));
  }
  return subjects;
}

std::string WindowSubjectName(uint32_t max_populate_pages) {
  return absl::StrCat("uarena_window_", max_populate_pages);
}

}  // namespace uarena::bench

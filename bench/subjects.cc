// SPDX-License-Identifier: Apache-2.0
#include "bench/subjects.h"

#include "bench/bpf_arena_subject.h"
#include "bench/select.h"
#include "bench/system_subjects.h"
#include "bench/uarena_subject.h"

namespace uarena::bench {
namespace {

std::vector<std::unique_ptr<Subject>> AllSubjects(const std::string& uarenad) {
  std::vector<std::unique_ptr<Subject>> subjects;
  for (const FaultMode mode : {FaultMode::kInPlace, FaultMode::kThread}) {
    subjects.push_back(
        std::make_unique<UarenaSubject>(UarenaSubjectName(mode), mode, PageSize::kSystem));
  }
  subjects.push_back(std::make_unique<ServedSubject>(uarenad));
  subjects.push_back(std::make_unique<UarenaSubject>(UarenaSubjectName(FaultMode::kKernel),
                                                     FaultMode::kKernel, PageSize::kSystem));
  subjects.push_back(
      std::make_unique<UarenaSubject>("uarena_2mib", FaultMode::kInPlace, PageSize::k2MiB));
  subjects.push_back(std::make_unique<MemfdSubject>());
  subjects.push_back(std::make_unique<AnonymousSubject>());
  subjects.push_back(std::make_unique<BpfArenaSubject>());
  return subjects;
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Subject>>> MakeSubjects(
    const std::vector<std::string>& names, const std::string& uarenad) {
  return SelectByName("--subjects", AllSubjects(uarenad), names);
}

std::string DefaultSubjectName() { return UarenaSubjectName(ProbeKernel().picked); }

}  // namespace uarena::bench

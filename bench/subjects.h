// SPDX-License-Identifier: Apache-2.0
//
// The list of subjects.
#ifndef UARENA_BENCH_SUBJECTS_H_
#define UARENA_BENCH_SUBJECTS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/subject.h"

namespace uarena::bench {

// The subjects called `names`, in the order of the report; no names: all. InvalidArgument if
// there is none of a name. `uarenad` is the daemon's program.
absl::StatusOr<std::vector<std::unique_ptr<Subject>>> MakeSubjects(
    const std::vector<std::string>& names, const std::string& uarenad);

// The subject that is uarena with default options on this kernel.
std::string DefaultSubjectName();

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_H_

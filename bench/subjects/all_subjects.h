// SPDX-License-Identifier: Apache-2.0
//
// The lists of subjects.
#ifndef UARENA_BENCH_SUBJECTS_ALL_SUBJECTS_H_
#define UARENA_BENCH_SUBJECTS_ALL_SUBJECTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/subjects/subject.h"

namespace uarena::bench {

using Subjects = std::vector<std::unique_ptr<Subject>>;

// The subjects called `names`, in the order of the report; no names: all. `uarenad` is the daemon's
// program.
Subjects MakeSubjects(const std::vector<std::string>& names, const std::string& uarenad);

// The subject that is uarena with default options on this kernel.
std::string DefaultSubjectName();

// uarena in place with each power of two up to kLargestWindow as `max_populate_pages`, and the name
// of such a subject: "uarena_window_16".
inline constexpr uint32_t kLargestWindow = 512;
Subjects MakeWindowSubjects();
std::string WindowSubjectName(uint32_t max_populate_pages);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_ALL_SUBJECTS_H_

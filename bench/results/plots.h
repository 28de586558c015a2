// SPDX-License-Identifier: Apache-2.0
//
// The charts that --plot draws, from rows.
#ifndef UARENA_BENCH_RESULTS_PLOTS_H_
#define UARENA_BENCH_RESULTS_PLOTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "bench/results/row.h"

namespace uarena::bench {

// Draws, each if `rows` has what it shows:
//   seq_first_touch.svg, scattered_first_touch.svg   the distribution of latencies, by subject
//   window.svg                                       ns per page against max_populate_pages
//   arena_size.svg                                   ns per one-page allocation against the size
absl::Status DrawPlots(const std::vector<Row>& rows, const std::string& directory);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_RESULTS_PLOTS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_COUNTERS_H_
#define UARENA_BENCH_SUPPORT_COUNTERS_H_

#include <map>
#include <string>

namespace uarena::bench {

// Whatever a repetition has to say besides times, by name: "faults", "rss_kib".
using Counters = std::map<std::string, double>;

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_COUNTERS_H_

// SPDX-License-Identifier: Apache-2.0
#ifndef UARENA_BENCH_SUPPORT_WARM_UP_H_
#define UARENA_BENCH_SUPPORT_WARM_UP_H_

#include <cstdint>

namespace uarena::bench {

// Has the kernel hand out and take back `bytes` of anonymous and memfd memory and, as far as the
// pool goes, `huge_bytes` of hugetlb memory, several times. In a virtual machine the first touch of
// a page that the guest has never used is a fault in the host, many times slower, and says nothing
// about any subject.
void WarmUpHostMemory(uint64_t bytes, uint64_t huge_bytes);

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUPPORT_WARM_UP_H_

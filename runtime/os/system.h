// SPDX-License-Identifier: Apache-2.0
//
// Facts about the machine that are asked at run time.
#ifndef UARENA_OS_SYSTEM_H_
#define UARENA_OS_SYSTEM_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace uarena {

// The system's page size in bytes.
size_t SystemPageSize();

// Bytes of memory and swap the machine has.
uint64_t TotalMemory();

// Whether NUMA node `node` exists and is online.
bool NodeOnline(int node);

// What this process has mapped in [start, start + length): the /proc/self/maps line, or "".
std::string DescribeMapping(uint64_t start, uint64_t length);

// Free 2 MiB pages in the system's pool, counting what it may still overcommit.
uint64_t FreeHugePages();

}  // namespace uarena

#endif  // UARENA_OS_SYSTEM_H_

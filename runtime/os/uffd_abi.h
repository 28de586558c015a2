// SPDX-License-Identifier: Apache-2.0
//
// The userfaultfd interface, with what distribution headers are too old to name. Whether the
// running kernel has a feature is asked of the kernel, never of the header.
#ifndef UARENA_OS_UFFD_ABI_H_
#define UARENA_OS_UFFD_ABI_H_

#include <linux/userfaultfd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

#endif  // UARENA_OS_UFFD_ABI_H_

// SPDX-License-Identifier: Apache-2.0
#include "bench/objects/boost_heap.h"

#if UARENA_BENCH_BOOST

#include <sys/statvfs.h>
#include <unistd.h>

#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/shared_memory_object.hpp>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace uarena::bench {
namespace {

namespace bip = boost::interprocess;

constexpr char kSharedMemory[] = "/dev/shm";

class BoostHeap : public BenchHeap {
 public:
  explicit BoostHeap(bip::managed_shared_memory segment) : segment_(std::move(segment)) {}

  void* Allocate(size_t size) override { return segment_.allocate(size, std::nothrow); }
  bool Free(void* block, size_t /*size*/) override {
    segment_.deallocate(block);
    return true;
  }

  // Free bytes between blocks are not counted: there is no asking how many the segment could do
  // without.
  void StartCounting() override { others_ = Taken(); }
  std::optional<double> UsedBytes() override { return static_cast<double>(Taken() - others_); }

 private:
  size_t Taken() const { return segment_.get_size() - segment_.get_free_memory(); }

  bip::managed_shared_memory segment_;
  size_t others_ = 0;
};

}  // namespace

absl::Status BoostHeapSubject::CheckAvailable(const HeapNeed& need) {
  struct statvfs fs = {};
  if (statvfs(kSharedMemory, &fs) != 0) {
    return absl::UnimplementedError(absl::StrCat("there is no ", kSharedMemory));
  }
  const uint64_t free = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  if (free > need.bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("needs ", need.bytes, " bytes of ", kSharedMemory, " and ", free, " are free"));
}

absl::StatusOr<std::unique_ptr<BenchHeap>> BoostHeapSubject::Make(const HeapNeed& need) {
  const std::string name = absl::StrCat("uarena-bench-", getpid());
  try {
    bip::shared_memory_object::remove(name.c_str());
    bip::managed_shared_memory segment(bip::create_only, name.c_str(), need.bytes);
    // Children inherit the mapping, so nobody needs the name, and nothing stays if they are killed.
    bip::shared_memory_object::remove(name.c_str());
    return std::make_unique<BoostHeap>(std::move(segment));
  } catch (const bip::interprocess_exception& error) {
    return absl::UnavailableError(absl::StrCat("managed_shared_memory: ", error.what()));
  }
}

}  // namespace uarena::bench

#else

namespace uarena::bench {

absl::Status BoostHeapSubject::CheckAvailable(const HeapNeed& /*need*/) {
  return absl::UnimplementedError("not built: no Boost headers");
}

absl::StatusOr<std::unique_ptr<BenchHeap>> BoostHeapSubject::Make(const HeapNeed& need) {
  return CheckAvailable(need);
}

}  // namespace uarena::bench

#endif

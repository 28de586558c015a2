// SPDX-License-Identifier: Apache-2.0
//
// The contract of the batched mapper, on ranges with every mixture of holes, existing and mapped
// pages.
#include "memory/mapper.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "memory/backing.h"
#include "memory/region.h"
#include "os/features.h"
#include "os/syscall.h"
#include "os/system.h"
#include "os/uffd_abi.h"

namespace uarena {
namespace {

class Runs final : public ExistingVisitor {
 public:
  void OnExisting(uint64_t first, uint64_t count) override {
    for (uint64_t page = first; page < first + count; ++page) pages.push_back(page);
  }
  std::vector<uint64_t> pages;
};

class MapperTest : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr uint64_t kPages = 64;

  void SetUp() override {
    if (GetParam() && !Uffd().available) GTEST_SKIP() << Uffd().reason;
    geometry_.page_shift = static_cast<uint32_t>(__builtin_ctzl(SystemPageSize()));
    geometry_.max_pages = kPages;
    data_ = std::move(CreateBacking("mapper-test", geometry_.bytes(), false)).value();
    region_ = std::move(Region::Reserve(0, geometry_.bytes(), geometry_.page_size())).value();
    geometry_.base = region_.base();
    ASSERT_TRUE(region_.MapBacking(data_.get()).ok());
    if (GetParam()) {
      bool kernel_faults = false;
      uffd_.reset(sys::Userfaultfd(UFFD_FEATURE_SIGBUS, &kernel_faults));
      ASSERT_TRUE(uffd_.valid());
      ASSERT_EQ(sys::UffdRegisterMissing(uffd_.get(), geometry_.base, geometry_.bytes()), 0);
    }
    mapper_ = Mapper(geometry_, data_.get(), uffd_.get());
  }

  char* Page(uint64_t page) { return reinterpret_cast<char*>(geometry_.AddressOf(page)); }
  uint64_t Resident() { return ResidentPages(data_.get(), geometry_.page_size()).value(); }

  Geometry geometry_;
  UniqueFd data_;
  Region region_;
  UniqueFd uffd_;
  Mapper mapper_;
};

TEST_P(MapperTest, ArgumentsAreCheckedAndNothingChanges) {
  EXPECT_EQ(mapper_.Map(0, 0, nullptr, -1).error, -EINVAL);
  EXPECT_EQ(mapper_.Map(kPages, 1, nullptr, -1).error, -ERANGE);
  EXPECT_EQ(mapper_.Map(kPages - 1, 2, nullptr, -1).error, -ERANGE);
  EXPECT_EQ(mapper_.Map(1, UINT64_MAX, nullptr, -1).error, -ERANGE);
  EXPECT_EQ(mapper_.Zap(kPages, 1), -ERANGE);
  Geometry huge_arena = geometry_;
  huge_arena.max_pages = uint64_t{1} << 34;
  EXPECT_EQ(
      Mapper(huge_arena, data_.get(), uffd_.get()).Map(0, uint64_t{1} << 34, nullptr, -1).error,
      -E2BIG);
  EXPECT_EQ(Resident(), 0u);
}

TEST_P(MapperTest, FreshRange) {
  Runs existing;
  const MapResult result = mapper_.Map(3, 20, &existing, -1);
  EXPECT_EQ(result.error, 0);
  EXPECT_EQ(result.done, 20u);
  EXPECT_TRUE(existing.pages.empty());
  EXPECT_EQ(Resident(), 20u);
  for (uint64_t page = 3; page < 23; ++page) EXPECT_EQ(*Page(page), 0);
}

TEST_P(MapperTest, FirstAndLastPage) {
  EXPECT_EQ(mapper_.Map(0, 1, nullptr, -1).done, 1u);
  EXPECT_EQ(mapper_.Map(kPages - 1, 1, nullptr, -1).done, 1u);
  *Page(0) = *Page(kPages - 1) = 1;
  EXPECT_EQ(mapper_.Map(0, kPages, nullptr, -1).done, kPages);
  EXPECT_EQ(*Page(0) + *Page(kPages - 1), 2);
}

TEST_P(MapperTest, PagesThatAreThereAreKeptAndReported) {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    ASSERT_EQ(mapper_.Zap(0, kPages), 0);
    std::vector<char> expected(kPages, 0);
    std::vector<uint64_t> exists;
    for (uint64_t page = 0; page < kPages; ++page) {
      const uint32_t kind = random() % 4;
      if (kind >= 2) continue;  // a hole
      expected[page] = static_cast<char>(page + 1);
      exists.push_back(page);
      ASSERT_EQ(pwrite(data_.get(), &expected[page], 1, page << geometry_.page_shift), 1);
      if (kind == 1) {  // mapped, too
        ASSERT_EQ(mapper_.Map(page, 1, nullptr, -1).done, 1u);
      }
    }
    Runs existing;
    const MapResult result = mapper_.Map(0, kPages, &existing, -1);
    ASSERT_EQ(result.error, 0);
    ASSERT_EQ(result.done, kPages);
    EXPECT_EQ(existing.pages, exists);
    for (uint64_t page = 0; page < kPages; ++page) ASSERT_EQ(*Page(page), expected[page]);
  }
}

TEST_P(MapperTest, ZapRemovesPagesEverywhere) {
  const auto other =
      static_cast<char*>(mmap(nullptr, geometry_.bytes(), PROT_READ, MAP_SHARED, data_.get(), 0));
  ASSERT_EQ(mapper_.Map(0, 8, nullptr, -1).done, 8u);
  memset(Page(0), 7, 8 * geometry_.page_size());
  EXPECT_EQ(other[0], 7);
  ASSERT_EQ(mapper_.Zap(0, 4), 0);
  EXPECT_EQ(Resident(), 4u);
  EXPECT_EQ(other[4 * geometry_.page_size()], 7);
  ASSERT_EQ(mapper_.Map(0, 4, nullptr, -1).done, 4u);
  EXPECT_EQ(*Page(0), 0);
  EXPECT_EQ(other[0], 0);
  munmap(other, geometry_.bytes());
}

TEST_P(MapperTest, NodeZeroExists) {
  EXPECT_EQ(mapper_.Map(0, 4, nullptr, 0).error, 0);
  sys::MemoryPolicy policy;
  if (sys::GetMemoryPolicy(&policy) == 0) {
    EXPECT_EQ(policy.mode, 0) << "the thread's policy was not restored";
  }
}

TEST(RegionTest, PlacementRules) {
  EXPECT_TRUE(CheckPlacement(0, k4GiB, 4096).ok());
  EXPECT_TRUE(CheckPlacement(k4GiB * 100, k4GiB, 4096).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckPlacement(k4GiB * 100 + 5, 4096, 4096)));
  EXPECT_TRUE(absl::IsOutOfRange(CheckPlacement(k4GiB * 100 + 4096, k4GiB, 4096)));
  EXPECT_TRUE(CheckPlacement(k4GiB * 101 - 8192, 8192, 4096).ok());
  EXPECT_TRUE(absl::IsOutOfRange(CheckPlacement(k4GiB * 101 - 4096, 8192, 4096)));
  EXPECT_TRUE(CheckPlacement(k4GiB * 100 + 4096, 2 * k4GiB, 4096).ok());  // no 32-bit offsets there
  EXPECT_TRUE(absl::IsOutOfRange(CheckPlacement(4096, 4096, 4096)));
  EXPECT_TRUE(absl::IsOutOfRange(CheckPlacement((uint64_t{1} << 47) - 4096, 4096, 4096)));
}

TEST(RegionTest, GuardsAreThereAndConflictsAreNamed) {
  absl::StatusOr<Region> region = Region::Reserve(0, 1 << 20, 4096);
  ASSERT_TRUE(region.ok()) << region.status();
  const absl::Status status = Region::Reserve(region->base(), 4096, 4096).status();
  EXPECT_TRUE(absl::IsAlreadyExists(status));
  EXPECT_NE(status.message().find("---p"), absl::string_view::npos) << status;
  EXPECT_TRUE(absl::IsAlreadyExists(
      Region::Reserve(region->base() + (1 << 20) + kGuardBytes, 4096, 4096).status()));
}

INSTANTIATE_TEST_SUITE_P(Ways, MapperTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Userfaultfd" : "Paging"; });

}  // namespace
}  // namespace uarena

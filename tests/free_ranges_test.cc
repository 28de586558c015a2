// SPDX-License-Identifier: Apache-2.0
//
// The free ranges against a plain model of them: a set of pages, and for placement the list of
// ranges in the order in which they came to be.
#include "pages/free_ranges.h"

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "pages/check.h"
#include "pages/control.h"
#include "pages/operation.h"

namespace uarena {
namespace {

Control MakeControl(uint64_t max_pages) {
  ArenaDescription description;
  description.geometry = {uint64_t{1} << 44, max_pages, 12, false};
  absl::StatusOr<Control> control = Control::Create(description);
  EXPECT_TRUE(control.ok()) << control.status();
  return *std::move(control);
}

// Best fit; of equals the one inserted last.
class Model {
 public:
  explicit Model(uint64_t pages) { ranges_.push_back({0, pages}); }

  std::optional<PageRange> Containing(uint64_t page) const {
    for (const PageRange& range : ranges_) {
      if (page >= range.first && page < range.end()) return range;
    }
    return std::nullopt;
  }
  std::optional<PageRange> NextFrom(uint64_t page) const {
    std::optional<PageRange> next;
    for (const PageRange& range : ranges_) {
      if (range.first >= page && (!next.has_value() || range.first < next->first)) next = range;
    }
    return next;
  }
  std::optional<PageRange> FindFit(uint64_t count) const {
    std::optional<PageRange> best;
    for (const PageRange& range : ranges_) {
      if (range.count >= count && (!best.has_value() || range.count <= best->count)) best = range;
    }
    return best;
  }
  void Take(const PageRange& from, uint64_t first, uint64_t count) {
    Remove(from.first);
    if (first > from.first) ranges_.push_back({from.first, first - from.first});
    if (first + count < from.end()) ranges_.push_back({first + count, from.end() - first - count});
  }
  void Give(uint64_t first, uint64_t count) {
    uint64_t end = first + count;
    if (first > 0) {
      if (const auto left = Containing(first - 1); left.has_value()) {
        Remove(left->first);
        first = left->first;
      }
    }
    if (const auto right = Containing(end); right.has_value()) {
      Remove(right->first);
      end = right->end();
    }
    ranges_.push_back({first, end - first});
  }

 private:
  void Remove(uint64_t first) {
    ranges_.erase(std::find_if(ranges_.begin(), ranges_.end(),
                               [&](const PageRange& range) { return range.first == first; }));
  }
  std::vector<PageRange> ranges_;
};

bool Same(const std::optional<FreeRange>& a, const std::optional<PageRange>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a.has_value() || (a->first == b->first && a->count == b->count);
}

class FreeRangesTest : public ::testing::TestWithParam<uint64_t> {};

// Random takes and gives of up to `most` pages in [start, pages); everything else stays free.
void CompareWithModel(uint64_t pages, uint64_t start, uint64_t most, int steps) {
  const Control control = MakeControl(pages);
  Model model(pages);
  std::mt19937_64 random(pages + most);
  const uint64_t window = pages - start;
  for (int step = 0; step < steps; ++step) {
    const uint64_t page = start + random() % window;
    const uint64_t count = random() % most + 1;
    Transaction transaction(control, 1);
    transaction.Begin();
    FreeRanges ranges(transaction);
    const std::optional<FreeRange> containing = ranges.Containing(page);
    ASSERT_TRUE(Same(containing, model.Containing(page))) << "step " << step << " page " << page;
    ASSERT_TRUE(Same(ranges.NextFrom(page), model.NextFrom(page))) << "step " << step;
    if (random() % 3 == 0) {
      const std::optional<FreeRange> fit = ranges.FindFit(count);
      ASSERT_TRUE(Same(fit, model.FindFit(count))) << "step " << step << " count " << count;
      if (!fit.has_value() || fit->count > window) continue;
      ranges.Take(*fit, fit->first, count);
      model.Take(*fit, fit->first, count);
    } else if (containing.has_value()) {
      const uint64_t taken = std::min(count, containing->end() - page);
      ranges.Take(*containing, page, taken);
      model.Take(*containing, page, taken);
    } else {
      uint64_t end = page;
      while (end < pages && end < page + count && !model.Containing(end).has_value()) ++end;
      ranges.Give(page, end - page);
      model.Give(page, end - page);
    }
    ASSERT_FALSE(transaction.inconsistent());
    ASSERT_TRUE(transaction.Commit());
  }
}

// The busy pages sit at the end, where a bitmap's last words are.
TEST_P(FreeRangesTest, MatchesTheModel) {
  const uint64_t pages = GetParam();
  CompareWithModel(pages, pages - std::min<uint64_t>(pages, 300), 12, 20'000);
}

// Sizes of every class, and many ranges in one class.
TEST(FreeRangesTest, LargeSizes) {
  CompareWithModel(1 << 20, 0, 20'000, 20'000);
  CompareWithModel(1 << 14, 0, 64, 20'000);
}

INSTANTIATE_TEST_SUITE_P(Sizes, FreeRangesTest,
                         ::testing::Values(1, 2, 31, 32, 33, 1023, 1024, 1025, 1 << 15, 1 << 20,
                                           (uint64_t{1} << 28) - 1, uint64_t{1} << 28));

TEST(FreeRangesTest, LargestArena) {
  const Control control = MakeControl(kMaxPages);
  Transaction transaction(control, 1);
  transaction.Begin();
  FreeRanges ranges(transaction);
  const std::optional<FreeRange> last = ranges.Containing(kMaxPages - 1);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->count, kMaxPages);
  ranges.Take(*last, kMaxPages - 1, 1);
  EXPECT_FALSE(ranges.Containing(kMaxPages - 1).has_value());
  ranges.Give(kMaxPages - 1, 1);
  EXPECT_EQ(ranges.FindFit(kMaxPages)->first, 0u);
  EXPECT_TRUE(transaction.Commit());
}

TEST(CheckTest, FindsWhatIsWrong) {
  const Control control = MakeControl(100);
  absl::StatusOr<Membership> membership = Membership::Join(control);
  ASSERT_TRUE(membership.ok()) << membership.status();
  EXPECT_EQ(CheckInvariants(control, membership->slot()), absl::OkStatus());
  control.state(7).store(PackState(PageKind::kAllocated));
  EXPECT_TRUE(absl::IsDataLoss(CheckInvariants(control, membership->slot())));
  control.state(7).store(PackState(PageKind::kFree));
  control.word(kWordFree).store(99);
  EXPECT_TRUE(absl::IsDataLoss(CheckInvariants(control, membership->slot())));
  control.word(kWordFree).store(100);
  control.word(control.layout().class_heads + SizeClass(100)).store(0);
  EXPECT_TRUE(absl::IsDataLoss(CheckInvariants(control, membership->slot())));
}

}  // namespace
}  // namespace uarena

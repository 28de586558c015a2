// SPDX-License-Identifier: Apache-2.0
//
// Which types are let into an arena. That the others are refused with a message, and where, is for
// tests/refused.
#include "uarena/shareable.h"

#include <deque>
#include <filesystem>
#include <map>
#include <queue>
#include <regex>
#include <scoped_allocator>
#include <set>
#include <span>
#include <sstream>
#include <stack>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/container/node_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "uarena/containers.h"
#include "uarena/memory_resource.h"

namespace uarena {
namespace {

struct Plain {
  int number;
  Plain* next;
};
struct Polymorphic {
  virtual ~Polymorphic() = default;
};
struct Derived : Polymorphic {};
enum class Colour { kRed };
union Either {
  int number;
  char* text;
};
struct Vouched {
  virtual ~Vouched() = default;
};
struct Denied {};
struct Person {};
struct Tree : Vector<Tree> {
  using Vector<Tree>::Vector;
};

template <typename T>
using Arenas = ArenaAllocator<T>;
template <typename K, typename V, typename Hash>
using HashMap = std::unordered_map<K, V, Hash, std::equal_to<>, Arenas<std::pair<const K, V>>>;

}  // namespace

template <>
struct IsShareable<Vouched> : std::true_type {};
template <>
struct IsShareable<Denied> : std::false_type {};
template <>
struct IsShareable<Person> : AllShareable<String, std::string> {};

namespace {

using internal::Obstacle;
using internal::ObstacleTo;

template <typename... Ts>
constexpr bool All() {
  return (kIsShareable<Ts> && ...);
}

// Whether all are refused for that reason.
template <Obstacle kObstacle, typename... Ts>
constexpr bool Refused() {
  return (... && (!kIsShareable<Ts> && ObstacleTo<Ts>() == kObstacle));
}

static_assert(All<int, double, Colour, Either, Plain, const Plain, Plain[3], Plain*, const char*,
                  std::nullptr_t, int Plain::*, std::byte>());
static_assert(All<std::string_view, std::span<int>, std::array<int, 3>, std::pair<int, Plain>,
                  std::tuple<int, Plain*>, std::optional<Plain>, std::variant<int, Plain>,
                  std::atomic<int>, std::reference_wrapper<int>, absl::Time>());
static_assert(All<String, Vector<int>, Vector<bool>, Deque<String>, List<Vector<String>>,
                  Map<String, int>, Set<String>, UnorderedMap<String, Vector<int>>,
                  UnorderedSet<int>, std::vector<int, ArenaAllocator<int>>,
                  std::stack<int, Deque<int>>, std::optional<String>, Heap, ArenaAllocator<int>,
                  ScopedAllocator<int>, absl::InlinedVector<int, 4, ArenaAllocator<int>>, Tree>());
// An object that is not the arena's to free, with a deleter that knows.
static_assert(All<std::unique_ptr<int, decltype([](int*) {})>, Vouched, std::pair<Vouched, int>>());

static_assert(Refused<Obstacle::kReference, int&, const Plain&, int&&, std::pair<int, int&>>());
static_assert(Refused<Obstacle::kVtable, Polymorphic, Derived, std::ostringstream, Derived[2],
                      ArenaMemoryResource, std::optional<Derived>, const Polymorphic>());
static_assert(Refused<Obstacle::kFunctionPointer, void (*)(int), int(), void (Derived::*)() const,
                      std::array<int (*)(), 2>, std::map<int, int, bool (*)(int, int)>>());
static_assert(
    Refused<Obstacle::kProcessMemory, std::string, std::vector<int>, std::pmr::vector<int>,
            std::pmr::string, std::unique_ptr<int>, std::shared_ptr<int>, std::weak_ptr<int>,
            std::any, std::locale, std::exception_ptr, std::filesystem::path, std::regex,
            std::stack<int>, std::priority_queue<int>, std::initializer_list<int>,
            std::scoped_allocator_adaptor<std::allocator<int>>, absl::Cord, absl::Status,
            absl::StatusOr<int>, std::variant<int, std::string>, std::tuple<int, std::string>,
            std::array<std::string, 2>, const std::string, std::string[2][3],
            std::pair<const int, std::vector<int>>, std::optional<std::deque<int>>, Person>());
static_assert(Refused<Obstacle::kProcessObject, std::mutex, std::recursive_mutex, std::timed_mutex,
                      std::shared_mutex, std::condition_variable, std::once_flag, std::thread,
                      std::jthread, std::future<int>, std::promise<void>, std::binary_semaphore,
                      std::latch, std::barrier<>, std::unique_lock<std::mutex>, std::stop_token,
                      absl::Mutex, absl::CondVar, std::array<std::mutex, 2>>());
static_assert(Refused<Obstacle::kProgramData, std::function<void()>, std::error_code,
                      std::type_index, std::coroutine_handle<>, absl::TimeZone,
                      absl::btree_map<int, int, std::less<>, Arenas<std::pair<const int, int>>>,
                      std::pair<int, std::function<void()>>>());
static_assert(
    Refused<Obstacle::kProcessHash, absl::flat_hash_map<int, int>,
            absl::flat_hash_set<int, std::hash<int>, std::equal_to<>, Arenas<int>>,
            absl::node_hash_map<int, int>, absl::Hash<int>, HashMap<int, int, absl::Hash<int>>,
            HashMap<String, int, absl::container_internal::StringHash>>());
static_assert(Refused<Obstacle::kSpecialised, Denied, std::pair<int, Denied>, Denied[2]>());

// A pointer to what is not complete is a pointer; nobody looks through it.
struct Incomplete;
static_assert(All<Incomplete*, std::pair<Incomplete*, int>>());

TEST(ShareableTest, RequiringWhatIsShareableCostsNothing) {
  RequireShareable<int>();
  RequireShareable<Vouched>();
  RequireShareable<Tree>();
  static_assert((RequireShareable<Map<String, Vector<int>>>(), true));
}

}  // namespace
}  // namespace uarena

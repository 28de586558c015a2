// SPDX-License-Identifier: Apache-2.0
//
// A client of the soak: attaches some arenas, each in another mode, works on pages that are its
// own, verifies what it and its predecessors of the same number wrote, and may be killed at any
// moment.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "tests/soak/board.h"
#include "uarena/arena.h"

namespace uarena::soak {
namespace {

constexpr FaultMode kModes[] = {FaultMode::kInPlace, FaultMode::kThread, FaultMode::kServed,
                                FaultMode::kKernel};

class Client {
 public:
  Client(Board& board, uint32_t id, std::string socket)
      : board_(board),
        state_(board.clients[id]),
        id_(id),
        socket_(std::move(socket)),
        random_(id * 7919 + static_cast<uint32_t>(getpid())) {}

  int Run() {
    while (!Over()) {
      const uint32_t first = static_cast<uint32_t>(random_() % kArenas);
      // Neighbours, so that one of the two is for touching and one for allocating.
      if (random_() % 8 == 0) {
        Read(first);
      } else {
        std::optional<Arena> a = Attach(first);
        std::optional<Arena> b = Attach((first + 1) % kArenas);
        if (!a.has_value() || !b.has_value()) continue;
        Adopt(*a, first);
        Adopt(*b, (first + 1) % kArenas);
        const uint64_t rounds = random_() % 60 + 5;
        for (uint64_t i = 0; i < rounds && !Over(); ++i) {
          Work(*a, first);
          Work(*b, (first + 1) % kArenas);
          if (random_() % 100 == 0) ForkOnce(*a, first);
        }
      }
    }
    return 0;
  }

 private:
  bool Over() const { return board_.stop.load() || board_.failed.load(); }

  void Step() { state_.steps.fetch_add(1); }

  void Fail(const char* what, uint32_t arena, uint64_t page, uint64_t found, uint64_t expected) {
    fprintf(stderr, "soak: client %u: %s: arena %u page %lu holds %lx, expected %lx\n", id_, what,
            arena, page, found, expected);
    board_.failed.store(true);
  }

  ArenaOptions Options() {
    ArenaOptions options;
    options.max_pages = kPages;
    options.socket_path = socket_;
    return options;
  }

  // While the daemon is away there is nothing to attach.
  std::optional<Arena> Attach(uint32_t arena) {
    ArenaOptions options = Options();
    options.fault_mode = kModes[random_() % 4];
    options.create = false;
    state_.mode.store(static_cast<uint32_t>(options.fault_mode));
    while (!Over()) {
      Step();
      absl::StatusOr<Arena> opened = Arena::Open(ArenaName(arena), options);
      if (opened.ok()) return *std::move(opened);
      const absl::Status& status = opened.status();
      if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) {
        fprintf(stderr, "soak: client %u: opening arena %u: %s\n", id_, arena,
                status.ToString().c_str());
        board_.failed.store(true);
      }
      usleep(5000);
    }
    return std::nullopt;
  }

  static char* Page(const Arena& arena, uint64_t page) {
    return static_cast<char*>(arena.base()) + page * arena.page_size();
  }
  static uint64_t Word(const Arena& arena, uint64_t page) {
    return *reinterpret_cast<volatile uint64_t*>(Page(arena, page));
  }

  void Write(const Arena& arena, uint32_t number, uint64_t page) {
    const Stamp stamp = MakeStamp(id_, state_.generation.fetch_add(1) + 1);
    board_.pages[number][page].store(stamp | kInFlux);
    auto* words = reinterpret_cast<volatile uint64_t*>(Page(arena, page));
    words[0] = stamp;
    words[arena.page_size() / 8 - 1] = stamp;
    board_.pages[number][page].store(stamp);
  }

  void Free(Arena& arena, uint32_t number, uint64_t page) {
    board_.pages[number][page].fetch_or(kInFlux);
    const absl::Status status = arena.FreePages(Page(arena, page), 1);
    // What a predecessor left in flux may be free already.
    if (!status.ok() && !absl::IsFailedPrecondition(status)) {
      fprintf(stderr, "soak: client %u: %s\n", id_, status.ToString().c_str());
      board_.failed.store(true);
    }
    board_.pages[number][page].store(0);
  }

  void Verify(const Arena& arena, uint32_t number, uint64_t page) {
    const Stamp stamp = board_.pages[number][page].load();
    if (!Holds(Page(arena, page), arena.page_size(), stamp)) {
      Fail("a write was lost", number, page, Word(arena, page), stamp);
    }
  }

  // Verifies what is ours in the arena, and frees what a kill has left half done.
  void Adopt(Arena& arena, uint32_t number) {
    for (uint64_t page = 0; page < kPages && !Over(); ++page) {
      const Stamp stamp = board_.pages[number][page].load();
      if (stamp == 0 || ClientOf(stamp) != id_) continue;
      if ((stamp & kInFlux) == 0) {
        Verify(arena, number, page);
      } else {
        Free(arena, number, page);
      }
      Step();
    }
  }

  void Work(Arena& arena, uint32_t number) {
    Step();
    if (Allocating(number)) {
      Allocate(arena, number);
    } else {
      Touch(arena, number);
    }
  }

  void Touch(Arena& arena, uint32_t number) {
    const uint64_t page = id_ * kSlice + random_() % kSlice;
    const Stamp stamp = board_.pages[number][page].load();
    if (stamp == 0) {
      state_.faults.fetch_add(1);
      if (!Holds(Page(arena, page), arena.page_size(), 0)) {
        Fail("a fresh page is not zero", number, page, Word(arena, page), 0);
      }
      Write(arena, number, page);
    } else {
      Verify(arena, number, page);
      if (random_() % 2 == 0) {
        Free(arena, number, page);
      } else {
        Write(arena, number, page);
      }
    }
  }

  void Allocate(Arena& arena, uint32_t number) {
    std::vector<uint64_t> mine;
    for (uint64_t page = 0; page < kPages; ++page) {
      const Stamp stamp = board_.pages[number][page].load();
      if (stamp != 0 && ClientOf(stamp) == id_) mine.push_back(page);
    }
    if (mine.size() > kSlice / 2) {
      for (const uint64_t page : mine) {
        Verify(arena, number, page);
        if (random_() % 2 == 0) Free(arena, number, page);
      }
      return;
    }
    const uint64_t count = random_() % kMostRun + 1;
    const absl::StatusOr<void*> pages = arena.AllocPages(nullptr, count);
    if (!pages.ok()) {
      if (!absl::IsResourceExhausted(pages.status())) {
        fprintf(stderr, "soak: client %u: %s\n", id_, pages.status().ToString().c_str());
        board_.failed.store(true);
      }
      return;
    }
    const uint64_t first =
        static_cast<uint64_t>(static_cast<char*>(*pages) - Page(arena, 0)) / arena.page_size();
    for (uint64_t page = first; page < first + count; ++page) {
      Stamp nobody = 0;
      if (!board_.pages[number][page].compare_exchange_strong(nobody,
                                                              MakeStamp(id_, 0) | kInFlux)) {
        // Its last owner frees it in two steps, of which this may come in between; or died there.
        if ((nobody & kInFlux) == 0) {
          return Fail("a page has two owners", number, page, MakeStamp(id_, 0), nobody);
        }
        board_.pages[number][page].store(MakeStamp(id_, 0) | kInFlux);
      }
      if (!Holds(Page(arena, page), arena.page_size(), 0)) {
        return Fail("an allocated page is not zero", number, page, Word(arena, page), 0);
      }
      Write(arena, number, page);
    }
  }

  // Attaches for reading only, looks at a few pages and asks the daemon.
  void Read(uint32_t number) {
    ArenaOptions options = Options();
    options.read_only = true;
    options.create = false;
    options.max_pages = 0;
    Step();
    const absl::StatusOr<Arena> arena = Arena::Open(ArenaName(number), options);
    if (!arena.ok()) return;  // the daemon is away
    for (int i = 0; i < 20; ++i) {
      const uint64_t page = random_() % kPages;
      const Stamp before = board_.pages[number][page].load();
      const bool holds = Holds(Page(*arena, page), arena->page_size(), before);
      if (!holds && before != 0 && (before & kInFlux) == 0 &&
          board_.pages[number][page].load() == before) {
        Fail("a reader misses a write", number, page, Word(*arena, page), before);
      }
    }
    arena->Stats().status().IgnoreError();
    arena->RootNames();
  }

  // The child has a working copy; it verifies a few pages and ends.
  void ForkOnce(Arena& arena, uint32_t number) {
    const pid_t child = fork();
    if (child == 0) {
      for (uint64_t page = id_ * kSlice; page < (id_ + 1) * kSlice; ++page) {
        const Stamp stamp = board_.pages[number][page].load();
        if (!Allocating(number) && stamp != 0) Verify(arena, number, page);
      }
      _exit(0);
    }
    if (child > 0) waitpid(child, nullptr, 0);
  }

  Board& board_;
  ClientState& state_;
  const uint32_t id_;
  const std::string socket_;
  std::mt19937 random_;
};

}  // namespace

int RunClient(Board& board, uint32_t id, const std::string& socket) {
  return Client(board, id, socket).Run();
}

}  // namespace uarena::soak

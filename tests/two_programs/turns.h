// SPDX-License-Identifier: Apache-2.0
//
// How the two programs take turns on two worlds in one arena, each of which one of them has made.
#ifndef UARENA_TESTS_TWO_PROGRAMS_TURNS_H_
#define UARENA_TESTS_TWO_PROGRAMS_TURNS_H_

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/two_programs/change.h"
#include "uarena/arena.h"
#include "uarena/objects.h"
#include "uarena/roots.h"

namespace two_programs {

inline constexpr char kArena[] = "two_programs";
inline constexpr char kRoot[] = "meeting";
inline constexpr uint32_t kTurns = 40;

struct Meeting {
  std::atomic<uint32_t> turn{0};  // even: the writer's
  World<InArena>* writers = nullptr;
  World<InArena>* readers = nullptr;
};

[[noreturn]] inline void Fail(const std::string& program, const std::string& what) {
  fprintf(stderr, "%s: %s\n", program.c_str(), what.c_str());
  exit(1);
}

// One program's side.
class Player {
 public:
  Player(std::string name, uarena::Arena& arena, Meeting& meeting)
      : name_(std::move(name)), arena_(arena), meeting_(meeting) {}

  // Waits until it is this turn.
  void Await(uint32_t turn) {
    for (int i = 0; i < 60'000; ++i) {
      if (meeting_.turn.load() == turn) return;
      usleep(500);
    }
    Fail(name_, "turn " + std::to_string(turn) + " does not come");
  }
  void End() { ++meeting_.turn; }

  // Plays every second turn from `first` on: checks what the other has left, and changes it.
  void Play(uint32_t first) {
    for (uint32_t turn = first; turn < kTurns; turn += 2) {
      Await(turn);
      Check(turn);
      Change(*meeting_.writers, turn);
      Change(*meeting_.readers, turn + 1000);
      End();
    }
  }

  // Both worlds as they must be before `turn`, and in the arena.
  void Check(uint32_t turn) {
    for (; models_at_ < turn; ++models_at_) {
      Change(writers_model_, models_at_);
      Change(readers_model_, models_at_ + 1000);
    }
    Compare("the writer's world", turn, *meeting_.writers, writers_model_);
    Compare("the reader's world", turn, *meeting_.readers, readers_model_);
  }

 private:
  void Compare(const std::string& what, uint32_t turn, const World<InArena>& world,
               const World<InProcess>& model) {
    const std::string found = Words(world);
    const std::string expected = Words(model);
    if (found != expected) {
      Fail(name_, what + " differs in turn " + std::to_string(turn) + "; found\n" + found +
                      "\ninstead of\n" + expected);
    }
    if (!arena_.Contains(&world) || !arena_.Contains(world.text.data())) {
      Fail(name_, what + " is not in the arena");
    }
  }

  const std::string name_;
  uarena::Arena& arena_;
  Meeting& meeting_;
  uint32_t models_at_ = 2;  // what is in both worlds before the first turn of all
  World<InProcess> writers_model_{World<InProcess>::allocator_type()};
  World<InProcess> readers_model_{World<InProcess>::allocator_type()};
};

}  // namespace two_programs

#endif  // UARENA_TESTS_TWO_PROGRAMS_TURNS_H_

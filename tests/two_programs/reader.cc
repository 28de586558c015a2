// SPDX-License-Identifier: Apache-2.0
//
// reader: joins the writer, which starts it, makes a world of its own, and takes every other turn.
#include <signal.h>
#include <sys/prctl.h>

#include <exception>

#include "tests/two_programs/turns.h"

namespace two_programs {
namespace {

constexpr char kName[] = "reader";

void Run() {
  absl::StatusOr<uarena::Arena> arena = uarena::Arena::Open(kArena);
  if (!arena.ok()) Fail(kName, arena.status().ToString());
  Meeting* const meeting = uarena::Find<Meeting>(*arena, kRoot).value();

  Player player(kName, *arena, *meeting);
  player.Await(1);
  meeting->readers = uarena::New<World<InArena>>(*arena).value();
  player.End();
  player.Play(3);
  player.Await(kTurns + 1);
  if (!uarena::Delete(*arena, meeting->writers).ok()) Fail(kName, "cannot delete a world");
}

}  // namespace
}  // namespace two_programs

int main() try {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a writer that failed leaves nobody behind
  two_programs::Run();
  return 0;
} catch (const std::exception& error) {
  fprintf(stderr, "reader: %s\n", error.what());
  return 1;
}

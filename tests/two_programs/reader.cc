// SPDX-License-Identifier: Apache-2.0
//
// reader: joins the writer, which starts it, makes a world of its own, and takes every other turn.
#include <signal.h>
#include <sys/prctl.h>

#include "tests/two_programs/turns.h"

int main() {
  using two_programs::Fail;
  constexpr char kName[] = "reader";
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a writer that failed leaves nobody behind
  absl::StatusOr<uarena::Arena> arena = uarena::Arena::Open(two_programs::kArena);
  if (!arena.ok()) Fail(kName, arena.status().ToString());
  auto* const meeting = static_cast<two_programs::Meeting*>(arena->Root("meeting").value());

  two_programs::Player player(kName, *arena, *meeting);
  player.Await(1);
  meeting->readers = uarena::New<two_programs::World<two_programs::InArena>>(*arena).value();
  player.End();
  player.Play(3);
  player.Await(two_programs::kTurns + 1);
  if (!uarena::Delete(*arena, meeting->writers).ok()) Fail(kName, "cannot delete a world");
  return 0;
}

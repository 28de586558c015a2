// SPDX-License-Identifier: Apache-2.0
//
// writer READER: makes the meeting and a world of its own, starts the program READER, and takes
// every other turn with it.
#include <spawn.h>
#include <sys/wait.h>

#include <exception>

#include "tests/two_programs/turns.h"

namespace two_programs {
namespace {

constexpr char kName[] = "writer";

pid_t Start(char* program) {
  char* arguments[] = {program, nullptr};
  pid_t pid = -1;
  if (posix_spawn(&pid, program, nullptr, nullptr, arguments, environ) != 0) {
    Fail(kName, std::string("cannot start ") + program);
  }
  return pid;
}

void Run(char* reader) {
  uarena::ArenaOptions options;
  options.max_pages = 1 << 16;
  absl::StatusOr<uarena::Arena> arena = uarena::Arena::Open(kArena, options);
  if (!arena.ok()) Fail(kName, arena.status().ToString());
  Meeting* const meeting = uarena::New<Meeting>(*arena).value();
  meeting->writers = uarena::New<World<InArena>>(*arena).value();
  const absl::Status named = uarena::Publish(*arena, kRoot, meeting);
  if (!named.ok()) Fail(kName, named.ToString());
  const pid_t pid = Start(reader);

  Player player(kName, *arena, *meeting);
  player.End();  // the reader makes its world in turn 1
  player.Play(2);
  player.Await(kTurns);
  player.Check(kTurns);
  if (!uarena::Delete(*arena, meeting->readers).ok()) Fail(kName, "cannot delete a world");
  player.End();  // and the reader deletes the writer's

  int status = 0;
  if (waitpid(pid, &status, 0) != pid || status != 0) Fail(kName, "the reader failed");
  if (!uarena::Destroy<Meeting>(*arena, kRoot).ok()) Fail(kName, "cannot delete the meeting");
  const uint64_t blocks = uarena::Heap(*arena).Stats().value().blocks_in_use;
  if (blocks != 0) Fail(kName, std::to_string(blocks) + " blocks are left");
}

}  // namespace
}  // namespace two_programs

int main(int argc, char** argv) try {
  if (argc != 2) {
    fprintf(stderr, "usage: writer READER\n");
    return 2;
  }
  two_programs::Run(argv[1]);
  printf("two programs took %u turns on each other's containers\n", two_programs::kTurns);
  return 0;
} catch (const std::exception& error) {
  fprintf(stderr, "writer: %s\n", error.what());
  return 1;
}

// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "report.h"
#include "roles.h"
#include "text.h"

namespace word_index {
namespace {

struct Child {
  std::vector<std::string> arguments;  // after the program's name
  pid_t pid = -1;
};

// One program each, not a fork of this one: they share nothing but what they open by name.
absl::Status Start(Child& child) {
  std::vector<std::string> arguments = {"word_index"};
  arguments.insert(arguments.end(), child.arguments.begin(), child.arguments.end());
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int error =
      posix_spawn(&child.pid, "/proc/self/exe", nullptr, nullptr, argv.data(), environ);
  if (error == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("starting a process: ", strerror(error)));
}

absl::Status Ended(const Child& child, int status) {
  if (status == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("process ", child.pid, " (", child.arguments[0], ") ",
                   WIFSIGNALED(status) ? absl::StrCat("died by signal ", WTERMSIG(status))
                                       : absl::StrCat("ended with status ", WEXITSTATUS(status))));
}

// Waits for all; if one fails, ends the others, which would wait for it.
absl::Status WaitForAll(std::vector<Child>& children) {
  absl::Status first_error;
  for (size_t running = children.size(); running > 0; --running) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, 0);
    for (Child& child : children) {
      if (pid < 0 || child.pid != pid) continue;
      first_error.Update(Ended(child, status));
      child.pid = -1;
    }
    for (const Child& child : children) {
      if (!first_error.ok() && child.pid > 0) kill(child.pid, SIGTERM);
    }
  }
  return first_error;
}

// Both ways of having faults resolved, side by side where this kernel has both.
std::vector<std::string> Modes(const std::string& mode) {
  if (!mode.empty()) return {mode, mode, mode, mode};
  const uarena::KernelAbilities abilities = uarena::ProbeKernel();
  if (abilities.sigbus) return {"in-place", "in-place", "served", "served"};
  absl::PrintF("no in-place and served modes here (%s); using %s\n", abilities.userfaultfd_reason,
               std::string(uarena::FaultModeName(abilities.picked)));
  return {"auto", "auto", "auto", "auto"};
}

// That everybody has worked on the table while it was being filled.
absl::Status CheckOverlap(const Table& table) {
  if (table.words.load() == 0) return absl::NotFoundError("there is no text in the directory");
  for (const Participant& participant : Participants(table)) {
    if (participant.operations_while_indexing == 0) {
      return absl::InternalError(
          absl::StrCat("process ", participant.pid, " has done nothing while indexing went on"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunDemo(uarena::Arena& arena, const std::string& directory, const std::string& mode,
                     const std::vector<std::string>& common_flags, const RoleOptions& options) {
  if (auto files = ListFiles(directory); !files.ok()) return files.status();
  if (absl::Status status = ClearTable(arena); !status.ok()) return status;
  const std::vector<std::string> modes = Modes(mode);
  std::vector<Child> children = {{{"index", directory}}, {{"query"}}, {{"query"}}, {{"update"}}};
  for (size_t i = 0; i < children.size(); ++i) {
    std::vector<std::string>& arguments = children[i].arguments;
    arguments.insert(arguments.end(), common_flags.begin(), common_flags.end());
    arguments.push_back(absl::StrCat("--mode=", modes[i]));
    arguments.push_back(absl::StrCat("--processes=", children.size()));
    arguments.push_back("--report=false");
  }
  absl::PrintF("%s: %d processes work on arena %s at %p\n", directory, children.size(),
               arena.name(), arena.base());
  fflush(stdout);
  for (Child& child : children) {
    if (absl::Status status = Start(child); !status.ok()) return status;
  }
  if (absl::Status status = WaitForAll(children); !status.ok()) return status;
  const absl::StatusOr<Table*> table = FindTable(arena, options.deadline);
  if (!table.ok()) return table.status();
  PrintTable(**table);
  PrintParticipantHeading();
  for (const Participant& participant : Participants(**table)) PrintParticipant(participant);
  absl::PrintF(
      "(operations: words indexed, looked up or added to; meanwhile: those of them that were "
      "made while\nindexing went on; faults: first touches that this process met; us: time to "
      "resolve one, in any number\nof pages, once the handler has it; p50, p99: upper ends of "
      "buckets of a histogram of powers of two)\n");
  absl::Status status = CheckOverlap(**table);
  if (status.ok()) status = RunCheck(arena, directory, options);
  if (status.ok()) status = arena.CheckInvariants();
  if (status.ok()) status = ClearTable(arena);
  return status;
}

}  // namespace word_index

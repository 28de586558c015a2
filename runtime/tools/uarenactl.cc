// SPDX-License-Identifier: Apache-2.0
//
// uarenactl: looks at arenas and at what this kernel allows.
//
//   uarenactl ls            the arenas of the daemon
//   uarenactl stat NAME     one arena: its pages, its processes and their faults
//   uarenactl rm NAME       forgets the name; whoever is attached keeps the arena
//   uarenactl check NAME    proves the invariants of a quiet arena
//   uarenactl probe         what this kernel allows, and which fault mode is picked
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/daemon_client.h"
#include "fault/resolver.h"
#include "heap/heap_check.h"
#include "heap/heap_recovery.h"
#include "memory/backing.h"
#include "nlohmann/json.hpp"
#include "os/syscall.h"
#include "pages/check.h"
#include "pages/counters.h"
#include "pages/operation.h"
#include "pages/recovery.h"
#include "uarena/arena.h"

ABSL_FLAG(bool, json, false, "Print JSON");
ABSL_FLAG(std::string, socket, "", "The daemon's socket; see uarenad --help");

namespace uarena {
namespace {

using nlohmann::json;

int Fail(const absl::Status& status) {
  fprintf(stderr, "uarenactl: %s\n", status.ToString().c_str());
  return 1;
}

void Print(const json& value, const std::string& text) {
  if (absl::GetFlag(FLAGS_json)) {
    printf("%s\n", value.dump(2).c_str());
  } else {
    printf("%s", text.c_str());
  }
}

int List() {
  const absl::StatusOr<std::vector<ArenaEntry>> arenas = ListArenas(absl::GetFlag(FLAGS_socket));
  if (!arenas.ok()) return Fail(arenas.status());
  json value = json::array();
  std::string text =
      absl::StrFormat("%-24s %-14s %12s %9s %10s %10s %9s %6s %6s %4s\n", "NAME", "BASE", "PAGES",
                      "PAGE", "ALLOCATED", "POPULATED", "PROCESSES", "UID", "GID", "MODE");
  for (const ArenaEntry& entry : *arenas) {
    const std::string name = ReadText(entry.name, sizeof(entry.name));
    value.push_back({{"name", name},
                     {"base", entry.base},
                     {"max_pages", entry.max_pages},
                     {"page_size", entry.page_size},
                     {"allocated_pages", entry.allocated_pages},
                     {"populated_pages", entry.populated_pages},
                     {"processes", entry.processes},
                     {"owner_uid", entry.owner_uid},
                     {"owner_gid", entry.owner_gid},
                     {"mode", absl::StrFormat("%03o", entry.mode)}});
    absl::StrAppendFormat(&text, "%-24s %-14x %12d %9d %10d %10d %9d %6d %6d  %03o\n", name,
                          entry.base, entry.max_pages, entry.page_size, entry.allocated_pages,
                          entry.populated_pages, entry.processes, entry.owner_uid, entry.owner_gid,
                          entry.mode);
  }
  Print(value, text);
  return 0;
}

// The arena's memfds without attaching its region: looking must not need its address to be free.
struct Looked {
  OpenedArena opened;
  Control control;
};
absl::StatusOr<Looked> Look(const std::string& name) {
  ArenaOptions options;
  options.create = false;
  options.socket_path = absl::GetFlag(FLAGS_socket);
  absl::StatusOr<OpenedArena> opened = OpenFromDaemon(name, options);
  if (!opened.ok()) return opened.status();
  absl::StatusOr<Control> control = Control::Attach(std::move(opened->control));
  if (!control.ok()) return control.status();
  return Looked{*std::move(opened), *std::move(control)};
}

template <size_t N>
std::string Histogram(const std::array<uint64_t, N>& buckets) {
  std::string text;
  for (size_t i = 0; i < N; ++i) {
    if (buckets[i] != 0) absl::StrAppendFormat(&text, " %d:%d", uint64_t{1} << i, buckets[i]);
  }
  return text.empty() ? " none" : text;
}

int Stat(const std::string& name) {
  const absl::StatusOr<Looked> looked = Look(name);
  if (!looked.ok()) return Fail(looked.status());
  const Control& control = looked->control;
  const ArenaDescription& description = control.description();
  const Geometry& geometry = description.geometry;
  const PageCounts counts = CountPages(control);
  const uint64_t populated =
      ResidentPages(looked->opened.data.get(), geometry.page_size()).value_or(0);
  const HeapStats heap = CountHeap(SpanTable(control, ShapesFor(geometry.page_shift)));
  json value = {{"name", name},
                {"base", geometry.base},
                {"max_pages", geometry.max_pages},
                {"page_size", geometry.page_size()},
                {"segv_on_fault", description.segv_on_fault},
                {"max_populate_pages", description.max_populate_pages},
                {"quota_pages", description.quota_pages},
                {"allocated_pages", counts.allocated},
                {"reserved_pages", counts.reserved},
                {"ahead_pages", counts.ahead},
                {"free_pages", counts.free + counts.kept},
                {"kept_pages", counts.kept},
                {"populated_pages", populated},
                {"heap",
                 {{"spans", heap.spans},
                  {"pages", heap.pages},
                  {"empty_pages", heap.empty_pages},
                  {"blocks_in_use", heap.blocks_in_use},
                  {"bytes_in_use", heap.bytes_in_use},
                  {"metadata_bytes", heap.metadata_bytes}}},
                {"processes", json::array()}};
  std::string text = absl::StrFormat(
      "%s: %d pages of %d bytes at 0x%x%s\n"
      "pages: %d allocated, %d reserved, %d ahead, %d free (%d of them kept); %d populated\n",
      name, geometry.max_pages, geometry.page_size(), geometry.base,
      description.segv_on_fault ? ", segv_on_fault" : "", counts.allocated, counts.reserved,
      counts.ahead, counts.free + counts.kept, counts.kept, populated);
  absl::StrAppendFormat(&text, "heap: %d blocks of %d bytes in use, in %d spans of %d pages\n",
                        heap.blocks_in_use, heap.bytes_in_use, heap.spans, heap.pages);
  for (uint32_t slot = 0; slot < kMaxProcesses; ++slot) {
    const ProcessRecord& record = control.process(slot);
    if (record.state.load() == 0) continue;
    const bool alive = sys::ByteLocked(control.fd(), control.LockOffset(slot)) == 1;
    const auto mode = std::string(FaultModeName(static_cast<FaultMode>(record.mode.load() & 0xff)));
    const FaultStats stats = ReadFaultStats(record);
    value["processes"].push_back({{"pid", record.pid.load()},
                                  {"alive", alive},
                                  {"fault_mode", mode},
                                  {"faults", stats.faults},
                                  {"pages_populated", stats.pages_populated},
                                  {"resolve_ns", stats.resolve_ns},
                                  {"batch_pages_log2", stats.batch_pages},
                                  {"resolve_ns_log2", stats.resolve_ns_log2}});
    absl::StrAppendFormat(
        &text, "process %d%s, %s: %d faults, %d pages, mean %d ns; pages per fault%s\n",
        record.pid.load(), alive ? "" : " (dead)", mode, stats.faults, stats.pages_populated,
        stats.faults == 0 ? 0 : stats.resolve_ns / stats.faults, Histogram(stats.batch_pages));
  }
  Print(value, text);
  return 0;
}

int Check(const std::string& name) {
  absl::StatusOr<Looked> looked = Look(name);
  if (!looked.ok()) return Fail(looked.status());
  const Control& control = looked->control;
  absl::StatusOr<Membership> membership = Membership::Join(control);
  if (!membership.ok()) return Fail(membership.status());
  const PageContext context{&control,
                            Mapper(control.description().geometry, looked->opened.data.get(), -1),
                            looked->opened.data.get(), /*attached=*/false, RecoverHeap};
  const int recovered = RecoverDeadProcesses(control, context);
  absl::Status status = CheckInvariants(control, membership->slot());
  if (status.ok()) {
    status = CheckHeap(SpanTable(control, ShapesFor(control.description().geometry.page_shift)));
  }
  membership->Leave(control);
  Print({{"name", name},
         {"recovered", recovered},
         {"ok", status.ok()},
         {"error", std::string(status.message())}},
        status.ok() ? absl::StrFormat("%s: every invariant holds; %d dead processes recovered\n",
                                      name, recovered)
                    : "");
  return status.ok() ? 0 : Fail(status);
}

int Probe() {
  const KernelAbilities abilities = ProbeKernel();
  const auto picked = std::string(FaultModeName(abilities.picked));
  const json value = {{"kernel", abilities.kernel},
                      {"page_size", abilities.page_size},
                      {"userfaultfd", abilities.userfaultfd},
                      {"userfaultfd_reason", abilities.userfaultfd_reason},
                      {"userfaultfd_kernel_faults", abilities.userfaultfd_kernel_faults},
                      {"sigbus", abilities.sigbus},
                      {"io_uring", abilities.io_uring},
                      {"memfd_sealing", abilities.memfd_sealing},
                      {"huge_2mib_pages", abilities.huge_2mib_pages},
                      {"picked", picked},
                      {"picked_reason", abilities.picked_reason}};
  auto yes = [](bool ability) { return ability ? "yes" : "no"; };
  Print(value,
        absl::StrFormat("kernel              %s, pages of %d bytes\n"
                        "userfaultfd         %s (%s)\n"
                        "  of system calls   %s\n"
                        "  SIGBUS feature    %s\n"
                        "io_uring            %s%s\n"
                        "memfd sealing       %s\n"
                        "2 MiB pages to have %d\n"
                        "fault mode          %s, because: %s\n",
                        abilities.kernel, abilities.page_size, yes(abilities.userfaultfd),
                        abilities.userfaultfd_reason, yes(abilities.userfaultfd_kernel_faults),
                        yes(abilities.sigbus), yes(abilities.io_uring),
                        abilities.io_uring ? "" : ": uarenad and the served mode are not possible",
                        yes(abilities.memfd_sealing), abilities.huge_2mib_pages, picked,
                        abilities.picked_reason));
  return 0;
}

int Main(const std::vector<char*>& arguments) {
  const std::string verb = arguments.size() > 1 ? arguments[1] : "";
  const bool named = verb == "stat" || verb == "rm" || verb == "check";
  if ((!named && verb != "ls" && verb != "probe") || arguments.size() != (named ? 3u : 2u)) {
    fprintf(stderr,
            "usage: uarenactl [--json] [--socket=PATH] ls | stat NAME | rm NAME | check NAME | "
            "probe\n");
    return 2;
  }
  if (verb == "ls") return List();
  if (verb == "probe") return Probe();
  const std::string name = arguments[2];
  if (verb == "stat") return Stat(name);
  if (verb == "check") return Check(name);
  const absl::Status status = RemoveArena(absl::GetFlag(FLAGS_socket), name);
  if (!status.ok()) return Fail(status);
  Print({{"removed", name}}, "");
  return 0;
}

}  // namespace
}  // namespace uarena

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("ls | stat NAME | rm NAME | check NAME | probe");
  try {
    return uarena::Main(absl::ParseCommandLine(argc, argv));
  } catch (const std::exception& error) {  // of the JSON library, or out of memory
    fprintf(stderr, "uarenactl: %s\n", error.what());
    return 1;
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A uarenad of our own: a child that listens in a temporary directory.
#ifndef UARENA_BENCH_SUBJECTS_DAEMON_PROCESS_H_
#define UARENA_BENCH_SUBJECTS_DAEMON_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace uarena::bench {

// Stopped, and its directory removed, with the object. It also ends when this process does.
class DaemonProcess {
 public:
  // Starts `program` and waits until it answers. On failure the status carries what
  // the daemon had to say.
  static absl::StatusOr<std::unique_ptr<DaemonProcess>> Start(const std::string& program);
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  const std::string& socket_path() const { return socket_path_; }

 private:
  explicit DaemonProcess(std::string directory);
  absl::Status WaitUntilAnswering();
  // Whether it has ended by itself.
  bool HasEnded();

  const std::string directory_;
  const std::string socket_path_;
  const std::string log_path_;
  pid_t pid_ = -1;
};

}  // namespace uarena::bench

#endif  // UARENA_BENCH_SUBJECTS_DAEMON_PROCESS_H_

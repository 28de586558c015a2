// SPDX-License-Identifier: Apache-2.0
//
// Looks after an arena whose faults the daemon serves: delivers its refusals, and takes over when
// it is gone.
#ifndef UARENA_CLIENT_KEEPER_H_
#define UARENA_CLIENT_KEEPER_H_

#include <memory>

#include "fault/handler_thread.h"
#include "fault/resolver.h"
#include "os/background_thread.h"

namespace uarena {

class Keeper {
 public:
  // `socket` is the connection on which the daemon agreed to serve `uffd`. All must outlive the
  // keeper.
  Keeper(int socket, int uffd, const Geometry& geometry, Resolver* resolver);

  // In a forked child: as BackgroundThread::AbandonInChild.
  void AbandonInChild() {
    thread_.AbandonInChild();
    if (handler_ != nullptr) handler_.release()->AbandonInChild();
  }

 private:
  void Run(int stop_fd);
  void TakeOver();

  const int socket_;
  const int uffd_;
  const Geometry geometry_;
  Resolver* const resolver_;
  std::unique_ptr<HandlerThread> handler_;
  BackgroundThread thread_;  // last: it uses the others
};

}  // namespace uarena

#endif  // UARENA_CLIENT_KEEPER_H_

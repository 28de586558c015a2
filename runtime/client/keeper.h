// SPDX-License-Identifier: Apache-2.0
//
// Looks after an arena whose faults the daemon serves: delivers its refusals, and takes over when
// it is gone.
#ifndef UARENA_CLIENT_KEEPER_H_
#define UARENA_CLIENT_KEEPER_H_

#include <memory>
#include <thread>

#include "fault/handler_thread.h"
#include "fault/resolver.h"
#include "os/fd.h"

namespace uarena {

class Keeper {
 public:
  // `socket` is the connection on which the daemon agreed to serve `uffd`. All must outlive the
  // keeper.
  Keeper(int socket, int uffd, const Geometry& geometry, Resolver* resolver);
  ~Keeper();
  // In a forked child: as HandlerThread::AbandonInChild.
  void AbandonInChild() {
    stop_.reset();
    if (handler_ != nullptr) handler_.release()->AbandonInChild();
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

 private:
  void Run();
  void TakeOver();

  const int socket_;
  const int uffd_;
  const Geometry geometry_;
  Resolver* const resolver_;
  UniqueFd stop_;
  std::unique_ptr<HandlerThread> handler_;
  std::thread thread_;
};

}  // namespace uarena

#endif  // UARENA_CLIENT_KEEPER_H_

#include "core/client/forked.h"

#include <pthread.h>

#include <manta/error.h>

#include "core/client/client.h"

namespace manta::client {

std::atomic<bool> Forked::here_{false};

void Forked::watch() {
  static const int registered = ::pthread_atfork(nullptr, nullptr, &Forked::in_child);
  (void)registered;  // fails only without memory
}

void Forked::in_child() {
  if (Client::disown()) here_ = true;
}

void Forked::throw_forked() {
  throw Error(ErrorCode::unavailable,
              "Manta does not run in this process: it was forked from one that had called manta::init, whose runtime "
              "stays with that one; call fork() or daemon() before manta::init, or let the child execute a program");
}

}  // namespace manta::client

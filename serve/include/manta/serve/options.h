// Options of deployments and of the HTTP server: plain structs for designated initialisers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace manta::serve {

struct DeploymentOptions {
  std::string name;           // callables answer at /NAME, models at /v2/models/NAME; letters, digits, - _ .
  std::string version = "1";  // of a model, as clients see it
  int num_replicas = 1;       // processes, each with an object of its own
  double num_cpus = 0;        // of each replica, held for its life, as ActorOptions::num_cpus
  double num_gpus = 0;        // below 1: a share of one GPU
  // A callable that takes a Batch gets up to so many requests at once; any other gets its requests one by one.
  int max_batch_size = 32;
  // How long a request may wait for others while its batch is not full and a replica is free. 0: not at all; batches
  // then are what has come in while replicas were busy.
  std::chrono::microseconds batch_wait{0};
  int max_ongoing_requests = 100;    // that a replica has at a time, those that wait in its queue included
  int max_queued_requests = 10'000;  // that wait here; more are answered 503 with Retry-After
  int max_retries = 3;  // of a request whose replica died while it ran, each alone at another; -1: for ever
  std::chrono::milliseconds start_timeout{60'000};  // for a replica's constructor
  std::chrono::milliseconds health_check_period{10'000};
  // A replica is killed and started again when its process does not beat, or its check_health() takes, for so long; or when
  // that throws three times in a row. What requests take, and how many wait, does not matter.
  std::chrono::milliseconds health_check_timeout{30'000};
  // A replica that is replaced or stopped answers what it has for so long; then its process is killed, whatever handles
  // have it. Handles in other processes need a second to notice: no replica is killed before that.
  std::chrono::milliseconds graceful_shutdown_timeout{20'000};
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;                             // 0: any; Server::address() tells which
  std::size_t max_body_bytes = std::size_t{128} << 20;   // more is answered 413
  std::size_t max_header_bytes = std::size_t{16} << 10;  // more is answered 431
  std::chrono::milliseconds idle_timeout{
      75'000};  // until a request's first byte, from the last response; for a response
  std::chrono::milliseconds request_timeout{30'000};  // from a request's first byte to its last; longer is answered 408
  std::size_t max_connections = 20'000;               // more wait to be accepted
  std::string access_log;                             // a file, "-" for stdout; empty: none
};

}  // namespace manta::serve

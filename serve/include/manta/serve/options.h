// Options of deployments and of the HTTP server: aggregates for designated initialisers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace manta::serve {

/// Options of one deployment.
struct DeploymentOptions {
  std::string name;           ///< callables answer at /NAME, models at /v2/models/NAME; letters, digits, - _ .
  std::string version = "1";  ///< a model's version, shown to clients
  int num_replicas = 1;       ///< number of processes, each with its own object
  double num_cpus = 0;        ///< of each replica, held for its life, like ActorOptions::num_cpus
  double num_gpus = 0;        ///< below 1: a share of one GPU
  /// The largest Batch. A callable that takes no Batch gets its requests one by one.
  int max_batch_size = 32;
  /// How long a request may wait for others while its batch is not full and a replica is free. 0: not at all; then a
  /// batch holds the requests that came in while replicas were busy.
  std::chrono::microseconds batch_wait{0};
  int max_ongoing_requests = 100;    ///< that a replica has at a time, including those in its queue
  int max_queued_requests = 10'000;  ///< in the server's queue; more get a 503 with Retry-After
  int max_retries = 3;               ///< of a request whose replica died while it ran, each alone; -1: no limit
  std::chrono::milliseconds start_timeout{60'000};  ///< for a replica's constructor
  std::chrono::milliseconds health_check_period{10'000};
  /// The server kills a replica, which then restarts, when its process sends no heartbeat or its check_health() runs
  /// for this time, or when check_health() throws three times in a row. Slow requests and long queues do not count.
  std::chrono::milliseconds health_check_timeout{30'000};
  /// A replaced or stopped replica has this time to answer its requests; then the server kills its process, even if
  /// handles refer to it. Handles in other processes need a second to notice, so no replica is killed before that.
  std::chrono::milliseconds graceful_shutdown_timeout{20'000};
};

/// Options of the HTTP server.
struct HttpOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;                             ///< 0: any free one; see Server::address()
  std::size_t max_body_bytes = std::size_t{128} << 20;   ///< larger ones get a 413
  std::size_t max_header_bytes = std::size_t{16} << 10;  ///< larger ones get a 431
  /// From a response to the next request's first byte, and for sending a response.
  std::chrono::milliseconds idle_timeout{75'000};
  /// From a request's first byte to its last; slower requests get a 408.
  std::chrono::milliseconds request_timeout{30'000};
  std::size_t max_connections = 20'000;  ///< more wait to be accepted
  std::string access_log;                ///< file name, "-": stdout; empty: none
};

}  // namespace manta::serve

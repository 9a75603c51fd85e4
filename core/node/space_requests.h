// Requests of clients for space in the node's store: other clients are asked to make some, one after the other.
//
//   SPACE-1  every request is answered once, also if the clients that are asked die
//
// Threading: none of its own (the daemon's loop). Ownership: ids only.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include <manta/ids.h>

namespace manta::node {

class SpaceRequests {
 public:
  // make: asks a client for so many bytes, to be answered by made() with the same id. answer: the asker's.
  using Make = std::function<void(ClientId to, std::uint64_t id, std::uint64_t bytes)>;
  using Answer = std::function<void(ClientId asker, std::uint64_t number, std::uint64_t bytes)>;
  SpaceRequests(Make make, Answer answer) : make_(std::move(make)), answer_(std::move(answer)) {}

  // number: the asker's own. others: the clients to ask, in order, until it is enough.
  void need(ClientId asker, std::uint64_t number, std::uint64_t bytes, std::deque<ClientId> others);
  void made(ClientId from, std::uint64_t id, std::uint64_t bytes);
  void client_gone(ClientId client);

 private:
  struct Request {
    ClientId asker;
    std::uint64_t number = 0;
    std::uint64_t wanted = 0;
    std::uint64_t made = 0;
    std::deque<ClientId> others;  // the first was asked
  };
  void go_on(std::map<std::uint64_t, Request>::iterator request);

  Make make_;
  Answer answer_;
  std::map<std::uint64_t, Request> requests_;
  std::uint64_t last_id_ = 0;
};

}  // namespace manta::node

// Everything that travels between the processes of a simulated cluster.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/base/overloaded.h"
#include "core/head/head.h"
#include "core/owner/messages.h"
#include "core/sched/node_scheduler.h"

namespace manta::sim {

class SimRing;

namespace message {

// --- from a client to its node
struct Joined {};
struct SetDemand {
  sched::ShapeIndex shape = 0;
  sched::ResourceSet request;
  std::uint32_t wanted = 0;
};
struct ReturnLease {
  LeaseId lease;
};
struct Blocked {
  bool blocked = false;
};
struct KeepAlive {
  bool keep = false;
};
struct RingClosed {
  ClientId submitter;
};
struct KillWorker {  // that its actor lives on
  LeaseId lease;
};
struct RequestRing {  // to an actor's worker
  ClientId worker;
};
struct Replicate {
  std::vector<owner::Replica> replicas;
};
struct Withdraw {
  std::vector<ObjectId> objects;
};
struct Exited {  // the last of a process: how its node notices the end
  std::string status;
};

// --- from a node to a client
struct Granted {
  LeaseId lease;
  ClientId worker;
  sched::ShapeIndex shape = 0;
  std::shared_ptr<SimRing> ring;
};
struct LeaseEnded {
  LeaseId lease;
  std::string status;
};
struct Infeasible {
  sched::ShapeIndex shape = 0;
  std::string why;
};
struct AskBack {
  sched::ShapeIndex shape = 0;
  std::uint32_t count = 0;
};
struct OpenRing {
  std::shared_ptr<SimRing> ring;
};
struct RingTo {  // null: no such worker, or there is one
  ClientId worker;
  std::shared_ptr<SimRing> ring;
};
struct DropRing {
  LeaseId lease;
};
struct CloseRing {
  ClientId submitter;
};
struct ClientDied {
  ClientId client;
  std::string status;
};
struct NodeDied {
  NodeId node;
};
struct Settle {  // from a node to clients, and between nodes; and its answer
  ClientId standby;
  std::uint32_t round = 0;
};
struct Settled {
  ClientId standby;
  std::uint32_t round = 0;
};
struct Undeliverable {  // between nodes: tell `to` that the client it wrote to is dead
  ClientId to;
  ClientId client;
};

// --- between clients, by way of their nodes
struct Peer {
  ClientId from;
  ClientId to;
  owner::PeerMessage message;
  std::vector<ObjectId> unsure;  // references inside that the sender cannot vouch for: see Oracle
};
struct Mail {  // a reference that one program hands to another
  ClientId from;
  ClientId to;
  detail::WireRef ref;
  bool unsure = false;
};
struct StopTask {  // an owner to the worker that runs its task
  ClientId from;
  ClientId to;
  TaskId task;
  owner::Cancellation how;
};

// --- between nodes and the head
struct NodeJoined {
  sched::ResourceSet total;
};
struct Heartbeat {};
struct ClientJoined {
  ClientId client;
  head::ClientKind kind = head::ClientKind::worker;
};
struct ClientLeft {
  ClientId client;
  std::string status;
};
struct ClientDeath {
  ClientId client;
  std::string status;
};
struct NodeDeath {
  NodeId node;
};
struct EndJob {
  ClientId driver;
};

}  // namespace message

using Message =
    std::variant<message::Joined, message::SetDemand, message::ReturnLease, message::Blocked, message::KeepAlive,
                 message::RingClosed, message::KillWorker, message::RequestRing, message::RingTo, message::Exited,
                 message::Granted, message::LeaseEnded, message::Infeasible, message::AskBack, message::OpenRing,
                 message::DropRing, message::CloseRing, message::ClientDied, message::NodeDied, message::Undeliverable,
                 message::Peer, message::Mail, message::StopTask, message::NodeJoined, message::Heartbeat,
                 message::ClientJoined, message::ClientLeft, message::ClientDeath, message::NodeDeath, message::EndJob,
                 message::Replicate, message::Withdraw, message::Settle, message::Settled>;

}  // namespace manta::sim

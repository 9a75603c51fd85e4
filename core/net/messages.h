// What a client (driver or worker) and the daemon of its node say to each other, over a ControlSocket. One page of
// format: a packet is u8 framed, u8 version, u8 index of the message in its variant, and the message's fields in order,
// as serial::Writer encodes an aggregate. Descriptors travel with the packet, as each message says.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <manta/error.h>
#include <manta/ids.h>

#include "core/owner/messages.h"
#include "core/sched/resources.h"

namespace manta::net {

inline constexpr std::uint8_t kControlVersion = 6;

// A resource request, as on the wire (sched::ResourceSet).
struct WireResources {
  std::int64_t cpus = 0;  // ten-thousandths
  std::int64_t gpus = 0;
  std::uint64_t memory_bytes = 0;
  std::vector<std::pair<std::string, std::int64_t>> named;
  bool own_worker = false;
  std::int16_t priority = 0;
  std::string env;
};

// --- from a client to its node
struct Hello {  // a worker is up
  std::int64_t process = 0;
};
struct SetDemand {
  std::uint32_t shape = 0;
  WireResources request;
  std::uint32_t wanted = 0;
  sched::Where where;
};
struct CreateGroup {          // a placement group; answered by GroupMade
  std::uint64_t request = 0;  // the sender's number of it
  std::vector<WireResources> bundles;
  std::uint8_t strategy = 0;  // GroupStrategy
};
struct RemoveGroup {
  std::uint64_t group = 0;
};
struct ReturnLease {
  LeaseId lease;
};
struct Blocked {
  bool blocked = false;
};
struct RingClosed {
  ClientId submitter;
};
struct RequestArena {
  ClientId client;
};
struct ToPeer {  // delivered as FromPeer, in order per sender
  ClientId client;
  std::vector<std::byte> message;  // a PeerPacket
};
struct Shutdown {};   // driver: end everything
struct ArenaUnused {  // of a dead client: no value that the sender knows lies in it
  ClientId client;
};
struct KillWorker {  // of a lease that the sender holds
  LeaseId lease;
};
struct RequestRing {  // to the actor that the worker hosts; answered by RingTo
  ClientId worker;
};
// From now on every process of the cluster finds the sender's actor under the name; answered by Named.
struct RegisterName {
  std::uint64_t request = 0;  // the sender's number of it
  std::string name;
  ObjectId actor;
  std::string type;
};
struct FindName {  // answered by Named
  std::uint64_t request = 0;
  std::string name;
};
struct DropName {
  std::string name;
  ObjectId actor;
};
struct NeedSpace {  // in the store: others are asked to spill; answered by SpaceMade
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;
};
struct MadeSpace {  // answers MakeSpace; free now, or when messages on their way have arrived
  std::uint64_t id = 0;
  std::uint64_t bytes = 0;
};
struct Replicate {  // what the sender's standby owner is to know, should it die
  std::vector<owner::Replica> replicas;
};
struct Withdraw {
  std::vector<ObjectId> objects;
};
struct Settled {  // answers Settle: what came before it has been acted on
  ClientId standby;
  std::uint32_t round = 0;
};
struct PullBlock {       // bring a block of another node here; answered by BlockPulled
  std::uint64_t id = 0;  // the client's own
  owner::StoredLocation location;
};

struct OutputTaken {  // driver: so many bytes of OutputText of the node are printed, more may come
  NodeId node;
  std::uint64_t bytes = 0;
};
struct DrainOutput {  // driver: of workers of the node; answered by OutputDrained
  NodeId node;
};

struct WhyWaits {             // a demand of the sender is not met; answered by Waits
  std::uint64_t request = 0;  // the sender's number of it
  std::uint32_t shape = 0;
  sched::Where where;
  std::string label;  // of what waits
  bool line = false;  // the sender wants to print a line about it
  // Of what waits for so much of the object store, not for a lease; else 0. And why the sender cannot spill.
  std::uint64_t space_bytes = 0;
  std::string not_spilled;
};
struct WorkerCannotStart {  // instead of Hello, of a worker
  std::string why;
};

using ClientMessage =
    std::variant<Hello, SetDemand, ReturnLease, Blocked, RingClosed, RequestArena, ToPeer, Shutdown, ArenaUnused,
                 KillWorker, RequestRing, RegisterName, FindName, DropName, NeedSpace, MadeSpace, PullBlock, Replicate,
                 Withdraw, Settled, OutputTaken, DrainOutput, CreateGroup, RemoveGroup, WhyWaits, WorkerCannotStart>;

// --- from a node to a client
struct NodeOfCluster {
  NodeId node;
  std::string host;
  WireResources total;
};
struct Welcome {  // the first; descriptors: node page, the client's arena
  ClientId client;
  std::uint32_t slot = 0;
  ClientId driver;
  std::int64_t spin_ns = 0;
  std::string host;
  double num_cpus = 0;
  std::string spill_directory;
  std::vector<NodeOfCluster> nodes;
  std::string address;           // where this node accepts others; empty: nowhere
  std::string env;               // workers: the variables that this one was started with, as in sched::ResourceSet
  bool output_captured = false;  // workers: their stdout and stderr are pipes that the node reads
};
// Instead of Welcome: the node process cannot start, and ends.
struct CannotStart {
  std::uint8_t code = 0;  // ErrorCode
  std::string why;
};
struct Granted {  // descriptors, if new_ring: ring, the worker's arena
  LeaseId lease;
  ClientId worker;
  std::uint32_t shape = 0;
  std::uint32_t worker_slot = 0;
  bool new_ring = false;
};
struct LeaseEnded {
  LeaseId lease;
  std::string status;
};
struct Infeasible {
  std::uint32_t shape = 0;
  std::string why;
};
struct AskBack {
  std::uint32_t shape = 0;
  std::uint32_t count = 0;
  NodeId node;  // that has the leases
};
struct OpenRing {  // to a worker; descriptors: ring, the submitter's arena
  ClientId submitter;
  std::uint32_t submitter_slot = 0;
};
struct CloseRing {
  ClientId submitter;
};
struct ArenaOf {  // descriptor: the arena, if the client is known
  ClientId client;
};
struct FromPeer {
  ClientId client;
  std::vector<std::byte> message;
};
struct ClientDied {
  ClientId client;
  std::string status;
};
struct ClientsDied {
  std::vector<ClientDied> clients;
};
struct MakeSpace {
  std::uint64_t id = 0;
  std::uint64_t bytes = 0;
};
struct SpaceMade {
  std::uint64_t number = 0;  // of the NeedSpace
  std::uint64_t bytes = 0;
};

struct RingTo {  // descriptors, unless there is no such worker: ring, the worker's arena
  ClientId worker;
  std::uint32_t worker_slot = 0;
};
struct Named {  // the actor that has the name; of RegisterName: another had it before
  std::uint64_t request = 0;
  bool found = false;
  ObjectId actor;
  ClientId owner;
  std::string type;
};
struct NodeJoined {
  NodeOfCluster node;
};
struct NodeDied {  // after the deaths of its clients
  NodeId node;
  std::string status;
};
struct Settle {  // answered by Settled; the owner whose standby owner it is is dead
  ClientId standby;
  std::uint32_t round = 0;
};
struct BlockPulled {  // descriptor: memory that holds the block; none: it is lost, and why
  std::uint64_t id = 0;
  std::string why;
};

struct GroupMade {
  std::uint64_t request = 0;
  std::uint64_t group = 0;  // 0: refused, and why
  std::string why;
};
struct OutputText {  // to the driver: whole lines that a worker wrote while it ran the function
  ClientId worker;
  std::int64_t process = 0;    // 0: not known yet
  std::uint64_t function = 0;  // of an actor: its constructor; 0: none yet
  bool error = false;          // to stderr
  std::string label;           // that the task or actor was given; empty: the function's
  std::string host;            // of the worker's node
  std::string text;            // each line with its end
};
struct OutputDrained {  // what workers of the node had written when it was asked for has been sent
  NodeId node;
};

struct LeaseHolder {
  std::int64_t process = 0;
  std::uint64_t function = 0;  // which it runs; of an actor: its constructor; 0: not known
  bool actor = false;
  std::int64_t milliseconds = 0;  // for so long
  std::uint64_t store_bytes = 0;  // so much of the object store; then the others are not set
};
struct Waits {
  std::uint64_t request = 0;
  bool line = false;  // of WhyWaits; false: another process has printed one of the same kind within half a minute
  std::string what;   // is lacking; empty: nothing
  std::string advice;
  std::vector<LeaseHolder> holders;  // the first of them
  std::uint64_t all_holders = 0;     // how many there are
  std::string others;                // what other nodes have; empty: there are none
};

using NodeMessage = std::variant<Welcome, Granted, LeaseEnded, Infeasible, AskBack, OpenRing, CloseRing, ArenaOf,
                                 FromPeer, ClientsDied, RingTo, Named, MakeSpace, SpaceMade, NodeJoined, NodeDied,
                                 BlockPulled, Settle, OutputText, OutputDrained, GroupMade, CannotStart, Waits>;

// Between clients, inside ToPeer and FromPeer.
struct FreeBlock {  // to the creator of the arena
  std::uint64_t offset = 0;
};
// Tasks for a worker of another node, and what it answers: the ring's records as messages. A submitter counts its tasks
// per worker up in `position`; the worker runs them in that order.
enum class TaskKind : std::uint8_t { task, construct, method, end };
struct RunTask {
  std::uint64_t position = 0;
  TaskKind kind = TaskKind::task;
  std::uint32_t concurrency = 1;  // of the actor that is constructed
  std::uint64_t function = 0;
  TaskId task;
  std::uint16_t attempt = 0;
  std::uint32_t ref_mask = 0;
  std::uint32_t cpus = 0;  // ten-thousandths
  bool framed = false;     // the value starts with a frame
  bool parts = false;      // the payload is a list of parts, with references
  bool stored = false;     // the payload is at `location`
  bool timed = false;      // the submitter asks for TaskBegan
  owner::StoredLocation location;
  std::vector<std::byte> payload;
};
struct TaskBegan {
  std::uint64_t position = 0;
};
struct TaskDone {
  std::uint64_t position = 0;
  std::vector<std::byte> reply;  // as client/task_codec.h encodes reply parts
};
struct TakeBackTasks {};  // submitter: send back what has not started
struct TasksReturned {    // worker: these have not started and will not
  std::vector<std::uint64_t> positions;
};
struct WorkerBlocked {  // the running task starts or ends to wait
  bool blocked = false;
};
// From a task's submitter: stop the task. One that has not started comes back as TasksReturned. For a running one the
// stop token is set; if recursive, its own tasks are cancelled; if force, the worker ends.
struct StopTask {
  TaskId task;
  owner::Cancellation how;
};
using PeerPacket = std::variant<owner::Fetch, owner::Fetched, owner::AddBorrower, owner::RemoveBorrower, FreeBlock,
                                owner::FindActor, owner::ActorAt, owner::ActorGone, owner::KillActor, RunTask, TaskDone,
                                TakeBackTasks, TasksReturned, WorkerBlocked, owner::OwnerDied, owner::Passed,
                                owner::NotReplicated, owner::CancelTask, StopTask, owner::StreamItems,
                                owner::StreamCredit, owner::StreamStop, owner::AdoptActor, owner::Adopted, TaskBegan>;

std::vector<std::byte> encode(const ClientMessage& message);
std::vector<std::byte> encode(const NodeMessage& message);
std::vector<std::byte> encode(const PeerPacket& packet);
// invalid_argument: not such a message, or of another version.
[[nodiscard]] Result<ClientMessage> decode_client_message(std::span<const std::byte> bytes);
[[nodiscard]] Result<NodeMessage> decode_node_message(std::span<const std::byte> bytes);
[[nodiscard]] Result<PeerPacket> decode_peer_packet(std::span<const std::byte> bytes);

}  // namespace manta::net

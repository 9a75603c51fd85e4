// A driver or worker process: an Owner with the edges that a real process has around it, minus threads and sockets.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "core/owner/owner.h"
#include "core/testing/sim_executor.h"
#include "core/testing/sim_ids.h"
#include "core/testing/sim_messages.h"
#include "core/testing/sim_oracle.h"
#include "core/testing/sim_program.h"
#include "core/testing/sim_ring.h"

namespace manta::sim {

struct World;

// Keeps what production promises about order: results of a worker are read from its ring before a message of that
// worker, the end of its lease or its death is acted on; of a program's references only the counts change at once,
// release_last comes a little later, as from another thread.
//
// Threading: none. Ownership: owned by the World; an ended process keeps its place, its Owner is gone.
class SimProcess final : public owner::OwnerEffects, public SimRing::Submitter {
 public:
  enum class Role : std::uint8_t { driver, worker };

  SimProcess(World& world, ClientId id, Role role);
  ~SimProcess() override;

  // --- its life
  void start();                                                // joins its node; a driver's program begins
  void end(const std::string& status, bool tell_node = true);  // it dies for any reason; nothing runs on
  void orphan();                                               // its node's daemon is gone, it goes on
  void wind_down();                                            // drops what programs kept
  void deliver(Message message);

  ClientId id() const { return id_; }
  Role role() const { return role_; }
  bool alive() const { return owner_ != nullptr; }
  bool joined() const { return alive() && joined_; }
  bool orphaned() const { return orphaned_; }
  bool program_ended() const { return executor_.idle(); }
  std::uint64_t owner_unfinished() const { return owner_ ? owner_->tasks().unfinished() : 0; }
  bool kept_alive() const { return kept_alive_; }
  // Nothing runs, nothing is held, no demand is left.
  std::string why_not_quiet() const;
  void sweep();  // everything reachable from here is where it should be
  SimExecutor& executor() { return executor_; }

  // --- for programs
  owner::Owner& owner() { return *owner_; }
  Variable submit(owner::NewTask task, bool stored_arguments);
  Variable create_actor(owner::NewActor actor);
  Variable call(const Variable& handle, owner::NewTask task);
  void kill_actor(const Variable& handle, bool restart);
  bool can_call(const Variable& handle) const;
  Variable put(ObjectId id, std::vector<owner::Entry*> contained, bool stored);
  Variable import(const detail::WireRef& ref);
  detail::WireRef export_ref(owner::Entry& entry);
  Variable adopt(owner::Entry* entry);  // takes over one reference
  Variable copy(const Variable& variable);
  void drop(const Variable& variable);
  void want(owner::Entry& entry);
  void cancel(const Variable& variable, bool recursive);
  void keep(const Variable& variable);  // as a global variable does
  bool take_kept(Random& random, Variable& kept);
  void mail(const Variable& variable, Random& random);

  // --- for the executor
  void send_to_node(Message message);
  void note_arrival(const detail::WireRef& ref, bool unsure);
  const sched::ResourceSet& request_of(const owner::Entry& entry) const { return requests_[entry.shape]; }
  std::uint64_t task_of(const owner::Entry& entry) const;
  std::vector<std::shared_ptr<SimRing>> all_rings_out() const;
  std::vector<std::shared_ptr<SimRing>>& rings_in() { return rings_in_; }
  void after_event();

  // --- owner::OwnerEffects
  void set_demand(owner::DemandIndex index, const sched::ResourceSet& request, std::uint32_t wanted) override;
  void return_lease(LeaseId lease) override;
  void kill_worker(LeaseId lease) override;
  void stop_task(ClientId worker, const TaskId& task, const owner::Cancellation& how) override;
  owner::WorkerLink* link_to(ClientId worker) override;
  void drop_name(const std::string& name, const ObjectId& actor) override;
  void send(ClientId to, owner::PeerMessage message) override;
  void free(const owner::Location& location) override;
  void replicate(std::vector<owner::Replica> replicas) override;
  void withdraw(std::vector<ObjectId> objects) override;
  std::chrono::nanoseconds now() const override;
  void resolved(owner::Entry& entry) override;
  // Nothing is spilled, no memory is mapped, and nothing is logged here.
  bool restore(owner::Entry&) override { return false; }
  std::string not_spilled() const override { return {}; }
  void unused(const owner::StoredLocation&) override {}
  void arena_unused(ClientId) override {}
  void tried_again(const std::string&, std::uint32_t, const std::string&) override {}
  void restarts(const owner::Restart&) override {}
  void unread_failure(const std::string&, const Error&) override {}
  // --- SimRing::Submitter
  void describe(const owner::Entry& entry, RingRecord& record) override;
  void published(SimRing& ring) override;

  void poke();  // something changed in one of its rings: it looks before long

 private:
  void drain(ClientId worker);  // none: all workers
  void take_result(RingRecord& record);
  void on_peer(message::Peer& peer);
  void on_mail(const message::Mail& mail);
  void on_granted(const message::Granted& granted);
  void on_ring(const message::RingTo& message);
  void on_death(const message::ClientDied& death);
  void forget_rings();
  void close_rings(ClientId submitter);
  bool excused(const owner::Entry& entry, std::uint64_t task) const;
  void schedule_release(owner::Entry& entry);
  void tick();
  void fail_open_work();
  void replicate_all();
  std::string what_is_left() const;

  World& world_;
  ClientId id_;
  Role role_;
  std::unique_ptr<owner::Owner> owner_;
  SimExecutor executor_;
  std::map<LeaseId, std::shared_ptr<SimRing>> rings_out_;
  std::map<ClientId, std::shared_ptr<SimRing>> links_;  // to actors of others, by worker
  std::vector<std::shared_ptr<SimRing>> rings_in_;
  std::vector<Variable> kept_;
  std::vector<sched::ResourceSet> requests_;            // by the owner's shape
  std::map<owner::DemandIndex, std::uint32_t> wanted_;  // as last sent to the node
  std::map<owner::ShapeIndex, bool> infeasible_;
  boost::unordered_flat_map<const owner::Entry*, std::uint64_t> tasks_;         // looked up, never walked
  boost::unordered_flat_map<std::uint64_t, std::vector<ObjectId>> references_;  // of tasks, by the Oracle's number
  std::pair<TaskId, std::uint64_t> submitting_;
  std::map<ObjectId, ErrorCode> failed_;  // what was seen to resolve with an error
  std::uint32_t releases_ = 0;            // under way
  std::uint32_t events_ = 0;
  bool poked_ = false;
  bool ticking_ = false;
  bool joined_ = false;
  bool orphaned_ = false;
  bool kept_alive_ = false;
};

}  // namespace manta::sim

#include "core/node/local_node.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "core/base/overloaded.h"
#include "core/net/node_page.h"
#include "core/net/shared_memory.h"
#include "core/owner/task_types.h"
#include "core/store/arena.h"

namespace manta::node {

namespace {

constexpr NodeId kNode{1};
constexpr ClientId kProgram = client_of(kNode, 1);
constexpr std::uint32_t kSlot = 0;

std::string host_name() {
  char name[256] = "localhost";
  (void)::gethostname(name, sizeof name - 1);
  return name;
}

}  // namespace

LocalNode::LocalNode(NodeConfig config, net::ControlSocket program)
    : config_(std::move(config)), program_(std::move(program)) {
  welcome();
  thread_ = std::thread([this] { run(); });
}

LocalNode::~LocalNode() { thread_.join(); }

void LocalNode::welcome() {
  auto page_memory = net::create_shared_memory("manta-node", sizeof(net::NodePage));
  if (!page_memory) throw_error(page_memory.error());
  auto mapped = net::map_memory(page_memory->get(), sizeof(net::NodePage), net::Mapping::shared);
  if (!mapped) throw_error(mapped.error());
  auto* const page = reinterpret_cast<net::NodePage*>(*mapped);  // zeros
  page->magic = net::NodePage::kMagic;
  page->store_capacity_bytes = config_.store_capacity_bytes;
  net::unmap_memory(*mapped, sizeof(net::NodePage));
  auto arena = store::create_arena_memory(config_.store_capacity_bytes);
  if (!arena) throw_error(arena.error());
  auto readable = net::reopen_read_only(arena->get());
  if (!readable) throw_error(readable.error());
  arena_ = std::move(*readable);
  net::Welcome message;
  message.client = message.driver = kProgram;
  message.slot = kSlot;
  message.host = host_name();
  message.num_cpus = static_cast<double>(config_.total.cpus) / 10'000;
  message.spill_directory = config_.spill_directory;
  message.nodes = {{kNode, message.host, config_.total}};
  const int descriptors[] = {page_memory->get(), arena->get()};
  send(message, descriptors);
}

void LocalNode::run() {
  ::pthread_setname_np(::pthread_self(), "manta-node");
  for (;;) {
    auto packet = program_.receive();
    if (!packet) return;
    auto message = net::decode_client_message(packet->bytes);
    if (!message) {
      log::error("the node of MANTA_LOCAL cannot read a message: ", message.error().what());
      break;
    }
    if (!receive(std::move(*message))) break;
  }
  program_ = net::ControlSocket();
}

void LocalNode::send(const net::NodeMessage& message, std::span<const int> descriptors) {
  (void)program_.send(net::encode(message), descriptors);  // where the program has ended, so does the loop
}

bool LocalNode::receive(net::ClientMessage message) {
  bool goes_on = true;
  std::visit(Overloaded{
                 [&](const net::SetDemand& m) {
                   demands_.erase(m.shape);
                   if (m.wanted == 0) return;
                   demands_[m.shape] = {m.wanted, m.where.bundle.group};
                   meet(m.shape);
                 },
                 [&](const net::ReturnLease& m) { lease_returned(m.lease); },
                 [&](const net::KillWorker& m) { end_lease(m.lease, "was ended"); },
                 [&](const net::RequestArena& m) {
                   const int arena = arena_.get();
                   send(net::ArenaOf{m.client}, {&arena, m.client == kProgram ? 1u : 0u});
                 },
                 // What the program sends to one of its workers, or to itself.
                 [&](net::ToPeer& m) {
                   send(net::FromPeer{kProgram, std::move(m.message)});
                 },
                 [&](const net::RegisterName& m) { make_name(m); },
                 [&](const net::FindName& m) {
                   const auto it = names_.find(m.name);
                   net::Named answer = it == names_.end() ? net::Named() : it->second;
                   answer.request = m.request;
                   send(answer);
                 },
                 [&](const net::DropName& m) {
                   const auto it = names_.find(m.name);
                   if (it != names_.end() && it->second.actor == m.actor) names_.erase(it);
                 },
                 [&](const net::NeedSpace& m) {
                   send(net::SpaceMade{m.number, 0});
                 },
                 [&](const net::CreateGroup& m) {
                   groups_.insert(++last_number_);
                   send(net::GroupMade{m.request, last_number_, {}});
                 },
                 [&](const net::RemoveGroup& m) { remove_group(m.group); },
                 [&](const net::WhyWaits& m) {
                   net::Waits answer;
                   answer.request = m.request;
                   answer.line = m.line;
                   send(answer);
                 },
                 [&](const net::Shutdown&) { goes_on = false; },
                 [](const auto&) {},
             },
             message);
  return goes_on;
}

// --- leases

void LocalNode::meet(std::uint32_t shape) {
  const auto it = demands_.find(shape);
  if (it == demands_.end()) return;
  const auto [wanted, group] = it->second;
  if (group != 0 && !groups_.contains(group)) {
    demands_.erase(it);
    return send(net::Infeasible{shape, "its placement group was removed"});
  }
  const auto of_shape = [&](const auto& lease) { return lease.second.shape == shape; };
  auto held = static_cast<std::uint32_t>(std::count_if(leases_.begin(), leases_.end(), of_shape));
  for (; held < wanted; ++held) grant(shape, group);
}

void LocalNode::grant(std::uint32_t shape, std::uint64_t group) {
  net::Granted granted;
  granted.lease = {kNode.value << kNodeShift | ++last_number_};
  granted.worker = client_of(kNode, ++last_number_);
  granted.shape = shape;
  leases_[granted.lease] = {shape, granted.worker, group};
  if (shape >= owner::kFirstActor) demands_.erase(shape);  // the demand of an actor ends with its lease (SCHED-9)
  send(granted);
}

void LocalNode::lease_returned(LeaseId lease) {
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return;
  const std::uint32_t shape = it->second.shape;
  leases_.erase(it);
  meet(shape);
}

void LocalNode::end_lease(LeaseId lease, const std::string& status) {
  const auto it = leases_.find(lease);
  if (it == leases_.end()) return;
  const Lease ended = it->second;
  leases_.erase(it);
  send(net::LeaseEnded{lease, status});
  meet(ended.shape);
}

// --- names and groups

void LocalNode::make_name(const net::RegisterName& message) {
  const auto [it, added] =
      names_.try_emplace(message.name, net::Named{0, false, message.actor, kProgram, message.type});
  net::Named answer = it->second;
  answer.request = message.request;
  answer.found = !added;
  it->second.found = true;
  send(answer);
}

void LocalNode::remove_group(std::uint64_t group) {
  if (groups_.erase(group) == 0) return;
  std::vector<LeaseId> ended;
  for (const auto& [lease, of] : leases_) {
    if (of.group == group) ended.push_back(lease);
  }
  for (const LeaseId lease : ended) end_lease(lease, "was ended, as its placement group was removed");
}

}  // namespace manta::node

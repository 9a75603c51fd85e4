#include "core/node/cluster.h"

#include <cstdio>
#include <optional>

#include <boost/asio/post.hpp>

#include "core/base/log.h"
#include "core/base/overloaded.h"
#include "core/base/program.h"
#include "core/node/clock_sync.h"

namespace manta::node {

namespace {

using boost::system::error_code;
using namespace std::chrono_literals;

constexpr auto kJoinFor = 10s;      // a head that does not listen yet may come up
constexpr auto kTellAfter = 300ms;  // one that comes up at the same time takes that long
constexpr auto kTellEvery = 3s;
constexpr auto kPublishEvery = 20ms;
constexpr auto kIntroduction = 3000ms;
constexpr auto kLeaveFor = 300ms;
constexpr std::size_t kRefusalsReported = 20;
constexpr const char* kRole = "node";

bool same(const link::View& a, const link::View& b) {
  const net::WireResources &x = a.available, &y = b.available;
  return x.cpus == y.cpus && x.gpus == y.gpus && x.memory_bytes == y.memory_bytes && x.named == y.named &&
         a.held == b.held;
}

}  // namespace

Cluster::Cluster(boost::asio::io_context& io, ClusterEvents& events, BackPressure& pressure, const NodeConfig& config)
    : io_(io),
      events_(events),
      pressure_(pressure),
      own_{kHead, "", config.total},
      view_{kHead, config.total, {}},
      published_(view_),
      publish_timer_(io) {}

Cluster::~Cluster() {
  for (const auto& [id, member] : members_) member->link->close();
}

std::unique_ptr<Cluster> Cluster::alone(boost::asio::io_context& io, const NodeConfig& config, ClusterEvents& events,
                                        BackPressure& pressure, const std::string& host, ClientId driver) {
  std::unique_ptr<Cluster> cluster(new Cluster(io, events, pressure, config));
  cluster->own_.host = host;
  cluster->self_ = kHead;
  cluster->driver_ = driver;
  return cluster;
}

std::unique_ptr<Cluster> Cluster::listen(boost::asio::io_context& io, const NodeConfig& config, ClusterEvents& events,
                                         BackPressure& pressure, const std::string& host, ClientId driver) {
  std::unique_ptr<Cluster> cluster = alone(io, config, events, pressure, host, driver);
  Cluster* self = cluster.get();
  cluster->listener_ = std::make_unique<net::TlsListener>(
      io, net::make_psk_context(net::derive_key(config.secret, kRole)), net::LinkLimits{},
      [self](std::shared_ptr<net::TlsLink> link) { self->add_member(std::move(link)); },
      [self](const Error& error) {
        if (self->refusals_++ < kRefusalsReported) log::warn("refused: ", error.what());
      });
  auto address = cluster->listener_->listen(config.listen);
  if (!address) throw_error(address.error());
  cluster->address_ = *address;
  return cluster;
}

std::unique_ptr<Cluster> Cluster::join(boost::asio::io_context& io, const NodeConfig& config, const std::string& host,
                                       ClusterEvents& events, BackPressure& pressure,
                                       const std::function<bool()>& cancelled) {
  const std::string context = "cannot join the cluster at " + config.join;
  auto address = net::split_address(config.join);
  if (!address) throw_error(address.error().with_context(context));
  std::unique_ptr<Cluster> cluster(new Cluster(io, events, pressure, config));
  cluster->context_ = net::make_psk_context(net::derive_key(config.secret, kRole));
  const auto deadline = std::chrono::steady_clock::now() + kJoinFor;
  const auto await = [&](const auto& done) {
    while (!done()) {
      if (cancelled()) throw Error(ErrorCode::cancelled, context + ": given up");
      if (std::chrono::steady_clock::now() > deadline + kIntroduction) {
        throw Error(ErrorCode::unavailable, context + ": no answer in time");
      }
      io.run_one_for(50ms);
      io.restart();
    }
  };
  std::shared_ptr<net::TlsLink> link;
  auto tell_at = std::chrono::steady_clock::now() + kTellAfter;
  while (!link) {
    std::optional<Result<std::shared_ptr<net::TlsLink>>> made;
    net::TlsLink::connect(io, *cluster->context_, address->first, address->second, {},
                          [&](Result<std::shared_ptr<net::TlsLink>> result) { made = std::move(result); });
    await([&] { return made.has_value(); });
    if (*made) {
      link = **made;
    } else if (made->error().code() != ErrorCode::unavailable || std::chrono::steady_clock::now() > deadline) {
      throw_error(made->error().with_context(context));
    } else {
      if (const auto now = std::chrono::steady_clock::now(); now >= tell_at) {
        log::warn("waiting to join the cluster at ", config.join, " for up to ", kJoinFor.count(),
                  " s: ", made->error().message());
        tell_at = now + kTellEvery;
      }
      const auto again = std::chrono::steady_clock::now() + 100ms;
      await([&] { return std::chrono::steady_clock::now() >= again; });
    }
  }
  auto head = std::make_unique<Member>(io);
  head->link = link;
  cluster->members_[kHead] = std::move(head);
  std::optional<std::string> refused;
  cluster->start_link(kHead, link, [self = cluster.get(), &refused](const net::TlsLink::End& end) {
    if (!self->self_) {
      refused = end.why;
      return;
    }
    const auto tell = [self, end] { self->events_.head_gone(end.orderly, end.why); };
    self->started_ ? tell() : self->early_.push_back(tell);
  });
  cluster->tell(kHead, link::Join{host, config.total, program_id()});
  await([&] { return cluster->self_ || refused; });
  if (refused) throw Error(ErrorCode::unavailable, context + ": " + link->peer() + ": " + *refused);
  return cluster;
}

void Cluster::start() {
  loop_thread_.assert_current();
  started_ = true;
  for (const auto& node : first_nodes_) events_.node_up(node);
  for (const auto& view : first_views_) events_.view_changed(view);
  for (const auto& frame : std::exchange(early_, {})) frame();
}

// --- the head's node: others come and go

void Cluster::add_member(std::shared_ptr<net::TlsLink> link) {
  if (leaving_) return link->close();
  const NodeId id{next_node_++};
  auto made = std::make_unique<Member>(io_);
  Member& member = *made;
  members_[id] = std::move(made);
  member.link = std::move(link);
  member.introduction.expires_after(kIntroduction);
  member.introduction.async_wait([this, id](error_code error) {
    if (!error) member_gone(id, "it did not introduce itself");
  });
  start_link(id, member.link, [this, id](const net::TlsLink::End& end) {
    member_gone(id, end.orderly ? "left: " + end.why : "was lost: " + end.why);
  });
}

void Cluster::start_link(NodeId of, const std::shared_ptr<net::TlsLink>& link, net::TlsLink::OnEnd on_end) {
  const auto on_frame_of = [this, of, weak = std::weak_ptr(link)](std::uint8_t kind, std::vector<std::byte> payload) {
    try {
      on_frame(of, kind, payload);
    } catch (const std::exception& error) {  // values that passed the decoder, and make no sense to what acts on them
      refuse_frame(of, error.what());
    }
    const auto source = weak.lock();
    if (!pressure_.take_overfull() || !source) return;
    source->pause();
    pressure_.wait([weak] {
      if (const auto paused = weak.lock()) paused->resume();
    });
  };
  link->start(on_frame_of, std::move(on_end),
              [this, of](std::size_t bytes) { pressure_.queued(client_of(of, 0), bytes); });
}

// What comes here is shorter than the limit: longer messages do not fit into the control socket that they come from.
void Cluster::send_on(net::TlsLink& link, std::uint8_t kind, std::span<const std::byte> payload) {
  if (auto sent = link.send(kind, payload); !sent) log::error("a message is lost: ", sent.error().what());
}

void Cluster::introduced(NodeId id, Member& member, const link::Join& join) {
  if (member.node.node) return;
  if (join.program != program_id() || join.program == 0) {
    return member.link->leave("refused: it runs another program than this one, or another build of it");
  }
  member.introduction.cancel();
  member.node = {id, join.host, join.total};
  member.view = {id, join.total, {}};
  link::Joined joined{id, driver_, {own_}, {view_}};
  for (const auto& [other, known] : members_) {
    if (other == id || !known->node.node) continue;
    joined.nodes.push_back(known->node);
    joined.views.push_back(known->view);
  }
  tell(id, joined);
  to_all_but(id, link::NodeUp{member.node});
  events_.node_up(member.node);
}

void Cluster::member_gone(NodeId id, const std::string& why) {
  loop_thread_.assert_current();
  const auto it = members_.find(id);
  if (it == members_.end()) return;
  const std::unique_ptr<Member> gone = std::move(it->second);
  members_.erase(it);
  gone->link->close();
  pressure_.queued(client_of(id, 0), 0);
  if (gone->node.node && !leaving_) events_.node_down(id, why);
}

// --- frames

void Cluster::on_frame(NodeId from, std::uint8_t kind, std::span<const std::byte> payload) {
  loop_thread_.assert_current();
  if (kind == link::kRelayedFrame) return on_relayed(from, payload);
  if (kind != link::kMembershipFrame) return;  // of a later version
  auto message = link::decode_membership(payload);
  message ? on_membership(from, std::move(*message)) : refuse_frame(from, message.error().message());
}

// The head's node notifies the sender, which leaves. Elsewhere the head has let it pass, or it is from a third node.
void Cluster::refuse_frame(NodeId from, const std::string& why) {
  if (refusals_++ < kRefusalsReported) log::warn("a message of node ", from, " is refused: ", why);
  const auto it = members_.find(from);
  if (is_head() && it != members_.end()) it->second->link->leave("refused: " + why);
}

void Cluster::on_membership(NodeId from, link::Membership message) {
  if (is_head()) {
    const auto it = members_.find(from);
    if (it == members_.end()) return;
    if (const auto* join = std::get_if<link::Join>(&message)) return introduced(from, *it->second, *join);
    if (!it->second->node.node) return;
    std::visit(Overloaded{
                   [&](const link::ClientUp& m) {
                     if (node_of(m.client) == from) events_.client_up(m.client);
                   },
                   [&](const link::ClientDown& m) {
                     if (node_of(m.client) == from) events_.client_down(m.client, m.status);
                   },
                   [&](link::View& m) {
                     if (m.node != from) return;  // CLUSTER-3
                     it->second->view = m;
                     to_all_but(from, m);
                     events_.view_changed(m);
                   },
                   [&](const link::AskClock& m) {
                     tell(from, link::ClockIs{m.asked_ns, clock_ns()});
                   },
                   [&](const auto&) {},
               },
               message);
    return;
  }
  if (auto* joined = std::get_if<link::Joined>(&message)) {
    if (self_) return;
    self_ = joined->node;
    driver_ = joined->driver;
    first_nodes_ = std::move(joined->nodes);
    first_views_ = std::move(joined->views);
    return;
  }
  const auto take = [this, message = std::move(message)] {
    std::visit(Overloaded{
                   [&](const link::NodeUp& m) { events_.node_up(m.node); },
                   [&](const link::NodeDown& m) { events_.node_down(m.node, m.status); },
                   [&](const link::ClientDown& m) { events_.client_down(m.client, m.status); },
                   [&](const link::View& m) { events_.view_changed(m); },
                   [&](const link::ClockIs& m) { events_.clock_is(m); },
                   [&](const auto&) {},
               },
               message);
  };
  started_ ? take() : early_.push_back(take);
}

void Cluster::on_relayed(NodeId from, std::span<const std::byte> payload) {
  auto relayed = link::decode_relayed(payload);
  if (!relayed) return;
  if (is_head()) {
    const auto sender = members_.find(from);
    if (relayed->from != from || sender == members_.end() || !sender->second->node.node) return;  // CLUSTER-3
    if (relayed->to != self_) {
      const auto to = members_.find(relayed->to);
      if (to != members_.end() && to->second->node.node) send_on(*to->second->link, link::kRelayedFrame, payload);
      return;
    }
  }
  if (relayed->to != self_) return;
  auto message = link::decode_message(relayed->message);
  if (!message) return refuse_frame(relayed->from, message.error().message());
  if (started_) return events_.message(relayed->from, std::move(*message));
  early_.push_back([this, sender = relayed->from, m = std::move(*message)] { events_.message(sender, m); });
}

// --- sending

void Cluster::send(NodeId to, const link::Message& message) {
  loop_thread_.assert_current();
  const auto it = members_.find(is_head() ? to : kHead);
  if (it == members_.end() || to == self_ || (is_head() && !it->second->node.node)) return;
  send_on(*it->second->link, link::kRelayedFrame, link::encode(self_, to, message));
}

void Cluster::tell(NodeId to, const link::Membership& message) {
  loop_thread_.assert_current();
  const auto it = members_.find(is_head() ? to : kHead);
  if (it != members_.end()) send_on(*it->second->link, link::kMembershipFrame, link::encode(message));
}

void Cluster::to_all_but(NodeId except, const link::Membership& message) {
  const std::vector<std::byte> bytes = link::encode(message);
  for (const auto& [id, member] : members_) {
    if (id != except && member->node.node) send_on(*member->link, link::kMembershipFrame, bytes);
  }
}

void Cluster::publish(net::WireResources available, std::vector<link::Held> held) {
  loop_thread_.assert_current();
  view_ = {self_, std::move(available), std::move(held)};
  if (publish_waits_ || same(view_, published_)) return;
  publish_waits_ = true;
  publish_timer_.expires_after(kPublishEvery);
  publish_timer_.async_wait([this](error_code error) {
    publish_waits_ = false;
    if (!error && !same(view_, published_)) send_view();
  });
}

void Cluster::send_view() {
  published_ = view_;
  is_head() ? to_all_but(self_, view_) : tell(kHead, view_);
}

void Cluster::leave(const std::string& last_words) {
  loop_thread_.assert_current();
  leaving_ = true;
  if (listener_) listener_->close();
  for (const auto& [id, member] : members_) member->link->leave(last_words);
  const auto deadline = std::chrono::steady_clock::now() + kLeaveFor;
  io_.restart();
  const auto open = [&] {
    for (const auto& [id, member] : members_) {
      if (member->link->open()) return true;
    }
    return false;
  };
  while (open() && std::chrono::steady_clock::now() < deadline) {
    io_.run_one_for(20ms);
    io_.restart();
  }
}

}  // namespace manta::node

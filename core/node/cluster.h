// Which nodes there are, and the links to them. The head's node accepts the others; each of those has one link, to it,
// and what two others say to each other passes through it. (Direct links can come later: send() is the seam.)
//
//   CLUSTER-1  messages between two nodes arrive in order, and so do announcements relative to them
//   CLUSTER-2  a process is announced to a node after the process' own node; after the announcement of a node's death,
//              none about it or its processes follows
//   CLUSTER-3  a node speaks for itself alone: the head's node drops frames that say otherwise
//
// Threading: the daemon's loop. Ownership: owns its links; events must outlive it. Whose fault an end is: a link's own
// heartbeat is the detector of dead and of stopped nodes; it notifies head::Head, which announces the death.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/base/loop_thread.h"
#include "core/net/tls_link.h"
#include "core/node/back_pressure.h"
#include "core/node/link_messages.h"
#include "core/node/node_config.h"

namespace manta::node {

// Called from the loop, one at a time, never in the middle of a call of Cluster.
class ClusterEvents {
 public:
  virtual ~ClusterEvents() = default;
  virtual void node_up(const net::NodeOfCluster& node) = 0;
  virtual void node_down(NodeId node, const std::string& status) = 0;
  virtual void client_up(ClientId client) = 0;  // the head's node alone
  virtual void client_down(ClientId client, const std::string& status) = 0;
  virtual void view_changed(const link::View& view) = 0;
  // Of a node that joined: the answer to its AskClock.
  virtual void clock_is(const link::ClockIs& answer) = 0;
  virtual void message(NodeId from, link::Message message) = 0;
  // Of a node that joined: its link to the head is gone. orderly: the job is over.
  virtual void head_gone(bool orderly, const std::string& why) = 0;
};

class Cluster {
 public:
  static constexpr NodeId kHead{1};

  // The head's node of a cluster that no other node may join.
  static std::unique_ptr<Cluster> alone(boost::asio::io_context& io, const NodeConfig& config, ClusterEvents& events,
                                        BackPressure& pressure, const std::string& host, ClientId driver);
  // The head's node: listens where the configuration says. Throws Error.
  static std::unique_ptr<Cluster> listen(boost::asio::io_context& io, const NodeConfig& config, ClusterEvents& events,
                                         BackPressure& pressure, const std::string& host, ClientId driver);
  // Another node: joins, which blocks; cancelled: asked now and then whether to give up. Throws Error.
  static std::unique_ptr<Cluster> join(boost::asio::io_context& io, const NodeConfig& config, const std::string& host,
                                       ClusterEvents& events, BackPressure& pressure,
                                       const std::function<bool()>& cancelled);
  ~Cluster();

  // Events come from now on.
  void start();
  NodeId self() const { return self_; }
  bool is_head() const { return self_ == kHead; }
  ClientId driver() const { return driver_; }
  const std::string& address() const { return address_; }

  // To another node's daemon; dropped where that is not alive.
  void send(NodeId to, const link::Message& message);
  // The head's node: to one other. Others: to the head.
  void tell(NodeId to, const link::Membership& message);
  // What this node has left, for the others; sent when it has changed, at most every kPublishEvery.
  void publish(net::WireResources available, std::vector<link::Held> held);
  // Sends a leave message on all links and runs the loop until it is sent, for a short time.
  void leave(const std::string& last_words);

 private:
  struct Member {
    std::shared_ptr<net::TlsLink> link;
    net::NodeOfCluster node;
    link::View view;
    boost::asio::steady_timer introduction;  // until its Join has arrived
    explicit Member(boost::asio::io_context& io) : introduction(io) {}
  };

  Cluster(boost::asio::io_context& io, ClusterEvents& events, BackPressure& pressure, const NodeConfig& config);
  void start_link(NodeId of, const std::shared_ptr<net::TlsLink>& link, net::TlsLink::OnEnd on_end);
  static void send_on(net::TlsLink& link, std::uint8_t kind, std::span<const std::byte> payload);
  void add_member(std::shared_ptr<net::TlsLink> link);
  void introduced(NodeId id, Member& member, const link::Join& join);
  void on_frame(NodeId from, std::uint8_t kind, std::span<const std::byte> payload);
  void refuse_frame(NodeId from, const std::string& why);
  void on_membership(NodeId from, link::Membership message);
  void on_relayed(NodeId from, std::span<const std::byte> payload);
  void member_gone(NodeId id, const std::string& why);
  void to_all_but(NodeId except, const link::Membership& message);
  void send_view();

  [[no_unique_address]] LoopThread loop_thread_;
  boost::asio::io_context& io_;
  ClusterEvents& events_;
  BackPressure& pressure_;
  NodeId self_;
  ClientId driver_;
  std::string address_;
  net::NodeOfCluster own_;
  std::vector<link::View> first_views_;
  std::vector<net::NodeOfCluster> first_nodes_;
  std::unique_ptr<boost::asio::ssl::context> context_;
  std::unique_ptr<net::TlsListener> listener_;
  std::uint64_t next_node_ = kHead.value + 1;
  std::map<NodeId, std::unique_ptr<Member>> members_;  // the head's node: all others; others: the head's
  bool started_ = false;
  bool leaving_ = false;
  std::vector<std::function<void()>> early_;  // frames that came before start()
  link::View view_, published_;
  boost::asio::steady_timer publish_timer_;
  bool publish_waits_ = false;
  std::size_t refusals_ = 0;
};

}  // namespace manta::node

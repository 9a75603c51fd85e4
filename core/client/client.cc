#include "core/client/client.h"

#include <unistd.h>

#include <string>
#include <utility>

#include "core/client/forked.h"
#include "core/client/function_table.h"
#include "core/client/wiring.h"
#include "core/observe/timeline.h"

namespace manta::client {

namespace {

constexpr std::chrono::seconds kLastMessagesFor{1};

}  // namespace

std::atomic<Client*> Client::current_{nullptr};
std::atomic<std::uint64_t> Client::instances_{0};

Client& Client::require() {
  Client* client = current();
  if (client == nullptr) {
    Forked::check();
    throw Error(ErrorCode::unavailable,
                "Manta is not running in this process: keep the Runtime that manta::init(argc, argv) returns, as the "
                "first line of main, for as long as tasks are used");
  }
  return *client;
}

Client::Client(std::unique_ptr<NodeConnection> connection, NodeConnection::Opened opened, ProcessRole& role)
    : connection_(std::move(connection)),
      state_(std::move(opened.welcome), *opened.page),
      role_(role),
      wiring_(std::make_unique<Wiring>(*this)),
      edge_(std::make_unique<Edge>(*this)),
      receiver_(std::make_unique<Receiver>(*this)),
      links_(state_, *connection_, *wiring_),
      watchers_(state_, links_),
      waiting_(state_, links_, *wiring_),
      streams_(state_, links_, waiting_),
      references_(state_),
      stalls_(state_, *connection_, links_, *wiring_),
      values_(state_, *connection_, waiting_, *wiring_),
      store_(state_, *connection_, *wiring_, std::move(opened.arena)),
      actors_(state_, *connection_, links_),
      groups_(state_, *connection_),
      submitting_(state_, *wiring_),
      stopping_(state_, links_, *wiring_),
      runner_(state_, *wiring_),
      inline_tasks_(state_, *wiring_),
      background_(state_, links_, *wiring_) {
  owner::OwnerConfig config;
  config.function_name = &detail::name_of_function;
  state_.owner = std::make_unique<owner::Owner>(self(), config, *edge_);
}

std::unique_ptr<Client> Client::connect(net::ControlSocket node, ProcessRole& role) {
  auto connection = std::make_unique<NodeConnection>(std::move(node));
  NodeConnection::Opened opened = connection->open();
  std::unique_ptr<Client> client(new Client(std::move(connection), std::move(opened), role));
  client->start();
  return client;
}

void Client::start() {
  state_.events.subscribe(log_lines_);
  observe::Timeline::start(role_.name(state_.welcome), node_of(state_.welcome.client), state_.page.clock_offset_ns,
                           slot().untimed, state_.events);
  role_.begin(*this);
  connection_->send(net::Hello{::getpid()});
  Forked::watch();
  current_.store(this, std::memory_order_release);
  connection_->read(*receiver_);
}

Client::~Client() {
  stop(false);
  {
    const OwnerLock guard(state_);
    links_.clear();
  }
  store_.close();
  state_.owner.reset();  // while its effects are there
}

void Client::stop(bool shut_down_node) {
  Client* self = this;
  current_.compare_exchange_strong(self, nullptr);
  if (shut_down_node) connection_->send(net::Shutdown{});
  connection_->flush(Clock::now() + kLastMessagesFor);
  if (connection_->stop_reading()) waiting_.let_go();  // everything has failed now: threads that still wait leave
  background_.stop();
}

void Client::report_unread_failures() {
  const OwnerLock guard(state_);
  if (!state_.node_gone) links_.drain();
  state_.owner->failures().report_unread(state_.owner->objects().table());
  state_.events.publish(observe::Finishing{});
}

std::vector<net::NodeOfCluster> Client::nodes() {
  const OwnerLock guard(state_);
  return state_.nodes;
}

}  // namespace manta::client

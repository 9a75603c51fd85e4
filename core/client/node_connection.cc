#include "core/client/node_connection.h"

#include <sys/socket.h>

#include <utility>

#include "core/base/log.h"
#include "core/client/local_runner.h"
#include "core/net/shared_memory.h"

namespace manta::client {

NodeConnection::~NodeConnection() {
  (void)stop_reading();
  if (page_ != nullptr) net::unmap_memory(page_, sizeof(net::NodePage));
}

NodeConnection::Opened NodeConnection::open() {
  auto packet = node_.receive();
  if (!packet) throw Error(ErrorCode::unavailable, "the node process ended before it had started, without a message");
  auto message = net::decode_node_message(packet->bytes);
  if (!message) throw_error(message.error());
  if (const auto* failed = std::get_if<net::CannotStart>(&*message)) {
    throw Error(static_cast<ErrorCode>(failed->code), "the node process cannot start: " + failed->why);
  }
  const auto* welcome = std::get_if<net::Welcome>(&*message);
  if (welcome == nullptr || packet->descriptors.size() != 2) {
    throw Error(ErrorCode::internal, "the node's first message is not a welcome");
  }
  auto page = net::map_memory(packet->descriptors[0].get(), sizeof(net::NodePage), net::Mapping::shared);
  if (!page) throw_error(page.error());
  page_ = reinterpret_cast<net::NodePage*>(*page);
  if (page_->magic != net::NodePage::kMagic || welcome->slot >= net::NodePage::kSlots) {
    throw Error(ErrorCode::internal, "the node's page is of another version");
  }
  return {*welcome, page_, std::move(packet->descriptors[1])};
}

void NodeConnection::read(NodeReceiver& receiver) {
  reader_ = std::thread([this, &receiver] {
    serves_client() = true;
    for (;;) {
      auto packet = node_.receive();
      if (!packet) break;
      auto message = net::decode_node_message(packet->bytes);
      if (!message) break;
      receiver.receive(std::move(*message), packet->descriptors);
    }
    receiver.connection_ended();
  });
}

bool NodeConnection::stop_reading() {
  if (!reader_.joinable()) return false;
  ::shutdown(node_.fd(), SHUT_RDWR);
  reader_.join();
  return true;
}

void NodeConnection::send(const net::ClientMessage& message) {
  const auto sent = try_send(message);
  if (sent || sent.error().code() == ErrorCode::unavailable) return;
  log::error("a message to the node process is lost: ", sent.error().what());
}

void NodeConnection::send_to_peer(ClientId to, const net::PeerPacket& packet) {
  send(net::ToPeer{to, net::encode(packet)});
}

}  // namespace manta::client

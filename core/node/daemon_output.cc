// What workers of this node print, on its way to the job's driver.
#include "core/node/daemon.h"
#include "core/node/daemon_client.h"

namespace manta::node {

std::unique_ptr<Outputs> Daemon::make_outputs() {
  if (!config_.log_to_driver) return nullptr;
  return std::make_unique<Outputs>(
      io_, host_,
      Outputs::Edge{[this](net::OutputText text) { to_client(driver_, std::move(text)); },
                    [this](ClientId worker) {
                      const Client* client = find(worker);
                      if (client == nullptr) return std::uint64_t{0};
                      return page_->slots[client->slot].function.load(std::memory_order_acquire);
                    },
                    [this](ClientId worker) {
                      if (const Client* client = find(worker)) page_->slots[client->slot].printed = true;
                    }});
}

void Daemon::output_taken(ClientId from, const net::OutputTaken& taken) {
  if (from != driver_) return;
  if (cluster_ && taken.node != self_) return relay(from, taken.node, taken);
  if (outputs_) outputs_->taken(taken.bytes);
}

void Daemon::drain_output(ClientId from, const net::DrainOutput& drain) {
  if (from != driver_) return;
  if (cluster_ && drain.node != self_) return relay(from, drain.node, drain);
  const auto drained = [this] { to_client(driver_, net::OutputDrained{self_}); };
  outputs_ ? outputs_->drain(drained) : drained();
}

}  // namespace manta::node

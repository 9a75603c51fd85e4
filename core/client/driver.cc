#include "core/client/driver.h"

#include <unistd.h>

#include <chrono>
#include <string_view>
#include <thread>
#include <utility>

#include "core/client/client.h"
#include "core/client/function_table.h"
#include "core/observe/timeline.h"
#include "core/settings/read.h"

namespace manta::client {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kDrainLimit = std::chrono::seconds(2);
constexpr auto kTimelineLimit = std::chrono::seconds(1);

// As people name it: without the unnamed namespaces around it.
std::string printed_name(std::uint64_t id) {
  const detail::FunctionEntry* function = detail::find_function({id});
  std::string name = function != nullptr ? std::string(function->name()) : "worker";
  for (const std::string_view unnamed : {"{anonymous}::", "(anonymous namespace)::", "<unnamed>::"}) {
    for (std::size_t at; (at = name.find(unnamed)) != std::string::npos;) name.erase(at, unnamed.size());
  }
  return name;
}

}  // namespace

Driver::Driver() = default;
Driver::~Driver() = default;

std::string Driver::name(const net::Welcome&) const { return "driver " + std::to_string(::getpid()); }

void Driver::begin(Client& client) {
  client_ = &client;
  if (!client.welcome().output_captured) return;
  const bool fold = settings::choice("MANTA_FOLD_OUTPUT") != "0";
  const auto taken = [this](NodeId node, std::uint64_t bytes) { client_->node().send(net::OutputTaken{node, bytes}); };
  printer_ = std::make_unique<observe::OutputPrinter>(node_of(client.self()), fold,
                                                      observe::OutputPrinter::Edge{taken, &printed_name});
}

void Driver::receive(net::NodeMessage& message, std::vector<Fd>&) {
  if (!printer_) return;
  if (auto* text = std::get_if<net::OutputText>(&message)) printer_->add(std::move(*text));
  if (const auto* drained = std::get_if<net::OutputDrained>(&message)) printer_->drained(drained->node);
}

void Driver::node_died(NodeId node) {
  if (printer_) printer_->node_lost(node);
}

void Driver::connection_ended() {
  for (const net::NodeOfCluster& node : client_->nodes()) node_died(node.node);
}

void Driver::shut_down() {
  client_->report_unread_failures();
  client_->waiting().wait_for_ending_actors();
  if (printer_) end_output();
  if (observe::Timeline::current() != nullptr) await_timelines();
  client_->stop(true);
}

// What was printed before the results that the program has seen is shown before its end.
void Driver::end_output() {
  std::vector<NodeId> nodes;
  for (const net::NodeOfCluster& node : client_->nodes()) nodes.push_back(node.node);
  if (nodes.empty()) nodes.push_back(node_of(client_->self()));
  for (const NodeId node : nodes) client_->node().send(net::DrainOutput{node});
  printer_->wait_drained(nodes, Clock::now() + kDrainLimit);
  printer_->end();
}

// TIME-1: of this node's processes, which are about to be ended.
void Driver::await_timelines() {
  observe::Timeline::current()->forget_page();
  const auto deadline = Clock::now() + kTimelineLimit;
  for (const net::ClientSlot& slot : client_->page().slots) {
    while (slot.untimed && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

}  // namespace manta::client

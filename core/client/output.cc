// The driver's part of what workers print.
#include <string_view>

#include "core/client/client.h"
#include "core/client/function_table.h"
#include "core/client/output_printer.h"
#include "core/settings/read.h"

namespace manta::client {

namespace {

constexpr auto kDrainLimit = std::chrono::seconds(2);

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

void Client::start_output() {
  if (!welcome_.output_captured) return;
  if (hooks_ != nullptr) return output_source_.start(slot());
  const bool fold = settings::choice("MANTA_FOLD_OUTPUT") != "0";
  printer_ = std::make_unique<OutputPrinter>(node_of(self()), fold,
                                             OutputPrinter::Edge{[this](NodeId node, std::uint64_t bytes) {
                                                                   send(net::OutputTaken{node, bytes});
                                                                 },
                                                                 &printed_name});
}

// What was printed before the results that the program has seen is shown before its end.
void Client::end_output() {
  if (!printer_) return;
  std::vector<NodeId> nodes;
  for (const net::NodeOfCluster& node : this->nodes()) nodes.push_back(node.node);
  if (nodes.empty()) nodes.push_back(node_of(self()));
  for (const NodeId node : nodes) send(net::DrainOutput{node});
  printer_->wait_drained(nodes, Clock::now() + kDrainLimit);
  printer_->end();
}

// TIME-1: of this node's processes, which are about to be ended.
void Client::await_timelines() {
  Timeline::current()->forget_flag();
  const auto deadline = Clock::now() + std::chrono::seconds(1);
  for (const net::ClientSlot& slot : page_->slots) {
    while (slot.untimed && Clock::now() < deadline) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

}  // namespace manta::client

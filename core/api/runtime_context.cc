#include <manta/runtime_context.h>

#include <unistd.h>

#include <vector>

#include "core/client/client.h"
#include "core/client/function_table.h"
#include "core/settings/read.h"

namespace manta {

namespace {

std::vector<std::string> gpus_of_worker() {
  std::vector<std::string> names;
  const char* visible = settings::foreign("CUDA_VISIBLE_DEVICES");
  for (std::string_view rest = visible != nullptr ? visible : ""; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    if (end > 0) names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

}  // namespace

RuntimeContext runtime_context() {
  client::Client& client = client::Client::require();
  RuntimeContext context;
  context.job = client.welcome().driver;
  context.node = node_of(client.self());
  context.worker = client.self();
  context.process = ::getpid();
  context.driver = client.self() == client.welcome().driver;
  if (!context.driver) {
    static const std::vector<std::string> gpus = gpus_of_worker();  // as the node set them
    context.gpus = gpus;
  }
  const client::TaskContext* task = client::current_task();
  const client::HostedActor actor =
      task != nullptr && task->hosted != nullptr ? *task->hosted : client.runner().hosted();
  context.actor = actor.id;
  context.actor_restarted = actor.restarted;
  if (task == nullptr) return context;
  context.task = task->id;
  context.attempt = task->attempt + 1u;
  context.num_cpus = task->cpus / 10'000.0;
  if (const detail::FunctionEntry* function = detail::find_function({task->function})) {
    context.task_name = function->name();
  }
  return context;
}

}  // namespace manta

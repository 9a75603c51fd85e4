#include "serve/server/app.h"

#include <algorithm>
#include <utility>

namespace manta::serve {

using Json = nlohmann::json;

App::App(detail::Deployable what, detail::Description how)
    : deployable(std::move(what)),
      description(std::move(how)),
      router(router_options(deployable.options, description)) {}

std::string App::unready() const {
  std::string reasons;
  for (const auto& [id, replica] : replicas) {
    if (replica.ready) return {};
    const std::string& reason = replica.reason.empty() ? "it is being started" : replica.reason;
    if (reasons.find(reason) == std::string::npos) reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  return "no replica of '" + options().name + "' is ready: " + (reasons.empty() ? "it has none" : reasons);
}

void App::leave(ReplicaId id) {
  router.drain(id);
  replicas.at(id).leaves = true;
  publish();
}

void App::publish() const {
  const auto those = [this](const auto& wanted) {
    std::vector<const detail::ReplicaLink*> links;
    for (const auto& [id, replica] : replicas) {
      if (wanted(replica)) links.push_back(replica.link.get());
    }
    return links;
  };
  auto links = those([](const Replica& replica) { return replica.ready && !replica.leaves; });
  if (links.empty()) links = those([](const Replica& replica) { return replica.ready; });
  if (links.empty()) links = those([](const Replica&) { return true; });
  publish(links);
}

void App::publish_none() const { publish({}); }

void App::publish(const std::vector<const detail::ReplicaLink*>& links) const {
  try {
    deployable.publish(links);
  } catch (const Error&) {
    // The runtime has ended: calls of handles say so.
  }
}

Router::Options router_options(const DeploymentOptions& options, const detail::Description& description) {
  std::size_t batch = description.batched ? static_cast<std::size_t>(options.max_batch_size) : 0;
  if (batch > 0 && description.max_batch > 0) batch = std::min(batch, static_cast<std::size_t>(description.max_batch));
  return {.max_batch = batch,
          .max_ongoing = std::max<std::size_t>(static_cast<std::size_t>(options.max_ongoing_requests),
                                               std::max<std::size_t>(2 * batch, 1)),
          .max_queued = static_cast<std::size_t>(options.max_queued_requests),
          .batch_wait = options.batch_wait,
          .max_retries = options.max_retries};
}

namespace {

// Only what is known of them.
Json tensors(const std::vector<TensorInfo>& infos) {
  Json list = Json::array();
  for (const TensorInfo& info : infos) {
    Json& tensor = list.emplace_back(Json{{"name", info.name}});
    if (info.type) tensor["datatype"] = to_string(*info.type);
    if (!info.shape.empty()) tensor["shape"] = info.shape;
  }
  return list;
}

// batched: the protocol puts the dimension of the batch before the shape.
Json config_tensors(const std::vector<TensorInfo>& infos, bool batched) {
  Json list = Json::array();
  for (const TensorInfo& info : infos) {
    Json& tensor = list.emplace_back(Json{{"name", info.name}});
    if (info.type)
      tensor["data_type"] = "TYPE_" + (*info.type == DataType::BYTES ? "STRING" : std::string(to_string(*info.type)));
    if (!info.shape.empty()) tensor["dims"] = std::vector(info.shape.begin() + (batched ? 1 : 0), info.shape.end());
    if (info.optional) tensor["optional"] = true;
  }
  return list;
}

Json duration(std::uint64_t count, std::uint64_t ns) { return {{"count", count}, {"ns", ns}}; }

}  // namespace

std::string metadata_of(const App& app) {
  const ModelInfo& info = app.description.info;
  return Json{{"name", app.options().name},
              {"versions", {app.options().version}},
              {"platform", info.platform},
              {"inputs", tensors(info.inputs)},
              {"outputs", tensors(info.outputs)}}
      .dump();
}

std::string config_of(const App& app) {
  const ModelInfo& info = app.description.info;
  Json config{{"name", app.options().name},
              {"platform", info.platform},
              {"max_batch_size", info.max_batch_size},
              {"input", config_tensors(info.inputs, info.max_batch_size > 0)},
              {"output", config_tensors(info.outputs, info.max_batch_size > 0)},
              {"instance_group", Json::array({{{"count", app.options().num_replicas}}})}};
  return config.dump();
}

std::string statistics_of(const std::vector<const App*>& apps) {
  Json list = Json::array();
  for (const App* app : apps) {
    const Counts& counts = app->counts;
    const std::uint64_t failed = counts.refused + counts.failed + counts.rejected;
    list.push_back({{"name", app->options().name},
                    {"version", app->options().version},
                    {"inference_count", counts.requests},
                    {"execution_count", counts.executions},
                    {"inference_stats",
                     {{"success", duration(counts.success, counts.request_us * 1000)},
                      {"fail", duration(failed, 0)},
                      {"queue", duration(counts.requests, counts.queue_us * 1000)},
                      {"compute_input", duration(counts.requests, counts.input_ns)},
                      {"compute_infer", duration(counts.requests, counts.compute_ns)},
                      {"compute_output", duration(counts.requests, counts.output_ns)}}}});
  }
  return Json{{"model_stats", list}}.dump();
}

}  // namespace manta::serve

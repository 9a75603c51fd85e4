#include "serve/server/app.h"

#include <algorithm>
#include <utility>

namespace manta::serve {

using Json = nlohmann::json;

App::App(detail::Deployable what, detail::Description how)
    : deployable(std::move(what)), description(std::move(how)), router(router_options(deployable.options, deployable.batched)) {}

Router::Options router_options(const DeploymentOptions& options, bool batched) {
  return {.max_batch = batched ? static_cast<std::size_t>(options.max_batch_size) : 0,
          .max_ongoing = std::max<std::size_t>(static_cast<std::size_t>(options.max_ongoing_requests),
                                               batched ? 2 * static_cast<std::size_t>(options.max_batch_size) : 1),
          .max_queued = static_cast<std::size_t>(options.max_queued_requests),
          .batch_wait = options.batch_wait};
}

namespace {

Json tensors(const std::vector<TensorInfo>& infos) {
  Json list = Json::array();
  for (const TensorInfo& info : infos) {
    list.push_back({{"name", info.name}, {"datatype", to_string(info.type)}, {"shape", info.shape}});
  }
  return list;
}

Json config_tensors(const std::vector<TensorInfo>& infos) {
  Json list = Json::array();
  for (const TensorInfo& info : infos) {
    const std::string type = info.type == DataType::BYTES ? "STRING" : std::string(to_string(info.type));
    list.push_back({{"name", info.name}, {"data_type", "TYPE_" + type}, {"dims", info.shape}});
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
              {"max_batch_size", 0},  // the protocol's batching puts a dimension before the shapes; these are whole
              {"input", config_tensors(info.inputs)},
              {"output", config_tensors(info.outputs)},
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

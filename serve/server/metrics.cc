#include "serve/server/metrics.h"

#include <algorithm>

namespace manta::serve {

namespace {

class Page {
 public:
  explicit Page(const std::vector<const App*>& apps) : apps_(apps) {}
  void head(const std::string& name, const char* type, const char* help) {
    name_ = name;
    text += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void line(const std::string& labels, std::uint64_t value) {
    text += name_ + labels + " " + std::to_string(value) + "\n";
  }
  template <class F>
  void each(const std::string& name, const char* type, const char* help, F value) {
    head(name, type, help);
    for (const App* app : apps_) line("{" + labels(*app) + "}", value(*app));
  }
  static std::string labels(const App& app) {  // names need no escapes: see valid_name
    return "model=\"" + app.options().name + "\",version=\"" + app.options().version + "\"";
  }
  std::string text;

 private:
  const std::vector<const App*>& apps_;
  std::string name_;
};

}  // namespace

std::string metrics_of(const std::vector<const App*>& apps, const ServerCounts& server) {
  Page page(apps);
  page.each("nv_inference_request_success", "counter", "Requests answered 2xx",
            [](const App& app) { return app.counts.success; });
  page.head("nv_inference_request_failure", "counter", "Requests answered otherwise, by reason");
  for (const App* app : apps) {
    page.line("{" + Page::labels(*app) + ",reason=\"REJECTED\"}", app->counts.rejected);
    page.line("{" + Page::labels(*app) + ",reason=\"BACKEND\"}", app->counts.failed);
    page.line("{" + Page::labels(*app) + ",reason=\"OTHER\"}", app->counts.refused);
  }
  page.each("nv_inference_count", "counter", "Requests that a replica computed",
            [](const App& app) { return app.counts.requests; });
  page.each("nv_inference_exec_count", "counter", "Calls of the model or callable; a batch counts once",
            [](const App& app) { return app.counts.executions; });
  page.each("nv_inference_pending_request_count", "gauge", "Requests that wait or run",
            [](const App& app) { return app.router.queued() + app.router.ongoing(); });
  page.each("nv_inference_request_duration_us", "counter", "From a request's end to its answer, added up",
            [](const App& app) { return app.counts.request_us; });
  page.each("nv_inference_queue_duration_us", "counter", "Waiting for a replica, added up",
            [](const App& app) { return app.counts.queue_us; });
  page.each("nv_inference_compute_input_duration_us", "counter", "Decoding, added up",
            [](const App& app) { return app.counts.input_ns / 1000; });
  page.each("nv_inference_compute_infer_duration_us", "counter", "In the model or callable, added up",
            [](const App& app) { return app.counts.compute_ns / 1000; });
  page.each("nv_inference_compute_output_duration_us", "counter", "Encoding, added up",
            [](const App& app) { return app.counts.output_ns / 1000; });
  page.each("manta_serve_replicas", "gauge", "Replicas that take requests", [](const App& app) {
    return static_cast<std::uint64_t>(
        std::count_if(app.replicas.begin(), app.replicas.end(), [](const auto& each) { return each.second.ready; }));
  });
  page.each("manta_serve_replicas_killed", "counter", "Replicas that hung, or said that they are ill",
            [](const App& app) { return app.counts.killed; });
  page.each("manta_serve_requests_departed", "counter", "Requests whose client left before they were answered",
            [](const App& app) { return app.counts.departed; });
  page.head("manta_http_connections", "gauge", "Open connections");
  page.line("", server.connections);
  page.head("manta_http_responses", "counter", "Responses, by status");
  for (const auto& [status, count] : server.responses) page.line("{code=\"" + std::to_string(status) + "\"}", count);
  return page.text;
}

}  // namespace manta::serve

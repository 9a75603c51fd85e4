#include "serve/protocols/paths.h"

#include <algorithm>
#include <vector>

namespace manta::serve {

namespace {

std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/');
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end != 0) parts.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return parts;
}

Route of_model(const std::vector<std::string_view>& parts) {  // v2 models NAME [versions V] [what]
  Route route{.name = parts[2]};
  std::size_t next = 3;
  if (parts.size() > next + 1 && parts[next] == "versions") {
    route.version = parts[next + 1];
    next += 2;
  }
  const std::string_view what = parts.size() > next ? parts[next] : std::string_view();
  if (parts.size() > next + 1) return route;
  route.get = what != "infer";
  route.post = !route.get;
  if (what.empty()) route.to = Route::To::model_metadata;
  if (what == "ready") route.to = Route::To::model_ready;
  if (what == "config") route.to = Route::To::model_config;
  if (what == "stats") route.to = Route::To::model_statistics;
  if (what == "infer") route.to = Route::To::infer;
  return route;
}

}  // namespace

Route route_of(std::string_view path) {
  const std::vector<std::string_view> parts = parts_of(path);
  if (parts.empty()) return {};
  if (parts[0] != "v2") {
    if (parts.size() != 1) return {};
    if (parts[0] == "metrics") return {.to = Route::To::metrics, .get = true};
    if (parts[0] == "healthz") return {.to = Route::To::ready, .get = true};
    return {.to = Route::To::callable, .name = parts[0], .get = true, .post = true};
  }
  if (parts.size() == 1) return {.to = Route::To::server_metadata, .get = true};
  if (parts.size() == 3 && parts[1] == "health" && parts[2] == "live") return {.to = Route::To::live, .get = true};
  if (parts.size() == 3 && parts[1] == "health" && parts[2] == "ready") return {.to = Route::To::ready, .get = true};
  if (parts.size() == 3 && parts[1] == "repository" && parts[2] == "index")
    return {.to = Route::To::repository_index, .post = true};
  if (parts.size() == 3 && parts[1] == "models" && parts[2] == "stats")
    return {.to = Route::To::model_statistics, .get = true};
  if (parts.size() >= 3 && parts[1] == "models") return of_model(parts);
  return {};
}

bool valid_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), good) && name != "v2" &&
         name != "metrics" && name != "healthz" && name.front() != '.';
}

}  // namespace manta::serve

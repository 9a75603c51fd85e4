// Which of the server's resources a request means.
#pragma once

#include <string>
#include <string_view>

namespace manta::serve {

struct Route {
  enum class To {
    callable,          // name
    infer,             // name, version
    model_metadata,    // name, version
    model_ready,       // name, version
    model_config,      // name, version
    model_statistics,  // name, version; name empty: of all
    server_metadata,
    live,
    ready,
    repository_index,
    metrics,
    nowhere,
  };
  To to = To::nowhere;
  std::string_view name;
  std::string_view version;  // empty: not given
  bool get = false;          // methods that it takes
  bool post = false;
};

// path: without the query.
Route route_of(std::string_view path);

// Whether it can be a deployment's name: letters, digits, - _ .
bool valid_name(std::string_view name);

}  // namespace manta::serve

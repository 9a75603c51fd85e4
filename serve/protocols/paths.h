// Maps a request's path to one of the server's resources.
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
    model_statistics,  // name, version; name empty: of all models
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
  bool get = false;          // methods that the resource allows
  bool post = false;
};

// The route of a path without its query. The views refer to `path`.
Route route_of(std::string_view path);

// Whether this is a valid deployment name: letters, digits, - _ .
bool valid_name(std::string_view name);

}  // namespace manta::serve

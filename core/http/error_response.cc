#include <nlohmann/json.hpp>

#include <manta/http/message.h>

namespace manta::http {

Response error_response(int status, const std::string& message) {
  return {.status = status,
          .content_type = "application/json",
          .body = nlohmann::json{{"error", message}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace manta::http

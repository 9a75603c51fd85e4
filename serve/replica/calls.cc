// The part of a replica's work on a request that does not depend on the deployment's type.
#include <string>

#include <manta/detail/thrown.h>
#include <manta/serve/detail/replica.h>

namespace manta::serve::detail {

Response response_of_error(const Error& error) {
  return http::error_response(error.code() == ErrorCode::invalid_argument                                      ? 400
                              : error.code() == ErrorCode::not_found                                           ? 404
                              : error.code() == ErrorCode::unavailable || error.code() == ErrorCode::exhausted ? 503
                                                                                                               : 500,
                              error.message());
}

Response response_of_exception() {
  try {
    throw;
  } catch (const HttpError& error) {
    return http::error_response(error.status(), error.what());
  } catch (const Error& error) {
    // Of the program, not of the request: what it asked of others failed.
    return http::error_response(
        error.code() == ErrorCode::unavailable || error.code() == ErrorCode::exhausted ? 503 : 500, error.message());
  } catch (...) {
    return http::error_response(500, manta::detail::thrown_text());
  }
}

nlohmann::json parse_json(const Request& request) {
  return request.body.empty() ? nlohmann::json() : read_json(request.body);
}

}  // namespace manta::serve::detail

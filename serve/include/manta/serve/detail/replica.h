// The actor that hosts one object of a deployment. Internal: everything here may change.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <manta/detail/label.h>
#include <manta/runtime_context.h>
#include <manta/serve/detail/callable.h>
#include <manta/serve/detail/heart.h>

namespace manta::serve::detail {

// The responses to a message's requests, and what they cost.
struct Replies {
  std::vector<Response> responses;
  std::uint64_t input_ns = 0;    // decoding
  std::uint64_t compute_ns = 0;  // in the callable
  std::uint64_t output_ns = 0;   // encoding
  std::uint32_t executions = 0;  // calls of the callable
  bool died = false;             // the process ended while it had these requests; they were not repeated
};

struct Description {
  bool model = false;
  bool batched = false;
  bool raw = false;  // needs the request's headers
  bool checks_health = false;
  std::int64_t max_batch = 0;  // the object's own limit of requests in one call; 0: it has none
  ModelInfo info;
};

// The response for the current exception; call it inside a catch.
Response response_of_exception();
Response response_of_error(const Error& error);
// NaN, Infinity and -Infinity are numbers, there and back, as Triton and Python have it.
nlohmann::json read_json(std::string_view text);  // throws HttpError(400), also where it is nested too deeply
// handler: how to treat text that is not UTF-8; strict: throws nlohmann::json::type_error.
std::string write_json(const nlohmann::json& json,
                       nlohmann::json::error_handler_t handler = nlohmann::json::error_handler_t::strict);
// taken: `sent`, converted to a C++ type and back. Throws HttpError(400) if a number did not fit. at: its place, as a
// JSON pointer.
void check_numbers(const nlohmann::json& sent, const nlohmann::json& taken, const std::string& at = {});
nlohmann::json parse_json(const Request& request);
InferenceRequest parse_inference(const Request& request);
Response format_inference(const Request& request, const InferenceRequest& parsed, InferenceResponse&& response);

template <class A>
A decode(const Request& request) {
  if constexpr (std::is_same_v<A, Request>) {
    return request;
  } else if constexpr (std::is_same_v<A, InferenceRequest>) {
    return parse_inference(request);
  } else {
    const nlohmann::json json = parse_json(request);
    try {
      A value = json.get<A>();
      constexpr bool kNumbers =
          !std::is_same_v<A, nlohmann::json> && !std::is_same_v<A, std::string> && !std::is_same_v<A, bool>;
      if constexpr (kNumbers && std::is_constructible_v<nlohmann::json, const A&>) {
        check_numbers(json, nlohmann::json(std::as_const(value)));
      }
      return value;
    } catch (const nlohmann::json::exception& error) {
      throw HttpError(400, std::string("the JSON is not what is expected here: ") + error.what());
    }
  }
}

template <class R, class A>
Response encode(const Request& request, const A& argument, R&& answer) {
  using Plain = std::remove_cvref_t<R>;
  if constexpr (std::is_same_v<Plain, Response>) {
    return std::forward<R>(answer);
  } else if constexpr (std::is_same_v<Plain, InferenceResponse>) {
    return format_inference(request, argument, std::forward<R>(answer));
  } else if constexpr (std::is_same_v<A, Request> && std::is_same_v<Plain, std::string>) {
    return Response{.body = std::forward<R>(answer)};
  } else {
    return Response{.content_type = "application/json", .body = write_json(nlohmann::json(std::forward<R>(answer)))};
  }
}

template <class D>
class Replica {
 public:
  using Types = Callable<D>;
  using A = typename Types::Argument;
  using R = typename Types::Answer;
  static std::string_view manta_label() { return manta::detail::class_label<D>(); }

  template <class... As>
  Replica(const Lifeline& line, std::tuple<As...> arguments)
      : object_(std::make_from_tuple<D>(std::move(arguments))),
        info_(info_of(object_)),
        restarted_(runtime_context().actor_restarted),
        heart_(line) {}

  Description describe() {
    Description result{.model = Types::model, .batched = Types::batched, .raw = Types::raw};
    result.info = info_;
    if constexpr (requires { object_.check_health(); }) result.checks_health = true;
    if constexpr (requires {
                    { object_.max_batch_size() } -> std::convertible_to<std::int64_t>;
                  }) {
      result.max_batch = object_.max_batch_size();
    }
    return result;
  }

  void check_health() {
    if constexpr (requires { object_.check_health(); }) {
      heart_.checking();
      try {
        object_.check_health();
      } catch (...) {
        heart_.checked();
        throw;
      }
      heart_.checked();
    }
  }

  // stop: set when the clients of all requests have left; then the rest is not computed, and the call is cancelled.
  Replies handle(const std::vector<Request>& requests, std::stop_token stop) {
    Replies replies;
    // The server repeats them, elsewhere or in parts, and so finds a request that kills its process.
    if (restarted_ && runtime_context().attempt > 1) {
      replies.died = true;
      return replies;
    }
    replies.responses.resize(requests.size());
    const auto start = Clock::now();
    std::vector<A> arguments;
    std::vector<std::size_t> places;  // of requests that can be decoded
    arguments.reserve(requests.size());
    places.reserve(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      try {
        A argument = decode<A>(requests[i]);
        if constexpr (Types::model) check_inputs(argument, info_);
        arguments.push_back(std::move(argument));
        places.push_back(i);
      } catch (...) {
        replies.responses[i] = response_of_exception();
      }
    }
    const auto decoded = Clock::now();
    replies.input_ns = nanoseconds(decoded - start);
    if constexpr (Types::batched) {
      if (!arguments.empty()) compute({arguments, places, requests, replies, stop}, 0, arguments.size());
    } else {
      for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto before = Clock::now();
        if (stop.stop_requested()) throw Stopped();
        ++replies.executions;
        auto after = before;
        try {
          auto answer = ask(arguments[i], stop);
          after = Clock::now();
          put(requests[places[i]], arguments[i], std::move(answer), replies.responses[places[i]]);
        } catch (...) {
          if (stop.stop_requested()) throw;
          if (after == before) after = Clock::now();
          replies.responses[places[i]] = response_of_exception();
        }
        replies.compute_ns += nanoseconds(after - before);
        replies.output_ns += nanoseconds(Clock::now() - after);
      }
    }
    return replies;
  }

  // A call through a Handle.
  R call(const A& argument, std::stop_token stop) {
    ++calls_;
    if constexpr (Types::model) check_inputs(argument, info_);
    if constexpr (Types::batched) {
      auto answers = ask(Batch<A>(std::span<const A>(&argument, 1)), stop);
      if (answers.size() != 1)
        throw std::runtime_error("a batch of 1 request has " + std::to_string(answers.size()) + " answers");
      return value(std::move(answers.front()));
    } else {
      return value(ask(argument, stop));
    }
  }

  // How many calls through handles have started.
  std::uint64_t calls() const { return calls_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Stopped : std::exception {
    const char* what() const noexcept override { return "its clients have left"; }
  };
  // A message's requests that could be decoded, and where their answers go.
  struct Decoded {
    const std::vector<A>& arguments;
    const std::vector<std::size_t>& places;
    const std::vector<Request>& requests;
    Replies& replies;
    const std::stop_token& stop;
  };
  static ModelInfo info_of(const D& object) {
    if constexpr (requires {
                    { object.info() } -> std::convertible_to<ModelInfo>;
                  }) {
      return object.info();
    } else {
      return {};
    }
  }
  template <class X>
  decltype(auto) ask(X&& argument, [[maybe_unused]] const std::stop_token& stop) {
    if constexpr (Types::Operator::stops) {
      return object_(std::forward<X>(argument), stop);
    } else {
      return object_(std::forward<X>(argument));
    }
  }
  static std::uint64_t nanoseconds(Clock::duration time) {
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
  }
  template <class X>
  R value(X&& answer) const {
    if constexpr (is_result<std::remove_cvref_t<X>>) {
      if (!answer) throw_error(answer.error());
      return value(std::move(*answer));
    } else {
      if constexpr (Types::model) check_outputs(answer, info_);
      return std::forward<X>(answer);
    }
  }
  template <class X>
  void put(const Request& request, const A& argument, X&& answer, Response& response) const {
    if constexpr (is_result<std::remove_cvref_t<X>>) {
      if (answer) return put(request, argument, std::move(*answer), response);
      response = response_of_error(answer.error());
    } else {
      if constexpr (Types::model) check_outputs(answer, info_);
      response = encode(request, argument, std::forward<X>(answer));
    }
  }

  // Computes requests [from, to) of a batch; one by one if they cannot be computed together.
  void compute(const Decoded& all, std::size_t from, std::size_t to) {
    const auto before = Clock::now();
    Replies& replies = all.replies;
    ++replies.executions;
    try {
      auto answers = ask(Batch<A>(std::span<const A>(all.arguments).subspan(from, to - from)), all.stop);
      const auto after = Clock::now();
      replies.compute_ns += nanoseconds(after - before);
      if (answers.size() != to - from) {
        throw HttpError(500, "a batch of " + std::to_string(to - from) + " requests has " +
                                 std::to_string(answers.size()) + " answers; it must have one for each");
      }
      for (std::size_t i = from; i < to; ++i) {
        Response& response = replies.responses[all.places[i]];
        try {
          put(all.requests[all.places[i]], all.arguments[i], std::move(answers[i - from]), response);
        } catch (...) {
          response = response_of_exception();
        }
      }
      replies.output_ns += nanoseconds(Clock::now() - after);
    } catch (...) {
      if (all.stop.stop_requested()) throw;
      if (to - from == 1) {
        replies.responses[all.places[from]] = response_of_exception();
        return;
      }
      for (std::size_t i = from; i < to; ++i) compute(all, i, i + 1);
    }
  }

  D object_;
  const ModelInfo info_;  // what a model has declared; requests and responses must match it
  const bool restarted_;
  std::uint64_t calls_ = 0;
  Heart heart_;  // starts after the object is made, ends before it
};

}  // namespace manta::serve::detail

// Refs in programs whose loop is Boost.Asio's. Include it beside Boost.Asio; <manta/manta.h> does not.
#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <manta/get.h>
#include <manta/on_ready.h>
#include <manta/ref.h>

namespace manta {

namespace detail {

/// Completes an Asio operation in its executor.
template <class T, class Handler>
class AsioCallback final : public ReadyCallback {
  using Executor = boost::asio::associated_executor_t<Handler>;

 public:
  AsioCallback(const Ref<T>& ref, Handler handler)
      : ref_(ref), work_(boost::asio::get_associated_executor(handler)), handler_(std::move(handler)) {}
  void run(const Error* ended) override {
    boost::asio::post(work_.get_executor(), Completion{std::move(ref_), std::move(handler_), work_,
                                                       ended == nullptr ? std::nullopt : std::optional(*ended)});
    work_.reset();
  }

 private:
  // In the executor: values are decoded there.
  struct Completion {
    Ref<T> ref;
    Handler handler;
    boost::asio::executor_work_guard<Executor> work;
    std::optional<Error> ended;
    void operator()() {
      work.reset();
      std::exception_ptr error = ended ? std::make_exception_ptr(*ended) : nullptr;
      if constexpr (std::is_void_v<T>) {
        error = decode(error, [&] { value_of<T>(ref.entry()); });
        std::move(handler)(error);
      } else {
        std::optional<T> value;
        error = decode(error, [&] { value.emplace(value_of<T>(ref.entry())); });
        std::move(handler)(error, value ? std::move(*value) : T());
      }
    }
    template <class Decode>
    static std::exception_ptr decode(std::exception_ptr error, Decode decode) {
      if (error != nullptr) return error;
      try {
        decode();
      } catch (...) {
        return std::current_exception();
      }
      return nullptr;
    }
  };

  Ref<T> ref_;
  boost::asio::executor_work_guard<Executor> work_;
  Handler handler_;
};

template <class T>
struct AsioSignature {
  using type = void(std::exception_ptr, T);
};
template <>
struct AsioSignature<void> {
  using type = void(std::exception_ptr);
};

}  // namespace detail

/// An asynchronous operation of Boost.Asio that completes when the ref's value is there, with the signature
/// void(std::exception_ptr, T), or void(std::exception_ptr) for a Ref<void>. With use_awaitable it throws what get(ref)
/// throws; with other tokens (use_future, deferred, a handler) it does what these do with an exception_ptr.
///
/// **Threading**: any thread; does not block. The handler runs in its associated executor, where the value is decoded,
/// and counts as that executor's outstanding work meanwhile. **Ownership**: holds the object until then.
/// The executor's context must live until then, as in any operation of Asio.
/// **Errors**: as on_ready. Where the Runtime ends first the operation fails with Error(unavailable). It cannot be
/// cancelled through Asio: manta::cancel(ref) ends the task, and with it the operation.
///
///     boost::asio::awaitable<void> session() {
///       int four = co_await manta::async(manta::remote<square>(2), boost::asio::use_awaitable);
///     }
template <class T, class Token>
auto async(const Ref<T>& ref, Token&& token) {
  return boost::asio::async_initiate<Token, typename detail::AsioSignature<T>::type>(
      [](auto handler, Ref<T> awaited) {
        detail::EntryHead& entry = awaited.entry();
        using Handler = decltype(handler);
        detail::call_when_ready(entry, std::make_unique<detail::AsioCallback<T, Handler>>(awaited, std::move(handler)));
      },
      token, ref);
}

}  // namespace manta

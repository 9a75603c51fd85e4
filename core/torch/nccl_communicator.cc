#include "core/torch/nccl_communicator.h"

#include <span>
#include <utility>
#include <vector>

#include <c10/core/DeviceGuard.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace manta::collective {

namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kLook{100};              // how often the watcher does
constexpr std::chrono::microseconds kPoll{20};  // how often a thread that waits itself does

c10::impl::VirtualGuardImpl cuda() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

// What each rank tells the others before they connect.
struct Invitation {
  bool ready = false;  // its library is loaded
  ncclUniqueId id{};   // rank 0's counts
};

}  // namespace

void NcclCalls::require(ncclResult_t result) const {
  if (result == ncclSuccess) return;
  const bool wrong = result == ncclInvalidArgument || result == ncclInvalidUsage;
  const char* details = nccl.get_last_error(communicator);
  throw Error(wrong ? ErrorCode::invalid_argument : ErrorCode::unavailable,
              std::string(nccl.get_error_string(result)) +
                  (details != nullptr && *details != '\0' ? std::string(": ") + details : "") +
                  ". NCCL_DEBUG=INFO in the environment says more.");
}

void NcclCalls::together(const std::function<void()>& body) const {
  require(nccl.group_start());
  try {
    body();
  } catch (...) {
    nccl.group_end();  // the first error counts
    throw;
  }
  require(nccl.group_end());
}

NcclCommunicator::NcclCommunicator(const Rendezvous& rendezvous, c10::Device device)
    : device_(device),
      rank_(rendezvous.rank),
      timeout_(rendezvous.timeout),
      stream_(cuda().getStreamFromGlobalPool(device, /*isHighPriority=*/true)) {
  const c10::DeviceGuard on_device(device_);
  connect(rendezvous);
  watcher_ = std::thread([this] { watch(); });
}

// One rank without a library is an error in all of them, not a wait.
void NcclCommunicator::connect(const Rendezvous& rendezvous) {
  std::optional<Error> without;
  Invitation mine;
  try {
    nccl_ = &NcclLibrary::get();
    if (rank_ == 0) NcclCalls{*nccl_, nullptr, nullptr}.require(nccl_->get_unique_id(&mine.id));
    mine.ready = true;
  } catch (const Error& error) {
    without = error;
  }
  Rendezvous beside = rendezvous;
  beside.name += "/nccl";
  auto group = Group::join(beside);
  std::vector<Invitation> all(static_cast<std::size_t>(rendezvous.size));
  std::vector<std::span<std::byte>> places;
  for (Invitation& one : all) places.push_back(std::as_writable_bytes(std::span(&one, 1)));
  group->all_gather(std::as_bytes(std::span(&mine, 1)), places);
  if (without) throw *without;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].ready) continue;
    throw Error(ErrorCode::unavailable, "NCCL, connecting: rank " + std::to_string(rank) +
                                            " could not load it, and "
                                            "its own error says why. Next: mend that, then start the group again.");
  }
  ncclComm_t made = nullptr;
  const ncclResult_t result = nccl_->comm_init_rank(&made, rendezvous.size, all[0].id, rank_);
  try {
    NcclCalls{*nccl_, nullptr, nullptr}.require(result);
  } catch (const Error& error) {
    throw error.with_context("NCCL, connecting rank " + std::to_string(rank_) + " on " + device_.str());
  }
  communicator_ = made;
  peers_.emplace(std::move(group));
}

NcclCommunicator::~NcclCommunicator() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  watcher_.join();
  try {
    const c10::DeviceGuard on_device(device_);
    for (const Launched& one : std::exchange(launched_, {})) {
      if (!failure_) wait_here(*one.done, one.title, timeout_);
    }
    if (communicator_ != nullptr) nccl_->comm_destroy(communicator_);
  } catch (...) {  // late, or CUDA is gone
    if (communicator_ != nullptr) nccl_->comm_abort(communicator_);
  }
}

NcclCommunicator::EventPtr NcclCommunicator::launch(const char* title, bool collective, Milliseconds timeout,
                                                    const Body& body) {
  const MutexLock lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  const c10::DeviceGuard on_device(device_);
  c10::Event before(c10::DeviceType::CUDA);  // NCCL-1
  before.record(cuda().getStream(device_));
  before.block(stream_);
  auto done = std::make_shared<c10::Event>(c10::DeviceType::CUDA);
  const std::uint64_t number = collective ? peers_->begin() : 0;
  {
    const c10::StreamGuard on_stream(stream_);
    try {
      body({*nccl_, communicator_, static_cast<cudaStream_t>(cuda().getStreamNativeHandle(stream_))});
    } catch (const Error& error) {
      const Error whole = error.with_context(std::string(title) + ", rank " + std::to_string(rank_));
      if (error.code() != ErrorCode::invalid_argument) fail(whole);
      throw whole;
    }
    done->record(stream_);
  }
  while (!launched_.empty() && launched_.front().done->query()) launched_.pop_front();
  launched_.push_back({done, title, number, Clock::now() + (timeout.count() > 0 ? timeout : timeout_)});
  if (launched_.size() == 1) changed_.notify_all();
  return done;
}

std::exception_ptr NcclCommunicator::failure() const {
  const MutexLock lock(mutex_);
  return failure_;
}

void NcclCommunicator::wait(const c10::Event& done) {
  if (const auto error = failure()) std::rethrow_exception(error);
  done.block(cuda().getStream(device_));
}

void NcclCommunicator::wait_here(const c10::Event& done, const char* title, Milliseconds timeout) {
  const auto deadline = Clock::now() + (timeout.count() > 0 ? timeout : timeout_);
  while (true) {
    if (const auto error = failure()) std::rethrow_exception(error);
    if (done.query()) return;
    if (Clock::now() > deadline) {
      throw Error(ErrorCode::deadline, std::string(title) + ", rank " + std::to_string(rank_) + ": not done in time");
    }
    std::this_thread::sleep_for(kPoll);
  }
}

void NcclCommunicator::abort(std::string_view reason) {
  const MutexLock lock(mutex_);
  fail(Error(ErrorCode::cancelled, "NCCL, rank " + std::to_string(rank_) + ": aborted: " + std::string(reason)));
}

void NcclCommunicator::leave() { peers_->leave(); }

void NcclCommunicator::fail(const Error& error) {  // NCCL-2
  if (failure_) return;
  failure_ = std::make_exception_ptr(error);
  launched_.clear();
  if (communicator_ != nullptr) nccl_->comm_abort(std::exchange(communicator_, nullptr));
}

void NcclCommunicator::watch() {
  const MutexLock lock(mutex_);
  while (!stopping_) {
    if (launched_.empty()) {
      changed_.wait(mutex_);
      continue;
    }
    const auto next_look = Clock::now() + kLook;
    while (!stopping_ && changed_.wait_until(mutex_, next_look)) continue;
    if (stopping_) return;
    try {
      const c10::DeviceGuard on_device(device_);
      look();
    } catch (const std::exception& error) {  // CUDA's own: the device is of no more use
      fail(Error(ErrorCode::unavailable,
                 "NCCL, rank " + std::to_string(rank_) + " on " + device_.str() + ": " + error.what()));
    }
  }
}

void NcclCommunicator::look() {  // NCCL-3
  while (!launched_.empty() && launched_.front().done->query()) launched_.pop_front();
  if (launched_.empty()) return;
  const Launched& first = launched_.front();
  const std::string where = std::string(first.title) + ", rank " + std::to_string(rank_) + ": ";
  ncclResult_t result = ncclSuccess;
  if (nccl_->comm_get_async_error(communicator_, &result) == ncclSuccess && result != ncclSuccess &&
      result != ncclInProgress) {
    fail(Error(ErrorCode::unavailable,
               where + nccl_->get_error_string(result) + ": " + nccl_->get_last_error(communicator_)));
  } else if (const auto lost = first.number > 0 ? peers_->lost_before(first.number) : std::nullopt) {  // NCCL-4
    fail(lost->with_context(where + "not done"));
  } else if (Clock::now() > first.deadline) {
    fail(Error(ErrorCode::deadline, where + "not done in time: another rank died, or has not called it"));
  }
}

}  // namespace manta::collective

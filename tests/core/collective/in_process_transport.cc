#include "tests/core/collective/in_process_transport.h"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/mutex.h"

namespace manta::collective {

namespace {

constexpr std::size_t kStepBytes = 641 * 64;
constexpr std::byte kOverwritten{0xaa};

using Bytes = std::vector<std::byte>;

// What the ranks share; all of it: with the mutex.
struct Exchange {
  enum class Presence { absent, joined, left, gave_up };
  struct Rank {
    Presence presence = Presence::absent;
    std::optional<Error> reason;  // once it gave up
    std::uint64_t begun = 0;
  };
  // From one rank to another, in order.
  struct Pair {
    std::deque<std::pair<Announcement, Bytes>> steps;
    std::deque<std::pair<int, Bytes>> messages;  // by tag
  };

  explicit Exchange(int size) : ranks(static_cast<std::size_t>(size)), pairs(ranks.size() * ranks.size()) {}
  Rank& rank(int rank) { return ranks[static_cast<std::size_t>(rank)]; }
  Pair& pair(int from, int to) { return pairs[static_cast<std::size_t>(from) * ranks.size() + std::size_t(to)]; }
  std::optional<Error> trouble_with(int peer) {
    const std::string name = "rank " + std::to_string(peer);
    if (rank(peer).presence == Presence::left) return Error(ErrorCode::unavailable, name + " has left the group");
    const auto& reason = rank(peer).reason;
    if (!reason) return {};
    return Error(reason->code() == ErrorCode::cancelled ? ErrorCode::cancelled : ErrorCode::unavailable,
                 name + " gave up: " + reason->message());
  }
  void give_up(int rank_of, const Error& error) {
    if (!rank(rank_of).reason) rank(rank_of).reason = error;
    rank(rank_of).presence = Presence::gave_up;
    changed.notify_all();
  }

  Mutex mutex;
  CondVar changed;
  std::vector<Rank> ranks;
  std::vector<Pair> pairs;
};

// What the payload gives to the reader.
std::span<const std::byte> part_for(int reader, std::span<const std::byte> space, const Payload& payload) {
  if (payload.reader != kEveryRank && payload.reader != reader) return {};
  if (payload.stride == 0) return space.first(payload.bytes);
  const std::size_t begin = std::min(static_cast<std::size_t>(reader) * payload.stride, payload.bytes);
  return space.subspan(begin, std::min(payload.stride, payload.bytes - begin));
}

class InProcessTransport final : public Transport {
 public:
  InProcessTransport(std::shared_ptr<Exchange> exchange, const Rendezvous& rendezvous)
      : Transport(rendezvous.rank, rendezvous.size, kStepBytes), all_(std::move(exchange)), rendezvous_(rendezvous) {
    const MutexLock lock(all_->mutex);
    all_->rank(rank()).presence = Exchange::Presence::joined;
    all_->changed.notify_all();
    wait_for_each([&](int peer) { return all_->rank(peer).presence != Exchange::Presence::absent; });
  }
  ~InProcessTransport() override {
    const MutexLock lock(all_->mutex);
    auto& presence = all_->rank(rank()).presence;
    if (presence == Exchange::Presence::joined) presence = Exchange::Presence::left;
    all_->changed.notify_all();
  }

  std::chrono::milliseconds timeout() const noexcept override { return rendezvous_.timeout; }
  void set_timeout(std::chrono::milliseconds timeout) noexcept override { rendezvous_.timeout = timeout; }
  void require_usable() const override {
    const MutexLock lock(all_->mutex);
    if (const auto& reason = all_->rank(rank()).reason) throw *reason;
  }

  std::span<std::byte> next_space() override {
    require_usable();
    return space_;
  }
  void publish(const Announcement& announcement, const Payload& payload) override {
    const MutexLock lock(all_->mutex);
    ++steps_;
    for (int to = 0; to < size(); ++to) {
      const auto part = part_for(to, space_, payload);
      all_->pair(rank(), to).steps.emplace_back(announcement, Bytes(part.begin(), part.end()));
    }
    std::fill(space_.begin(), space_.end(), kOverwritten);
    all_->changed.notify_all();
  }
  std::span<const Contribution> await_step() override {
    for (auto& [announcement, data] : received_) std::fill(data.begin(), data.end(), kOverwritten);
    const MutexLock lock(all_->mutex);
    wait_for_each([&](int peer) { return !all_->pair(peer, rank()).steps.empty(); });
    received_.clear();
    contributions_.clear();
    for (int peer = 0; peer < size(); ++peer) {
      auto& steps = all_->pair(peer, rank()).steps;
      received_.push_back(std::move(steps.front()));
      steps.pop_front();
    }
    for (const auto& [announcement, data] : received_) contributions_.push_back({&announcement, data});
    return contributions_;
  }

  void start(Transfer& transfer) override {
    require_usable();
    if (transfer.peer < 0 || transfer.peer >= size() || transfer.peer == rank()) {
      throw Error(ErrorCode::invalid_argument, "there is no peer " + std::to_string(transfer.peer));
    }
    const MutexLock lock(all_->mutex);
    if (!transfer.sends) return receiving_.push_back(&transfer);
    auto& messages = all_->pair(rank(), transfer.peer).messages;
    messages.emplace_back(transfer.tag, Bytes(transfer.out.begin(), transfer.out.end()));
    transfer.complete = true;
    all_->changed.notify_all();
  }
  void finish(Transfer& transfer) override {
    const MutexLock lock(all_->mutex);
    const auto arrived = [&] { return transfer.complete || (receive() && transfer.complete); };
    wait(arrived, [&](int peer) { return peer == transfer.peer; });
    if (transfer.error) throw *transfer.error;
  }
  void await_transfers(const std::atomic<bool>& woken) override {
    const MutexLock lock(all_->mutex);
    wait([&] { return receive() || woken.load(std::memory_order_seq_cst); },
         [&](int peer) {
           return std::any_of(receiving_.begin(), receiving_.end(), [&](Transfer* one) { return one->peer == peer; });
         });
  }
  void wake() noexcept override {
    const MutexLock lock(all_->mutex);
    all_->changed.notify_all();
  }
  void set_patient(bool) noexcept override {}

  void set_begun(std::uint64_t count) noexcept override {
    const MutexLock lock(all_->mutex);
    all_->rank(rank()).begun = count;
  }
  std::optional<Error> lost_before(std::uint64_t count) override {
    const MutexLock lock(all_->mutex);
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank() || all_->rank(peer).begun >= count) continue;
      if (auto trouble = all_->trouble_with(peer)) return trouble;
    }
    return {};
  }
  void abort(std::string_view reason) noexcept override {
    const MutexLock lock(all_->mutex);
    all_->give_up(rank(), Error(ErrorCode::cancelled, std::string(reason)));
  }
  // A rank that leaves before all have come is noticed at the deadline.
  std::unique_ptr<Transport> split(std::span<const int> ranks) override {
    const auto self = std::find(ranks.begin(), ranks.end(), rank()) - ranks.begin();
    return join_in_process(
        {.name = rendezvous_.name + "/" + std::to_string(steps_) + "." + std::to_string(ranks.front()),
         .rank = static_cast<int>(self),
         .size = static_cast<int>(ranks.size()),
         .timeout = timeout()});
  }

 private:
  template <class Ready, class Missing>
  void wait(Ready&& ready, Missing&& missing) {
    const auto deadline = std::chrono::steady_clock::now() + timeout();
    for (bool in_time = true; !ready(); in_time = all_->changed.wait_until(all_->mutex, deadline)) {
      std::optional<Error> error = all_->rank(rank()).reason;
      std::string late;
      for (int peer = 0; peer < size() && !error; ++peer) {
        if (peer == rank() || !missing(peer)) continue;
        late += (late.empty() ? "" : ", ") + std::to_string(peer);
        error = all_->trouble_with(peer);
      }
      if (!error && !in_time) {
        error = Error(ErrorCode::deadline, late + " of " + std::to_string(size()) + " did not come within " +
                                               std::to_string(timeout().count()) + " ms");
      }
      if (!error) continue;
      all_->give_up(rank(), *error);
      throw *error;
    }
  }
  template <class Here>
  void wait_for_each(Here&& here) {
    int first = 0;
    const auto all_here = [&] {
      while (first < size() && here(first)) ++first;
      return first == size();
    };
    wait(all_here, [&](int peer) { return !here(peer); });
  }
  // Completes the transfers whose messages are there. True: any.
  bool receive() {
    return std::erase_if(receiving_, [&](Transfer* transfer) { return take_message(*transfer); }) > 0;
  }
  bool take_message(Transfer& transfer) {
    auto& messages = all_->pair(transfer.peer, rank()).messages;
    const auto message =
        std::find_if(messages.begin(), messages.end(), [&](const auto& one) { return one.first == transfer.tag; });
    if (message == messages.end()) return false;
    const Bytes bytes = std::move(message->second);
    messages.erase(message);
    if (bytes.size() == transfer.in.size()) {
      std::copy(bytes.begin(), bytes.end(), transfer.in.begin());
    } else {
      transfer.error = Error(ErrorCode::invalid_argument, "a message of another size came");
    }
    transfer.complete = true;
    return true;
  }

  const std::shared_ptr<Exchange> all_;
  Rendezvous rendezvous_;
  Bytes space_ = Bytes(kStepBytes);
  std::vector<std::pair<Announcement, Bytes>> received_;  // in the latest step, from each rank
  std::vector<Contribution> contributions_;
  std::vector<Transfer*> receiving_;
  std::uint64_t steps_ = 0;
};

}  // namespace

std::unique_ptr<Transport> join_in_process(const Rendezvous& rendezvous) {
  static Mutex mutex;
  static std::map<std::string, std::weak_ptr<Exchange>> exchanges;
  std::shared_ptr<Exchange> exchange;
  {
    const MutexLock lock(mutex);
    auto& known = exchanges[rendezvous.name];
    exchange = known.lock();
    if (!exchange) known = exchange = std::make_shared<Exchange>(rendezvous.size);
  }
  return std::make_unique<InProcessTransport>(std::move(exchange), rendezvous);
}

}  // namespace manta::collective

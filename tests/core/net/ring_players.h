// Both sides of a ring, playing at random under a seed: threads or forked processes.
//
// Every record carries its number and bytes that follow from it, and so does every result, so that each side can tell
// whether what it reads is whole and the one it expects. A side that waits sleeps with a deadline far away: reaching it
// means that a wake-up was lost.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <random>
#include <string>

#include "tests/core/net/shared_ring.h"

namespace manta::net {

// Of the clock, unless MANTA_TEST_SEED is set to repeat a run. Print it.
inline std::uint64_t test_seed() {
  const char* given = std::getenv("MANTA_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10)
                          : static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

struct Play {
  std::uint64_t seed = 1;
  std::uint64_t records = 0;  // the submitter publishes so many, then one that stops the worker
  std::uint32_t most_in_flight = kRingRecords;
  std::uint32_t spin = 100;  // looks at most so often before it sleeps
  double take_back = 0.01;   // how likely, at each step
  double notify = 0.5;       // how likely a worker tells of a result at once
  std::chrono::seconds patience{30};
  const std::atomic<bool>* peer_died = nullptr;  // set by a death notice, which also wakes the doorbell
};

// What a record says. The same function on both sides.
class Content {
 public:
  Content(std::uint64_t seed, std::uint64_t number) : number_(number), hash_(detail_mix(seed, number)) {}

  void write(Record& record) const {
    record.kind = PayloadKind::bytes;
    record.size_bytes = size_bytes();
    record.function = hash_;
    record.task = {number_, ~hash_};
    std::memset(record.payload, static_cast<int>(hash_ & 0xff), size_bytes());
  }
  bool matches(const Record& record) const {
    if (record.kind != PayloadKind::bytes || record.size_bytes != size_bytes() || record.function != hash_ ||
        record.task != ObjectId{number_, ~hash_}) {
      return false;
    }
    const auto payload = payload_of(record);
    for (const std::byte byte : *payload) {
      if (byte != static_cast<std::byte>(hash_ & 0xff)) return false;
    }
    return true;
  }
  Content result() const { return {hash_, number_}; }

 private:
  static std::uint64_t detail_mix(std::uint64_t seed, std::uint64_t number) {
    return manta::detail::mix64(seed * 0x9e3779b97f4a7c15ULL + number + 1);
  }
  std::uint32_t size_bytes() const { return static_cast<std::uint32_t>(hash_ >> 32) % (Record::kPayloadBytes + 1); }

  std::uint64_t number_;
  std::uint64_t hash_;
};

inline constexpr std::uint16_t kStopAttempt = 7;

class Player {
 public:
  // What went wrong first; empty: nothing.
  const std::string& trouble() const { return trouble_; }

 protected:
  Player(const Play& play, Doorbell& bell, std::uint64_t salt) : play_(play), bell_(bell), random_(play.seed + salt) {}

  bool chance(double likely) { return std::uniform_real_distribution<>()(random_) < likely; }
  std::uint64_t below(std::uint64_t end) { return random_() % end; }
  bool fail(const std::string& what) {
    if (trouble_.empty()) trouble_ = what;
    return false;
  }
  bool peer_died() const { return play_.peer_died != nullptr && play_.peer_died->load(); }
  // look() tries to make progress; stop_looking() as of the ring. False: trouble, or the peer has died.
  template <class Look, class StopLooking>
  bool wait(Look look, StopLooking stop_looking) {
    for (std::uint64_t i = play_.spin > 0 ? below(play_.spin) : 0; i > 0; --i) {
      if (look()) return true;
    }
    while (!look()) {
      const std::uint32_t seen = bell_.rings.load();
      if (peer_died()) return false;
      if (!stop_looking()) continue;
      if (!bell_.sleep(seen, std::chrono::steady_clock::now() + play_.patience)) return fail("a wake-up was lost");
      bell_.take();
    }
    return true;
  }

  const Play play_;
  Doorbell& bell_;
  std::mt19937_64 random_;
  std::string trouble_;
};

class SubmittingPlayer : public Player {
 public:
  SubmittingPlayer(SharedRing& ring, const Play& play)
      : Player(play, ring.submitter_bell(), 1), end_(ring.submitter()) {}

  void run() {
    while (trouble_.empty() && !peer_died() && (published_ < play_.records || !outstanding_.empty())) step();
    if (trouble_.empty() && !peer_died()) stop();
  }
  // One random move.
  void step() {
    if (published_ < play_.records && outstanding_.size() < play_.most_in_flight) publish_some();
    if (chance(play_.take_back)) take_back_some();
    drain();
    if (!trouble_.empty() || outstanding_.empty()) return;
    if (published_ < play_.records && outstanding_.size() < play_.most_in_flight && chance(0.7)) return;
    wait([this] { return drain() > 0 || outstanding_.empty() || end_.reserve() != nullptr; },
         [this] { return end_.stop_looking(); });
  }
  // Reads results that are there; returns how many.
  std::uint64_t drain() {
    std::uint64_t count = 0;
    for (Record* record; (record = end_.front_done()) != nullptr; ++count) {
      while (!outstanding_.empty() && outstanding_.front().taken) outstanding_.pop_front();
      if (outstanding_.empty() || outstanding_.front().position != end_.front_position()) {
        fail("a result of a position that is not the oldest");
        return 0;
      }
      if (!content(outstanding_.front()).result().matches(*record)) fail("a result that is not whole");
      outstanding_.pop_front();
      end_.free_front();
      ++finished_;
    }
    while (!outstanding_.empty() && outstanding_.front().taken) outstanding_.pop_front();
    if (outstanding_.empty() && end_.outstanding() != 0) fail("the ring counts positions that no task waits for");
    return count;
  }

  struct Task {
    std::uint64_t position = 0;
    std::uint64_t number = 0;
    bool taken = false;
  };
  RingSubmitter& end() { return end_; }
  // Called before and after the record with that number is published; and before and after it is taken back.
  std::function<void(std::uint64_t number, bool after)> on_publish;
  std::function<void(std::uint64_t number, bool after)> on_take_back;
  const std::deque<Task>& outstanding() const { return outstanding_; }
  std::uint64_t published() const { return published_; }
  std::uint64_t finished() const { return finished_; }
  std::uint64_t taken() const { return taken_; }

 private:
  Content content(const Task& task) const { return {play_.seed, task.number}; }

  void publish_some() {
    const std::uint64_t room =
        std::min<std::uint64_t>(play_.records - published_, play_.most_in_flight - outstanding_.size());
    for (std::uint64_t burst = 1 + below(std::min<std::uint64_t>(room, 40)); burst > 0; --burst) {
      Record* record = end_.reserve();
      if (record == nullptr) return;
      const Task task{end_.next_position(), published_};
      content(task).write(*record);
      record->attempt = 0;
      outstanding_.push_back(task);
      ++published_;
      if (on_publish) on_publish(task.number, false);
      end_.publish(*record);
      if (on_publish) on_publish(task.number, true);
    }
  }
  void take_back_some() {
    for (std::uint64_t count = 1 + below(4); count > 0 && !outstanding_.empty(); --count) {
      Task& task = outstanding_[below(outstanding_.size())];
      const bool before = task.taken;
      if (on_take_back && !before) on_take_back(task.number, false);
      task.taken = end_.take_back(task.position) == TakeBack::taken;
      if (before && !task.taken) fail("a record taken back has started");
      if (!before && task.taken) ++taken_;
      if (on_take_back && !before && task.taken) on_take_back(task.number, true);
    }
  }
  void stop() {
    Record* record = nullptr;
    if (!wait([&] { return drain(), (record = end_.reserve()) != nullptr; }, [this] { return end_.stop_looking(); })) {
      return;
    }
    record->attempt = kStopAttempt;
    end_.publish(*record);
  }

  RingSubmitter end_;
  std::deque<Task> outstanding_;
  std::uint64_t published_ = 0;
  std::uint64_t finished_ = 0;
  std::uint64_t taken_ = 0;
};

class WorkingPlayer : public Player {
 public:
  WorkingPlayer(SharedRing& ring, const Play& play) : Player(play, ring.worker_bell(), 2), end_(ring.worker()) {}

  void run() {
    while (trouble_.empty() && step()) {
    }
  }
  // Serves one record. False: that was the last, or trouble.
  bool step() {
    Record* record = nullptr;
    if (!wait([&] { return (record = end_.claim()) != nullptr; }, [this] { return end_.stop_looking(); })) return false;
    return serve(*record);
  }
  // Serves what is ready, without waiting.
  void drain() {
    for (Record* record; trouble_.empty() && (record = end_.claim()) != nullptr;) serve(*record);
  }

  std::uint64_t served() const { return served_; }
  // Called after a record is claimed, and before it is finished.
  std::function<void(std::uint64_t number, bool after)> on_serve;

 private:
  bool serve(Record& record) {
    if (record.attempt == kStopAttempt) return false;
    const std::uint64_t number = record.task.high;
    const Content content(play_.seed, number);
    if (!content.matches(record)) return fail("a record that is not whole");
    if (number < next_number_) return fail("a record out of order, or twice");
    next_number_ = number + 1;
    ++served_;
    if (on_serve) on_serve(number, false);
    content.result().write(record);
    if (on_serve) on_serve(number, true);
    end_.finish(record, chance(play_.notify));
    if (chance(0.1)) end_.flush();
    return true;
  }

  RingWorker end_;
  std::uint64_t served_ = 0;
  std::uint64_t next_number_ = 0;  // one more than that of the last record seen
};

}  // namespace manta::net

#include "tune/tuner/crew.h"

#include <sched.h>

#include <algorithm>
#include <utility>

namespace manta::tune::detail {

namespace {

constexpr double kBatchSeconds = 0.001;
constexpr std::size_t kLargestBatch = 64;
constexpr double kShort = 0.001;  // trials for whose ends it polls
constexpr auto kPoll = std::chrono::microseconds(50);
constexpr auto kLong = std::chrono::milliseconds(90);
constexpr std::chrono::milliseconds kLastWords{500};
constexpr int kEarlyDeaths = 3;
constexpr int kKindBits = 2, kSlotBits = 20;

bool process_gone(const Error& error) {
  return error.code() == ErrorCode::actor_died || error.code() == ErrorCode::worker_died ||
         error.code() == ErrorCode::unavailable;
}

}  // namespace

Crew::Crew(Study& study, const Program& program, const ActorOptions& options, int size, const WorkerSetup& setup,
           const Waker& waker)
    : study_(study),
      program_(program),
      options_(options),
      setup_(setup),
      waker_(waker),
      slots_(static_cast<std::size_t>(size)),
      queue_([this] { waker_.notify(); }) {
  options_.max_concurrency = 3;  // a batch, an ask() that waits for a report, an ask() that does not
  for (Slot& slot : slots_) start(slot);
}

Crew::~Crew() {
  kill();
  for (Slot& slot : slots_) slot.worker.leave();
}

void Crew::kill() {
  for (Slot& slot : slots_) {
    if (slot.busy && !slot.looking) look(slot);
  }
  const auto until = Clock::now() + kLastWords;
  for (Slot& slot : slots_) {
    if (slot.busy && try_get(slot.looked, std::max<std::chrono::nanoseconds>(until - Clock::now(), {})))
      on_looked(slot);
  }
  for (Slot& slot : slots_) {
    if (slot.busy) slot.worker.kill();
  }
  for (Slot& slot : slots_) {
    if (!slot.busy) continue;
    (void)try_get(slot.run);  // CREW-4
    slot.busy = false;
  }
  busy_ = 0;
}

std::uint64_t Crew::token(const Slot& slot, Kind kind) const {
  const auto index = static_cast<std::uint64_t>(&slot - slots_.data());
  return slot.life << (kKindBits + kSlotBits) | index << kKindBits | kind;
}

void Crew::start(Slot& slot) {
  slot = Slot{.life = slot.life + 1};
  slot.worker = program_.start(setup_, options_);
  slot.worker.set_label("worker " + std::to_string(&slot - slots_.data()) + " for trials");
  queue_.add(slot.worker.ready, token(slot, kReady));
}

bool Crew::turn() {
  const std::vector<std::uint64_t> tokens = queue_.take();
  for (const std::uint64_t each : tokens) handle(each);
  for (Slot& slot : slots_) {
    if (slot.ready && !slot.busy) hand_out(slot);
  }
  return !tokens.empty();
}

void Crew::handle(std::uint64_t token) {
  Slot& slot = slots_[token >> kKindBits & ((1u << kSlotBits) - 1)];
  if (slot.life != token >> (kKindBits + kSlotBits)) return;
  switch (static_cast<Kind>(token & ((1u << kKindBits) - 1))) {
    case kReady:
      return on_ready(slot);
    case kRun:
      return on_run(slot);
    case kAsked:
      return on_asked(slot);
    case kLooked:
      return on_looked(slot);
  }
}

void Crew::on_ready(Slot& slot) {
  const auto ready = try_get(slot.worker.ready);
  if (!ready && process_gone(ready.error())) {
    if (++early_deaths_ >= kEarlyDeaths) {
      throw Error(ErrorCode::worker_died, "Tuner: " + std::to_string(early_deaths_) +
                                              " workers died one after the other before "
                                              "they could run a trial: " +
                                              ready.error().message() +
                                              " Next: see what ends them; do the arguments of "
                                              "fit() fit into memory once for each worker?");
    }
    return start(slot);
  }
  if (!ready) throw_error(ready.error().with_context("Tuner: a worker could not be started"));
  early_deaths_ = 0;
  slot.ready = true;
  if (study_.decides()) ask(slot, {.wait = true});
}

void Crew::ask(Slot& slot, const Question& question) {
  slot.asked = slot.worker.ask(question);
  queue_.add(slot.asked, token(slot, kAsked));
}

void Crew::hand_out(Slot& slot) {
  const std::vector<Assignment> batch = study_.take(batch_size(slot));
  if (batch.empty()) return;
  slot.batch.clear();
  for (const Assignment& each : batch) slot.batch.push_back(each.number);
  slot.last_batch = batch.size();
  slot.since = Clock::now();
  slot.busy = true;
  ++busy_;
  slot.run = slot.worker.run(batch);
  queue_.add(slot.run, token(slot, kRun));
}

std::size_t Crew::batch_size(const Slot& slot) const {
  if (study_.learns() || trial_seconds_ < 0 || slot.last_batch == 0) return 1;
  const double fits = kBatchSeconds / std::max(trial_seconds_, kBatchSeconds / kLargestBatch);
  return std::clamp<std::size_t>(static_cast<std::size_t>(fits), 1, 2 * slot.last_batch);
}

void Crew::on_run(Slot& slot) {
  auto result = try_get(slot.run);
  if (!result && process_gone(result.error())) return died(slot, result.error().message());
  if (!result) throw_error(result.error());
  on_looked(slot);  // CREW-3
  take(slot, std::move(result->reports), std::move(result->ended));
  for (auto left = slot.batch.rbegin(); left != slot.batch.rend(); ++left) {  // CREW-2
    if (*left >= 0) study_.give_back(*left);
  }
  end_batch(slot);
}

void Crew::end_batch(Slot& slot) {
  slot.batch.clear();
  slot.busy = false;
  --busy_;
}

void Crew::on_asked(Slot& slot) {
  const auto update = try_get(slot.asked);
  if (!update && process_gone(update.error())) return died(slot, update.error().message());
  if (!update) throw_error(update.error());
  Question next{.wait = true};
  for (const SentReport& report : update->reports) {
    const Decision decision = study_.report(report);
    if (!report.metrics.contains(setup_.metric)) continue;
    next.trial = report.trial;
    next.decision = decision;
  }
  ask(slot, next);
}

void Crew::on_looked(Slot& slot) {
  if (!std::exchange(slot.looking, false)) return;
  auto update = try_get(slot.looked);
  if (!update) return;  // its process is gone, as the batch's result will say
  take(slot, std::move(update->reports), std::move(update->ended));
  for (auto place = update->returned.rbegin(); place != update->returned.rend(); ++place) {
    study_.give_back(std::exchange(slot.batch[static_cast<std::size_t>(*place)], -1));
  }
}

void Crew::take(Slot& slot, std::vector<SentReport> reports, std::vector<Ended> ended) {
  for (const SentReport& report : reports) (void)study_.report(report);
  for (Ended& each : ended) {
    trial_seconds_ = trial_seconds_ < 0 ? each.seconds : 0.9 * trial_seconds_ + 0.1 * each.seconds;
    std::replace(slot.batch.begin(), slot.batch.end(), each.trial, std::int64_t{-1});
    study_.end(std::move(each));
  }
}

void Crew::died(Slot& slot, const std::string& why) {
  if (slot.busy) {
    on_looked(slot);  // it may have answered before
    const std::vector<std::int64_t> batch = slot.batch;
    const bool alone = batch.size() == 1;
    end_batch(slot);
    for (auto number = batch.rbegin(); number != batch.rend(); ++number) {
      if (*number >= 0) study_.lost(*number, alone, why);
    }
  }
  start(slot);
}

void Crew::tick(Clock::time_point now) {
  for (Slot& slot : slots_) {
    const bool shared = slot.busy && slot.batch.size() > 1;
    if (!slot.busy || slot.looking || now - slot.since < kLong || (study_.decides() && !shared)) continue;
    look(slot);
  }
}

void Crew::look(Slot& slot) {
  slot.looking = true;
  slot.looked = slot.worker.ask({.give_back = slot.batch.size() > 1});
  queue_.add(slot.looked, token(slot, kLooked));
}

void Crew::sleep(std::chrono::milliseconds timeout) {
  if (trial_seconds_ >= 0 && trial_seconds_ < kShort && busy_ > 0) {
    const auto until = Clock::now() + kPoll;
    do {
      ::sched_yield();
      if (!queue_.arm()) return;
    } while (Clock::now() < until);
  }
  if (queue_.arm()) waker_.wait(timeout);
}

std::vector<Crew::Running> Crew::running(Clock::time_point now) const {
  std::vector<Running> running;
  for (const Slot& slot : slots_) {
    const auto first =
        std::find_if(slot.batch.begin(), slot.batch.end(), [](std::int64_t number) { return number >= 0; });
    if (slot.busy && first != slot.batch.end()) {
      running.push_back({*first, std::chrono::duration<double>(now - slot.since).count()});
    }
  }
  return running;
}

}  // namespace manta::tune::detail

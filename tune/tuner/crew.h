// The worker processes of a study: started once, given trials, replaced when they die.
//
// CREW-1: a worker has one batch at a time, and runs its trials one after the other.
// CREW-2: where trials are short a batch is about a millisecond's worth; where one turns out to be long, what waits
//         behind
//         it goes back to the study at the next tick.
// CREW-3: without decisions, reports under way are taken before a batch's end is: the study sees them in order.
// CREW-4: when the crew is gone, so are processes that had a trial; others end by themselves, with what they had to
//         print.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <manta/get.h>
#include <manta/ready_queue.h>
#include <manta/tune/detail/launch.h>

#include "tune/tuner/study.h"
#include "tune/tuner/waker.h"

namespace manta::tune::detail {

// Threading: one thread. Ownership: of the workers. Errors: turn() throws Error where workers cannot be had, or cannot
// take the study's arguments.
class Crew {
 public:
  using Clock = std::chrono::steady_clock;

  // All outlive it.
  Crew(Study& study, const Program& program, const ActorOptions& options, int size, const WorkerSetup& setup,
       const Waker& waker);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Takes what is there, and hands out trials. False: there was nothing to take.
  bool turn();
  // Whether a worker has a trial.
  bool busy() const { return busy_ > 0; }
  // Asks those that are long at work what they have to say. Some ten times a second.
  void tick(Clock::time_point now);
  // Until there is something to take, or the time is over.
  void sleep(std::chrono::milliseconds timeout);
  // Ends trials that run; they are as if they had not been started. What can be had from their workers is taken first.
  void kill();

  struct Running {
    std::int64_t trial;
    double seconds;
  };
  std::vector<Running> running(Clock::time_point now) const;

 private:
  enum Kind : std::uint64_t { kReady, kRun, kAsked, kLooked };

  struct Slot {
    StartedWorker worker;
    std::uint64_t life = 0;  // tells a worker's events from those of its predecessor
    bool ready = false;
    bool busy = false;
    bool looking = false;
    std::vector<std::int64_t> batch;  // -1: given back
    std::size_t last_batch = 0;       // its size
    Clock::time_point since;
    Ref<BatchResult> run;
    Ref<Update> asked;   // waits for a report that needs a decision
    Ref<Update> looked;  // does not wait
  };

  void start(Slot& slot);
  std::uint64_t token(const Slot& slot, Kind kind) const;
  void handle(std::uint64_t token);
  void on_ready(Slot& slot);
  void on_run(Slot& slot);
  void on_asked(Slot& slot);
  void on_looked(Slot& slot);
  void ask(Slot& slot, const Question& question);
  void died(Slot& slot, const std::string& why);
  void hand_out(Slot& slot);
  std::size_t batch_size(const Slot& slot) const;
  void look(Slot& slot);
  void take(Slot& slot, std::vector<SentReport> reports, std::vector<Ended> ended);
  void end_batch(Slot& slot);

  Study& study_;
  const Program& program_;
  ActorOptions options_;
  WorkerSetup setup_;
  const Waker& waker_;
  std::vector<Slot> slots_;
  ReadyQueue queue_;
  int busy_ = 0;
  int early_deaths_ = 0;       // of workers that had not yet been ready, one after the other
  double trial_seconds_ = -1;  // smoothed; below 0: not known
};

}  // namespace manta::tune::detail

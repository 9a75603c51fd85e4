#include "core/client/task_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

#include "core/client/inline_tasks.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TaskId ran_as;  // of the task that `where` ran as last

int add(int a, int b) { return a + b; }
int where() {
  ran_as = current_task()->id;
  return static_cast<int>(current_task()->cpus);
}
int refuse(int n) { throw std::out_of_range("no " + std::to_string(n)); }
int time_out() { throw Error(ErrorCode::deadline, "the time is over"); }
int pass_on() { throw TaskError(Error(TaskFailure{.type = "std::logic_error", .what = "inner", .function = "f"})); }

template <auto F>
detail::FunctionId id_of() {
  return detail::Registration<F, ThisFile>::id;
}

std::string encoded(const serial::Writer& writer) {
  std::string bytes(writer.encoded_size(), '\0');
  writer.encode_into(reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}
template <class... Ts>
std::string encode(const Ts&... values) {
  serial::Writer writer;
  writer(values...);
  return encoded(writer);
}
detail::ValueView view_of(const std::string& bytes) { return {std::as_bytes(std::span(bytes)), false, nullptr}; }

class RunTest : public FakeProcess, protected TaskRunEffects {
 protected:
  RunTest() : runner_(state, *this) { context_.id = object(50); }

  // --- TaskRunEffects
  void drop_stop_source(RunningTask& running) override {
    ++dropped_;
    running.drop_source();
  }
  void stopped_ended(TaskContext&, bool threw) override { stopped_.push_back(threw); }

  void run(detail::FunctionId function, const std::string& arguments, std::uint16_t attempt = 0) {
    input_.function = function;
    input_.values = view_of(arguments);
    input_.attempt = attempt;
    runner_.run(context_, input_, ended_);
  }
  int result() {
    const std::string bytes = encoded(ended_.result);
    serial::Reader reader(view_of(bytes).bytes);
    return serial::decode<int>(reader);
  }

  TaskContext context_;
  TaskInput input_;
  Ended ended_;
  int dropped_ = 0;
  std::vector<bool> stopped_;
  TaskRunner runner_;
};

TEST_F(RunTest, AFunctionReturnsAValue) {
  run(id_of<add>(), encode(2, 3));
  ASSERT_TRUE(ended_.ok);
  EXPECT_EQ(result(), 5);
  EXPECT_EQ(context_.function, id_of<add>().value);
  EXPECT_EQ(current_task(), nullptr);
  EXPECT_THAT(stopped_, IsEmpty());
}

TEST_F(RunTest, ItRunsAsItsTaskOnTopOfTheOneOfTheThread) {
  const InTask outer(object(9));
  context_.cpus = 20'000;
  run(id_of<where>(), encode());
  EXPECT_EQ(result(), 20'000);
  EXPECT_EQ(ran_as, object(50));
  EXPECT_EQ(context_.outer, &outer.context);
  EXPECT_EQ(current_task(), &outer.context);
}

TEST_F(RunTest, AnArgumentThatIsGivenAsAReferenceIsReadInItsPlace) {
  const std::string reference = encode(40), value = encode(2);
  input_.ref_mask = 1;
  input_.references.push_back(view_of(reference));
  run(id_of<add>(), value);
  ASSERT_TRUE(ended_.ok);
  EXPECT_EQ(result(), 42);
}

TEST_F(RunTest, AnExceptionIsCaughtWithItsTypeAndItsPlace) {
  run(id_of<refuse>(), encode(7), 2);
  EXPECT_FALSE(ended_.ok);
  EXPECT_TRUE(ended_.user_exception);
  ASSERT_NE(ended_.error->task(), nullptr);
  const TaskFailure& failure = *ended_.error->task();
  EXPECT_EQ(failure.type, "std::out_of_range");
  EXPECT_EQ(failure.what, "no 7");
  EXPECT_THAT(failure.function, HasSubstr("refuse"));
  EXPECT_EQ(failure.node, "here");
  EXPECT_EQ(failure.process, ::getpid());
  EXPECT_EQ(failure.attempt, 3U) << "1 for the first";
  EXPECT_EQ(current_task(), nullptr);
  EXPECT_EQ(ended_.result.encoded_size(), 0U);
}

TEST_F(RunTest, AFailureIsCalledByTheTasksLabel) {
  input_.label = "fold 3";
  run(id_of<refuse>(), encode(7));
  EXPECT_EQ(ended_.error->task()->function, "fold 3");
}

TEST_F(RunTest, AnErrorOfTheRuntimeKeepsItsCode) {
  run(id_of<time_out>(), encode());
  EXPECT_TRUE(ended_.user_exception);
  EXPECT_EQ(ended_.error->code(), ErrorCode::deadline);
  EXPECT_THAT(ended_.error->message(), AllOf(HasSubstr("task "), HasSubstr("time_out: the time is over")));
}

TEST_F(RunTest, AFailureOfAnInnerTaskKeepsItsTypeAndSaysWhatItPassed) {
  run(id_of<pass_on>(), encode());
  const TaskFailure& failure = *ended_.error->task();
  EXPECT_EQ(failure.type, "std::logic_error");
  EXPECT_EQ(failure.function, "f");
  EXPECT_THAT(failure.trace, AllOf(HasSubstr("passed through "), HasSubstr("pass_on")));
}

TEST_F(RunTest, ArgumentsThatMakeNoSenseAreAnError) {
  run(id_of<add>(), encode(2));
  EXPECT_FALSE(ended_.ok);
  EXPECT_EQ(ended_.error->code(), ErrorCode::invalid_argument);
}

TEST_F(RunTest, AFunctionThatIsNotInThisProgramIsUnknown) {
  run({0x12345678'00000003}, encode());
  EXPECT_FALSE(ended_.ok);
  EXPECT_FALSE(ended_.user_exception);
  EXPECT_EQ(ended_.error->code(), ErrorCode::not_found);
  EXPECT_THAT(ended_.error->message(), HasSubstr("12345678:3"));
}

TEST_F(RunTest, ATaskThatWasStoppedReportsItsEndAndItsTokenGoes) {
  RunningTask running(RunningTask::Place::thread);
  running.begin(context_.id, kOther);
  context_.running = &running;
  run(id_of<add>(), encode(2, 3));
  EXPECT_EQ(dropped_, 0) << "it has asked for no token";
  EXPECT_THAT(stopped_, IsEmpty());
  (void)running.token();
  running.stop(locked([&] { return running.run_of(context_.id, kOther); }), {});
  run(id_of<add>(), encode(2, 3));
  run(id_of<refuse>(), encode(1));
  EXPECT_EQ(dropped_, 1);
  EXPECT_FALSE(running.has_source());
  EXPECT_THAT(stopped_, ElementsAre(false, true)) << "whether it threw";
}

// What the thread runs, one line for each event.
class RecordedRuns final : public observe::TaskSubscriber {
 public:
  void on(const observe::TaskSubmitted&) override {}
  void on(const observe::TaskBegins& event) override { add("begins", event.function, event.inside); }
  void on(const observe::TaskEnds& event) override {
    using Outcome = observe::TaskEnds::Outcome;
    const bool done = event.outcome == Outcome::done;
    add(done ? "done" : event.outcome == Outcome::cancelled ? "cancelled" : "threw", event.function, event.inside);
  }
  void on(const observe::Waited&) override {}
  void on(const observe::Idle&) override {}
  std::vector<std::string> lines;

 private:
  void add(const std::string& what, const observe::TaskFunction& function, bool inside) {
    lines.push_back(what + " " + std::string(function.label()) + (inside ? " inside" : ""));
  }
};

TEST_F(RunTest, ItsBeginAndItsEndArePublished) {
  RecordedRuns runs;
  state.events.subscribe_to_tasks(runs, false);
  input_.label = "fold 3";
  run(id_of<add>(), encode(2, 3));
  {
    const InTask outer(object(9));
    run(id_of<refuse>(), encode(1));
  }
  run({0x12345678'00000003}, encode());
  RunningTask running(RunningTask::Place::thread);
  running.begin(context_.id, kOther);
  context_.running = &running;
  running.stop(locked([&] { return running.run_of(context_.id, kOther); }), {});
  run(id_of<refuse>(), encode(1));
  EXPECT_THAT(runs.lines, ElementsAre("begins fold 3", "done fold 3", "begins fold 3 inside", "threw fold 3 inside",
                                      "begins fold 3", "cancelled fold 3"));
}

// --- InlineTasks

class InlineTest : public RunTest, protected InlineContext {
 protected:
  InlineTest() : inline_(state, *this) {}

  // --- InlineContext
  detail::ValueView read_value(owner::Entry& entry) override {
    if (entry.value.failed()) throw_error(entry.value.error());
    return {entry.value.bytes(), entry.value.framed(), nullptr};
  }
  detail::ValueView read_arguments(owner::Entry& entry) override { return read_value(entry); }
  owner::Value make_value(const serial::Writer& value, std::size_t) override {
    const std::string bytes = encoded(value);
    return bytes_of(bytes);
  }
  void run(TaskContext& context, const TaskInput& input, Ended& ended) override {
    ran_.push_back(context.id.low);
    EXPECT_EQ(entered_, left_ + 1) << "other threads can stop it";
    EXPECT_NE(context.running, nullptr);
    runner_.run(context, input, ended);
  }
  void enter(RunningTask&) override { ++entered_; }
  void leave(RunningTask&) override { ++left_; }

  owner::NewTask call_of(std::uint64_t n, detail::FunctionId function, const std::string& arguments) {
    owner::NewTask made = task(n, arguments);
    made.function = function;
    return made;
  }
  owner::NewTask sum(std::uint64_t n) { return call_of(n, id_of<add>(), encode(2, 3)); }
  owner::NewTask asking_for(sched::ResourceSet request, const sched::Where& at = {}) {
    owner::NewTask made = sum(1);
    made.shape = locked([&] { return state.owner->leases().shape_of(request, at); });
    return made;
  }
  // Whether the task runs in the thread of one that holds a CPU.
  bool runs(owner::Entry& entry) {
    InTask outer(object(90));
    outer.context.cpus = 10'000;
    return inline_.run(entry);
  }
  bool runs(owner::NewTask made) { return runs(*submit(std::move(made))); }
  static int value(const owner::Entry& entry) {
    serial::Reader reader(entry.value.bytes());
    return serial::decode<int>(reader);
  }

  std::vector<std::uint64_t> ran_;
  int entered_ = 0, left_ = 0;
  InlineTasks inline_;
};

TEST_F(InlineTest, AQueuedTaskThatFitsRunsInTheThreadThatWaits) {
  owner::Entry* entry = submit(sum(1));
  EXPECT_TRUE(runs(*entry));
  ASSERT_TRUE(entry->resolved);
  EXPECT_EQ(value(*entry), 5);
  EXPECT_EQ(left_, 1);
  EXPECT_EQ(entry->refs, 1U);
  EXPECT_FALSE(runs(*entry)) << "it has run";
  EXPECT_EQ(invariants(), "");
}

TEST_F(InlineTest, ItHoldsWhatTheOuterTaskHolds) {
  owner::Entry* entry = submit(call_of(1, id_of<where>(), encode()));
  EXPECT_TRUE(runs(*entry));
  EXPECT_EQ(value(*entry), 10'000);
  EXPECT_EQ(ran_as, entry->id);
}

TEST_F(InlineTest, WhatItWaitsForRunsBefore) {
  owner::Entry* argument = submit(sum(1));
  owner::NewTask made = call_of(2, id_of<add>(), encode(100));
  made.ref_mask = 1;
  made.references = {argument};
  owner::Entry* entry = submit(std::move(made));
  EXPECT_EQ(entry->phase, owner::Phase::waiting);
  EXPECT_TRUE(runs(*entry));
  EXPECT_THAT(ran_, ElementsAre(1, 2));
  EXPECT_EQ(value(*entry), 105);
  EXPECT_EQ(argument->refs, 1U);
}

TEST_F(InlineTest, WhatWaitsForAnotherProcessStaysWhereItIs) {
  owner::Entry* borrowed = borrow(1);
  owner::NewTask made = call_of(2, id_of<add>(), encode(100));
  made.ref_mask = 1;
  made.references = {borrowed};
  owner::Entry* entry = submit(std::move(made));
  EXPECT_FALSE(runs(*entry));
  EXPECT_EQ(entry->phase, owner::Phase::waiting);
  EXPECT_FALSE(runs(*borrowed));
}

TEST_F(InlineTest, AnExceptionIsItsResult) {
  owner::Entry* entry = submit(call_of(1, id_of<refuse>(), encode(7)));
  EXPECT_TRUE(runs(*entry));
  ASSERT_TRUE(entry->value.failed());
  EXPECT_EQ(entry->value.error().task()->what, "no 7");
  EXPECT_EQ(entry->value.error().task()->attempt, 1U);
}

TEST_F(InlineTest, AnExceptionThatIsRetriedQueuesItAgain) {
  owner::NewTask made = call_of(1, id_of<refuse>(), encode(7));
  made.retry_exceptions = true;
  made.max_retries = 1;
  owner::Entry* entry = submit(std::move(made));
  EXPECT_TRUE(runs(*entry));
  EXPECT_EQ(entry->phase, owner::Phase::queued);
  EXPECT_EQ(entry->attempt, 1);
  EXPECT_TRUE(runs(*entry));
  EXPECT_EQ(entry->value.error().task()->attempt, 2U);
}

TEST_F(InlineTest, ATaskThatAsksForMoreGoesToAWorker) {
  sched::ResourceSet gpu = cpus(1), named = cpus(1), memory = cpus(1), env = cpus(1);
  gpu.gpus = sched::Amount::from_units(5'000);
  named.named.push_back({"license", sched::Amount::from_units(10'000)});
  memory.memory_bytes = 1;
  env.env = std::string("NAME=value\0", 11);
  for (const sched::ResourceSet& request : {gpu, named, memory, env, cpus(2)}) {
    EXPECT_FALSE(runs(asking_for(request))) << request.to_string();
  }
  EXPECT_FALSE(runs(asking_for(cpus(1), {.node = kThere})));
  EXPECT_FALSE(runs(asking_for(cpus(1), {.bundle = {3, 0}})));
  EXPECT_TRUE(runs(asking_for(cpus(1), {.node = kThere, .soft = true})));
  EXPECT_TRUE(runs(asking_for(cpus(1), {.node = kHere})));
  EXPECT_TRUE(runs(asking_for({})));
}

TEST_F(InlineTest, ATaskThatMayHaveToEndWithItsProcessGoesToAWorker) {
  owner::NewTask limited = sum(1), generator = sum(2);
  limited.limit = std::chrono::hours(1);
  generator.stream_buffer = 4;
  EXPECT_FALSE(runs(std::move(limited)));
  EXPECT_FALSE(runs(std::move(generator)));
  EXPECT_FALSE(runs(*create_actor(3)));
  EXPECT_THAT(ran_, IsEmpty());
  EXPECT_EQ(entered_, 0);
}

}  // namespace
}  // namespace manta::client

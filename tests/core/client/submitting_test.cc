#include "core/client/submitting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/net/task_ring.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SubmitTest : public FakeProcess, protected SubmitContext {
 protected:
  SubmitTest() : submitting_(state, *this) { arguments_(std::string("arguments")); }

  // --- SubmitContext
  owner::Value make_value(const serial::Writer& value, std::size_t inline_limit) override {
    inline_limit_ = inline_limit;
    if (stores_) return owner::Value::at({kSelf, 64, value.encoded_size()}, value.framed());
    owner::Value made = owner::Value::with_space(value.encoded_size(), value.framed());
    value.encode_into(made.mutable_bytes());
    return made;
  }
  void submitted(owner::Entry&) override { ++wakes_; }
  owner::Entry* find_actor(const std::string& name, const std::string&) override {
    looked_for_.push_back(name);
    return exists_;
  }
  owner::Entry* name_actor(owner::Entry& actor, const std::string& name, const std::string& type, bool) override {
    named_.push_back(name + " of " + type);
    return &actor;
  }

  owner::Entry* submit(const TaskOptions& options = {}) {
    return submitting_.submit({detail::FunctionId{5}, options, arguments_});
  }
  owner::Entry* create(const ActorOptions& options) {
    return submitting_.create_actor({detail::FunctionId{6}, options, "Counter", arguments_});
  }
  ErrorCode code_of(const TaskOptions& options) {
    return error_of([&] { submit(options); }).code();
  }
  std::uint64_t unfinished() {
    return locked([&] { return state.owner->tasks().unfinished(); });
  }

  serial::Writer arguments_;
  std::size_t inline_limit_ = 0;
  bool stores_ = false;
  int wakes_ = 0;
  owner::Entry* exists_ = nullptr;
  std::vector<std::string> looked_for_, named_;
  Submitting submitting_;
};

TEST_F(SubmitTest, ATaskIsQueuedWithItsArguments) {
  TaskOptions options;
  options.name = "fold 3";
  options.max_retries = 100'000;
  options.retry_exceptions = true;
  options.timeout = std::chrono::seconds(5);
  owner::Entry* entry = submit(options);
  EXPECT_EQ(entry->phase, owner::Phase::queued);
  EXPECT_EQ(entry->function.value, 5U);
  EXPECT_EQ(entry->max_retries, 32'000);
  EXPECT_TRUE(entry->retry_exceptions);
  EXPECT_EQ(entry->extra->name, "fold 3");
  EXPECT_EQ(entry->extra->limit, std::chrono::seconds(5));
  serial::Reader reader(entry->value.bytes());
  EXPECT_EQ(serial::decode<std::string>(reader), "arguments");
  EXPECT_EQ(entry->refs, 2U) << "the caller's and the task's own";
  EXPECT_EQ(wakes_, 1);
}

TEST_F(SubmitTest, ChildrenAreNamedAfterTheirParent) {
  const TaskId parent = object(50);
  std::vector<ObjectId> first, second;
  for (std::vector<ObjectId>* ids : {&first, &second}) {  // the parent runs twice
    InTask in_task(parent);
    ids->push_back(submit()->id);
    ids->push_back(submit()->id);
    ids->push_back(create({.max_concurrency = 1})->id);
    ids->push_back(submitting_.put(arguments_)->id);
    ids->push_back(submitting_.put(arguments_)->id);
    EXPECT_EQ(in_task.running.children(), 3U);
  }
  EXPECT_EQ(first[0], parent.child(0));
  EXPECT_EQ(first[1], parent.child(1));
  EXPECT_EQ(first[3], parent.put(0));
  EXPECT_EQ(first[4], parent.put(1));
  EXPECT_EQ(first[1], second[1]);
  EXPECT_EQ(first[4], second[4]);
  std::sort(first.begin(), first.end());
  EXPECT_EQ(std::unique(first.begin(), first.end()), first.end());
}

TEST_F(SubmitTest, WhatNoTaskSubmitsHasNamesOfItsProcess) {
  const ObjectId one = submit()->id, two = submit()->id;
  EXPECT_NE(one, two);
  Submitting another(state, *this);
  EXPECT_NE(another.submit({detail::FunctionId{5}, {}, arguments_})->id, one);
}

TEST_F(SubmitTest, EqualOptionsAreOneShape) {
  TaskOptions two_cpus, licensed;
  two_cpus.num_cpus = 2;
  licensed.resources[0] = {"license", 1};
  const auto one = submit()->shape;
  EXPECT_EQ(one, shape);
  EXPECT_EQ(submit()->shape, one);
  const auto two = submit(two_cpus)->shape;
  EXPECT_NE(two, one);
  EXPECT_EQ(submit(two_cpus)->shape, two);
  EXPECT_EQ(submit()->shape, one);
  const auto with_license = submit(licensed)->shape;
  EXPECT_NE(with_license, one);
  EXPECT_EQ(submit(licensed)->shape, with_license);
  TaskOptions important;
  important.priority = 5;
  EXPECT_NE(submit(important)->shape, one);
  EXPECT_EQ(submit()->shape, one);
}

TEST_F(SubmitTest, ATaskThatIsRefusedKeepsNoBlockAndNoName) {
  stores_ = true;
  TaskOptions negative;
  negative.num_cpus = -1;
  EXPECT_EQ(code_of(negative), ErrorCode::invalid_argument);
  EXPECT_EQ(effects.freed.size(), 1U);
  locked([&] { state.end = Error(ErrorCode::unavailable, "over"); });
  EXPECT_EQ(code_of({}), ErrorCode::unavailable);
  EXPECT_EQ(error_of([&] { create({.max_concurrency = 1}); }).message(), "over");
  EXPECT_EQ(effects.freed.size(), 3U);
  locked([&] { state.end.reset(); });
  stores_ = false;
  const owner::Entry* first = submit();
  const owner::Entry* second = submit();
  EXPECT_NE(first->id, second->id);
  EXPECT_EQ(unfinished(), 2U);
}

TEST_F(SubmitTest, OptionsThatCannotBeAreRefused) {
  TaskOptions retries, cpus, limit;
  retries.max_retries = -2;
  cpus.num_cpus = -1;
  limit.timeout = std::chrono::seconds(-1);
  EXPECT_EQ(code_of(retries), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(cpus), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of(limit), ErrorCode::invalid_argument);
  EXPECT_THAT(error_of([&] { submit(retries); }).message(), HasSubstr("TaskOptions::max_retries"));
  for (const int concurrency : {-1, 0, 4097}) {
    const Error error = error_of([&] { create({.max_concurrency = concurrency}); });
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_THAT(error.message(),
                AllOf(HasSubstr("max_concurrency is " + std::to_string(concurrency)), HasSubstr("from 1 to 4096")));
  }
  EXPECT_EQ(unfinished(), 0U);
  EXPECT_EQ(wakes_, 0);
}

TEST_F(SubmitTest, ReferencesAreHeldWhileTheTaskIsOpen) {
  owner::Entry* argument = put(1, bytes_of("value"));
  detail::EntryHead* head = argument;
  owner::Entry* entry = submitting_.submit({detail::FunctionId{5}, {}, arguments_, 1, {&head, 1}});
  EXPECT_EQ(entry->ref_mask, 1U);
  EXPECT_EQ(argument->refs, 2U);
  finish(*entry);
  EXPECT_EQ(argument->refs, 1U);
}

TEST_F(SubmitTest, AGeneratorsTaskHasAStream) {
  TaskOptions options;
  options.stream_buffer = 3;
  owner::Entry* entry = submitting_.submit({detail::FunctionId{5}, options, arguments_, 0, {}, true});
  ASSERT_NE(entry->extra->stream, nullptr);
  EXPECT_EQ(entry->extra->stream->buffer, 3U);
  EXPECT_EQ(submit()->extra, nullptr);
}

TEST_F(SubmitTest, AfterTheEndNothingCanBeSubmitted) {
  owner::Entry* actor = create({.max_concurrency = 1});
  locked([&] { state.end = Error(ErrorCode::unavailable, "the node process has ended"); });
  const CallOptions options;
  EXPECT_EQ(code_of({}), ErrorCode::unavailable);
  EXPECT_EQ(error_of([&] { create({.max_concurrency = 1}); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(error_of([&] {
              submitting_.call({actor, detail::FunctionId{7}, arguments_, 0, {}, options});
            }).code(),
            ErrorCode::unavailable);
  EXPECT_EQ(unfinished(), 0U);
}

// --- actors

TEST_F(SubmitTest, AnActorDemandsAWorkerAndItsCallsFollow) {
  ActorOptions options;
  options.max_restarts = 2;
  options.max_concurrency = 4;
  owner::Entry* actor = create(options);
  EXPECT_EQ(actor->kind, owner::Kind::actor);
  EXPECT_EQ(actor->actor->limits.max_restarts, 2);
  EXPECT_EQ(actor->actor->limits.max_concurrency, 4U);
  EXPECT_TRUE(actor->indexed) << "its id finds it";
  EXPECT_EQ(locked([&] { return effects.demands.back(); }), std::pair(owner::kFirstActor, 1U));
  EXPECT_THAT(named_, IsEmpty());
  const CallOptions call;
  const owner::Entry* result = submitting_.call({actor, detail::FunctionId{7}, arguments_, 0, {}, call});
  EXPECT_EQ(result->kind, owner::Kind::call);
  EXPECT_EQ(result->actor, actor->actor);
  EXPECT_EQ(result->function.value, 7U);
  EXPECT_EQ(wakes_, 2);
}

TEST_F(SubmitTest, AnActorWithANameIsHeldBackUntilItHasIt) {
  owner::Entry* actor = create({.max_concurrency = 1, .name = "counter"});
  EXPECT_THAT(named_, ::testing::ElementsAre("counter of Counter"));
  EXPECT_THAT(looked_for_, IsEmpty());
  EXPECT_TRUE(actor->actor->held_back);
  EXPECT_THAT(effects.demands, IsEmpty());
}

TEST_F(SubmitTest, AnActorThatExistsIsNotMadeAgain) {
  exists_ = create({.max_concurrency = 1});
  EXPECT_EQ(create({.max_concurrency = 1, .name = "counter", .get_if_exists = true}), exists_);
  EXPECT_THAT(looked_for_, ::testing::ElementsAre("counter"));
  EXPECT_THAT(named_, IsEmpty());
  exists_ = nullptr;
  EXPECT_NE(create({.max_concurrency = 1, .name = "counter", .get_if_exists = true}), nullptr);
  EXPECT_EQ(named_.size(), 1U);
}

TEST_F(SubmitTest, GetIfExistsNeedsAName) {
  const Error error = error_of([&] { create({.max_concurrency = 1, .get_if_exists = true}); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("needs ActorOptions::name"));
}

// --- values

TEST_F(SubmitTest, APutValueIsThereAtOnce) {
  owner::Entry* entry = submitting_.put(arguments_);
  EXPECT_TRUE(entry->resolved);
  EXPECT_EQ(entry->refs, 1U);
  EXPECT_EQ(inline_limit_, 64U * 1024) << "larger ones go to the store";
  submit();
  EXPECT_EQ(inline_limit_, net::Record::kPayloadBytes) << "larger arguments go to the store";
  owner::Entry* outer = submitting_.put(bytes_of("value"), {entry});
  drop(outer);
  EXPECT_EQ(invariants(), "") << "what was inside is freed with it";
}

}  // namespace
}  // namespace manta::client

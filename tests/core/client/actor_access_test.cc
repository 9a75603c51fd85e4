#include "core/client/actor_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "core/client/groups.h"
#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kType = "[with F = Counter]", kOtherType = "[with F = Clock]";

class ActorTest : public FakeProcess {
 protected:
  ActorTest() : actors_(state, node, results) {}

  std::future<owner::Entry*> find(const std::string& name, const std::string& type = kType) {
    return std::async(std::launch::async, [=, this] { return actors_.find(name, type); });
  }
  std::future<owner::Entry*> give_name(owner::Entry& actor, bool get_if_exists) {
    return std::async(std::launch::async, [&actor, get_if_exists, this] {
      return actors_.give_name(actor, "counter", kType, get_if_exists);
    });
  }
  void say_it_is_far(std::uint64_t request) {
    actors_.answered(net::Named{request, true, object(70), kFarOwner, kType});
  }
  void node_ends() {
    locked([&] {
      state.node_gone = true;
      state.end = Error(ErrorCode::unavailable, "the node process has ended");
    });
    actors_.connection_ended();
  }
  template <class T>
  static Error error_in(std::future<T> future) {
    return error_of([&] { future.get(); });
  }

  ActorAccess actors_;
};

// --- by name

TEST_F(ActorTest, ANameThatNoneHasIsNotFound) {
  auto found = find("counter");
  const auto asked = node.await<net::FindName>();
  EXPECT_EQ(asked.name, "counter");
  actors_.answered(net::Named{asked.request + 1, true, object(1), kSelf, kType});  // of another request
  actors_.answered(net::Named{asked.request, false, {}, {}, {}});
  EXPECT_EQ(found.get(), nullptr);
}

TEST_F(ActorTest, AnActorOfThisProcessIsFoundWithoutItsOwnersAnswer) {
  owner::Entry* actor = create_actor(1);
  auto found = find("counter");
  const auto asked = node.await<net::FindName>();
  actors_.answered(net::Named{asked.request, true, actor->id, kSelf, kType});
  EXPECT_EQ(found.get(), actor);
  EXPECT_EQ(actor->refs, 2U);
}

TEST_F(ActorTest, AnActorOfAnotherClassIsRefused) {
  auto found = find("counter");
  const auto asked = node.await<net::FindName>();
  actors_.answered(net::Named{asked.request, true, object(1), kFarOwner, kOtherType});
  const Error error = error_in(std::move(found));
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("the actor named \"counter\" is a Clock, not a Counter"));
  EXPECT_THAT(node.sent_to<owner::AdoptActor>(kFarOwner), IsEmpty());
}

TEST_F(ActorTest, TheOwnerConfirmsAHandle) {
  auto found = find("counter");
  say_it_is_far(node.await<net::FindName>().request);
  const auto adopt = node.await_to<owner::AdoptActor>(kFarOwner);
  EXPECT_EQ(adopt.actor, object(70));
  actors_.answered(owner::Adopted{adopt.request, true});
  const owner::Entry* handle = found.get();
  ASSERT_NE(handle, nullptr);
  EXPECT_EQ(handle->id, object(70));
  EXPECT_EQ(handle->owner, kFarOwner);
  EXPECT_EQ(handle->extra->counted_borrows, 1) << "the owner counts this process already";
}

TEST_F(ActorTest, AnActorThatEndsMeanwhileIsLookedForAgain) {
  auto found = find("counter");
  say_it_is_far(node.await<net::FindName>().request);
  actors_.answered(owner::Adopted{node.await_to<owner::AdoptActor>(kFarOwner).request, false});
  const auto again = node.await<net::FindName>(2);
  actors_.answered(net::Named{again.request, false, {}, {}, {}});
  EXPECT_EQ(found.get(), nullptr);
}

TEST_F(ActorTest, AnOwnerThatDiesWhileItIsAskedDoesNotAnswer) {
  auto found = find("counter");
  say_it_is_far(node.await<net::FindName>().request);
  (void)node.await_to<owner::AdoptActor>(kFarOwner);
  locked([&] {
    actors_.client_died(kFarWorker);  // another one
    actors_.client_died(kFarOwner);
  });
  const auto again = node.await<net::FindName>(2);
  actors_.answered(net::Named{again.request, false, {}, {}, {}});
  EXPECT_EQ(found.get(), nullptr);
}

TEST_F(ActorTest, SoDoesOneWhoseNodeDies) {
  auto found = find("counter");
  say_it_is_far(node.await<net::FindName>().request);
  (void)node.await_to<owner::AdoptActor>(kFarOwner);
  locked([&] {
    std::erase_if(state.nodes, [](const auto& each) { return each.node == kThere; });
    actors_.node_died(kThere);
  });
  say_it_is_far(node.await<net::FindName>(2).request);  // the head has not announced its death yet
  const auto third = node.await<net::FindName>(3);
  EXPECT_EQ(node.sent_to<owner::AdoptActor>(kFarOwner).size(), 1U) << "what is on a dead node is not asked";
  actors_.answered(net::Named{third.request, false, {}, {}, {}});
  EXPECT_EQ(found.get(), nullptr);
}

TEST_F(ActorTest, ANameThatIsTooLongIsAnErrorOfTheCall) {
  node.refuses = true;
  const Error error = error_of([&] { actors_.find("counter", kType); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("name of an actor: the message is too long"));
}

TEST_F(ActorTest, TheEndOfTheNodeEndsTheSearch) {
  auto asking = find("counter");
  (void)node.await<net::FindName>();
  auto adopting = find("other");
  const auto asked = node.await<net::FindName>(2);
  say_it_is_far(asked.request);
  (void)node.await_to<owner::AdoptActor>(kFarOwner);
  node_ends();
  EXPECT_EQ(error_in(std::move(asking)).code(), ErrorCode::unavailable);
  EXPECT_EQ(error_in(std::move(adopting)).code(), ErrorCode::unavailable);
  EXPECT_EQ(error_of([&] { actors_.find("counter", kType); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(node.sent<net::FindName>().size(), 2U) << "no question follows";
}

// --- names for actors

TEST_F(ActorTest, AnActorStartsOnceItsNameIsItsOwn) {
  owner::Entry* actor = create_actor(1, "counter");
  EXPECT_THAT(effects.demands, IsEmpty());
  auto named = give_name(*actor, false);
  const auto asked = node.await<net::RegisterName>();
  EXPECT_EQ(asked.name, "counter");
  EXPECT_EQ(asked.actor, actor->id);
  EXPECT_EQ(asked.type, kType);
  actors_.answered(net::Named{asked.request, false, {}, {}, {}});
  EXPECT_EQ(named.get(), actor);
  EXPECT_THAT(effects.demands, ElementsAre(std::pair(owner::kFirstActor, 1U)));
}

TEST_F(ActorTest, ANameThatIsTakenIsRefused) {
  owner::Entry* actor = create_actor(1, "counter");
  detail::retain(actor);  // for the test to look at
  auto named = give_name(*actor, false);
  actors_.answered(net::Named{node.await<net::RegisterName>().request, true, object(70), kFarOwner, kType});
  const Error error = error_in(std::move(named));
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), AllOf(HasSubstr("\"counter\" exists already"), HasSubstr("get_if_exists")));
  EXPECT_EQ(actor->refs, 1U) << "the caller's reference is gone";
  EXPECT_THAT(effects.demands, IsEmpty());
}

TEST_F(ActorTest, TheActorThatHasTheNameIsUsedWhereThatIsWanted) {
  owner::Entry* existing = create_actor(1);
  owner::Entry* actor = create_actor(2, "counter");
  detail::retain(actor);
  auto named = give_name(*actor, true);
  actors_.answered(net::Named{node.await<net::RegisterName>().request, true, existing->id, kSelf, kType});
  EXPECT_EQ(named.get(), existing);
  EXPECT_EQ(existing->refs, 2U);
  EXPECT_EQ(actor->refs, 1U);
}

TEST_F(ActorTest, ANameWhoseActorEndsIsRegisteredNevertheless) {
  owner::Entry* actor = create_actor(1, "counter");
  auto named = give_name(*actor, true);
  actors_.answered(net::Named{node.await<net::RegisterName>().request, true, object(70), kFarOwner, kType});
  actors_.answered(owner::Adopted{node.await_to<owner::AdoptActor>(kFarOwner).request, false});
  actors_.answered(net::Named{node.await<net::RegisterName>(2).request, false, {}, {}, {}});
  EXPECT_EQ(named.get(), actor);
}

TEST_F(ActorTest, AnActorWhoseNameCannotBeSentIsLetGo) {
  owner::Entry* actor = create_actor(1, "counter");
  detail::retain(actor);
  node.refuses = true;
  EXPECT_EQ(error_in(give_name(*actor, false)).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(actor->refs, 1U);
}

// --- by handle and by id

TEST_F(ActorTest, AStatusFollowsTheActorsLife) {
  using State = detail::ActorStatus::State;
  class Link final : public owner::WorkerLink {
    bool push(owner::Entry&) override { return true; }
    owner::Entry* take_back_last() override { return nullptr; }
    bool take_back(owner::Entry&) override { return false; }
    owner::Entry* next_lost() override { return nullptr; }
    bool push_end() override { return true; }
    void running(std::vector<owner::Entry*>&) const override {}
    void replace(owner::Entry&, owner::Entry&) override {}
  } link;
  owner::Entry* actor = create_actor(1);
  EXPECT_EQ(actors_.status(*actor, false).state, State::starting);
  EXPECT_FALSE(actors_.status(*actor, false).has_process);
  locked([&] { state.owner->actors().granted(actor->actor->index, LeaseId{3}, kWorker, link); });
  EXPECT_TRUE(actors_.status(*actor, false).has_process);
  locked([&] { state.owner->finished(*actor, returns("")); });
  EXPECT_EQ(actors_.status(*actor, true).state, State::alive);
  EXPECT_EQ(actors_.lock(actor->id), actor);

  actors_.kill(*actor, false);
  EXPECT_EQ(results.drains, 1) << "what it has finished counts";
  EXPECT_THAT(effects.killed, ElementsAre(LeaseId{3}));
  const detail::ActorStatus dead = actors_.status(*actor, true);
  EXPECT_EQ(dead.state, State::dead);
  EXPECT_THAT(dead.reason, HasSubstr("was ended by manta::kill"));
  EXPECT_EQ(actors_.status(*actor, false).reason, "");
  EXPECT_EQ(actors_.lock(actor->id), nullptr);
}

TEST_F(ActorTest, OnlyActorsOfThisProcessHaveAStatus) {
  owner::Entry* entry = submit(1);
  EXPECT_EQ(error_of([&] { actors_.status(*entry, false); }).code(), ErrorCode::invalid_argument);
  EXPECT_EQ(actors_.lock(entry->id), nullptr);
  node_ends();
  EXPECT_EQ(error_of([&] { actors_.status(*entry, false); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(error_of([&] { actors_.lock(entry->id); }).code(), ErrorCode::unavailable);
}

// --- Groups

class GroupTest : public FakeProcess {
 protected:
  GroupTest() : groups_(state, node) {}
  std::future<std::uint64_t> create() {
    return std::async(std::launch::async, [this] { return groups_.create({net::WireResources{.cpus = 5}}, 2); });
  }
  Groups groups_;
};

TEST_F(GroupTest, TheHeadNumbersAGroup) {
  auto made = create();
  const auto asked = node.await<net::CreateGroup>();
  EXPECT_EQ(asked.bundles.at(0).cpus, 5);
  EXPECT_EQ(asked.strategy, 2);
  groups_.answered({asked.request + 1, 4, ""});
  groups_.answered({asked.request, 9, ""});
  EXPECT_EQ(made.get(), 9U);
  groups_.remove(9);
  EXPECT_EQ(node.sent<net::RemoveGroup>().at(0).group, 9U);
}

TEST_F(GroupTest, AGroupThatNoNodeCanHoldIsRefused) {
  auto made = create();
  groups_.answered({node.await<net::CreateGroup>().request, 0, "no node has so many CPUs"});
  const Error error = error_of([&] { made.get(); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_EQ(error.message(), "no node has so many CPUs");
}

TEST_F(GroupTest, AGroupThatIsTooLongIsAnErrorOfTheCall) {
  node.refuses = true;
  EXPECT_THAT(error_of([&] { groups_.create({}, 0); }).message(), HasSubstr("placement group: "));
}

TEST_F(GroupTest, TheEndOfTheNodeEndsTheWait) {
  auto made = create();
  (void)node.await<net::CreateGroup>();
  locked([&] {
    state.node_gone = true;
    state.end = Error(ErrorCode::unavailable, "the node process has ended");
  });
  groups_.connection_ended();
  EXPECT_EQ(error_of([&] { made.get(); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(error_of([&] { groups_.create({}, 0); }).code(), ErrorCode::unavailable);
}

// --- Answers

TEST(NodeAnswers, EachGoesToItsRequestOnce) {
  Answers<net::GroupMade> answers;
  const std::uint64_t first = answers.expect(), second = answers.expect();
  EXPECT_NE(first, second);
  answers.arrived({second, 22, ""});
  answers.arrived({second + 1, 33, ""});
  EXPECT_FALSE(answers.has(first));
  EXPECT_TRUE(answers.has(second));
  EXPECT_EQ(answers.take(second)->group, 22U);
  EXPECT_EQ(answers.take(first), std::nullopt);
  answers.arrived({first, 11, ""});  // too late
  EXPECT_EQ(answers.take(answers.expect()), std::nullopt);
}

TEST(NodeAnswers, AnOwnerThatIsDeadSaysNoUnlessItHasAnswered) {
  Adoptions adoptions;
  const std::uint64_t answered = adoptions.ask(kFarOwner), open = adoptions.ask(kFarOwner),
                      other = adoptions.ask(kOther);
  adoptions.answered(answered, true);
  adoptions.died([](ClientId owner) { return owner == kFarOwner; });
  EXPECT_TRUE(adoptions.take(answered));
  EXPECT_TRUE(adoptions.has_answer(open));
  EXPECT_FALSE(adoptions.take(open));
  EXPECT_FALSE(adoptions.has_answer(other));
  EXPECT_FALSE(adoptions.take(other));
}

}  // namespace
}  // namespace manta::client

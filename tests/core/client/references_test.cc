#include "core/client/references.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/core/client/fake_process.h"

namespace manta::client {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class ReferenceTest : public FakeProcess {
 protected:
  ReferenceTest() : references_(state) {}
  // An argument of a task that another process has submitted.
  owner::Entry* import(std::uint64_t n) { return references_.import_argument({object(n), kOther}); }
  static std::vector<std::uint64_t> numbers(const std::vector<detail::WireRef>& refs) {
    std::vector<std::uint64_t> found;
    for (const detail::WireRef& ref : refs) found.push_back(ref.object.low);
    return found;
  }

  References references_;
};

TEST_F(ReferenceTest, AnObjectTravelsByItsIdAndItsOwner) {
  owner::Entry* own = put(1, bytes_of("value"));
  const detail::WireRef ref = references_.export_ref(*own);
  EXPECT_EQ(ref.object, own->id);
  EXPECT_EQ(ref.owner, kSelf);
  EXPECT_EQ(references_.import_ref(ref), own);
  EXPECT_EQ(own->refs, 2U);
  owner::Entry* borrowed = borrow(2, kFarOwner);
  EXPECT_EQ(references_.export_ref(*borrowed).owner, kFarOwner);
}

TEST_F(ReferenceTest, AnArgumentThatIsMentionedTwiceIsKeptOnceAndOnlyIfItIsHeld) {
  owner::Entry* dropped = import(1);
  EXPECT_EQ(import(1), dropped);
  owner::Entry* held = import(2);
  EXPECT_EQ(import(2), held);
  EXPECT_EQ(import(2), held);
  detail::retain(held);  // the task keeps it
  std::vector<owner::Entry*> imported{held, dropped, held, dropped, held};
  EXPECT_THAT(numbers(references_.kept_after_task(imported)), ElementsAre(2));
  EXPECT_THAT(imported, UnorderedElementsAre(held, dropped));
  EXPECT_EQ(dropped->refs, 1U);
  EXPECT_EQ(held->refs, 2U);
  EXPECT_EQ(held->extra->counted_borrows, 1);
  std::vector<owner::Entry*> again{held};
  EXPECT_THAT(references_.kept_after_task(again), IsEmpty()) << "its owner knows this process by now";
  std::vector<owner::Entry*> none;
  EXPECT_THAT(references_.kept_after_task(none), IsEmpty());
}

TEST_F(ReferenceTest, WhatATaskFindsInItsArgumentsIsNotedForItsReply) {
  InTask in_task(object(50));
  owner::Entry* borrowed = references_.import_ref({object(1), kOther});
  EXPECT_THAT(in_task.context.imported, ElementsAre(borrowed));
  EXPECT_EQ(borrowed->refs, 2U) << "one is for the reply";
  owner::Entry* own = put(2, bytes_of("value"));
  references_.import_ref(references_.export_ref(*own));
  owner::Entry* counted = borrow(3);
  references_.import_ref({object(3), kOther});
  EXPECT_THAT(in_task.context.imported, ElementsAre(borrowed)) << "others are counted already";
  EXPECT_EQ(counted->refs, 2U);
}

TEST_F(ReferenceTest, AProcessThatGetsAResultBorrowsWhatIsInside) {
  owner::Entry* own = put(1, bytes_of("value"));
  owner::Entry* borrowed = borrow(2, kFarOwner);
  const std::vector<detail::EntryHead*> inside{own, borrowed};
  const auto refs = references_.export_to(inside, kWorker);
  EXPECT_THAT(numbers(refs), ElementsAre(1, 2));
  ASSERT_THAT(own->extra->borrowers, SizeIs(1));
  EXPECT_EQ(own->extra->borrowers[0].client, kWorker);
  EXPECT_EQ(own->refs, 2U) << "all borrowers together hold it";
  ASSERT_THAT(effects.sent, SizeIs(1)) << "its owner registers the third process";
  EXPECT_EQ(effects.sent[0].first, kFarOwner);
  EXPECT_EQ(std::get<owner::AddBorrower>(effects.sent[0].second).client, kWorker);
}

TEST_F(ReferenceTest, AnEntryGoesWithItsLastReference) {
  EXPECT_FALSE(references_.any_live());
  owner::Entry* first = put(1, bytes_of("value"));
  owner::Entry* second = borrow(2);
  EXPECT_TRUE(references_.any_live());
  EXPECT_THAT(references_.live(), UnorderedElementsAre(first, second));
  first->refs.fetch_sub(1);
  references_.last_reference_gone(*first);
  EXPECT_THAT(references_.live(), ElementsAre(second));
  second->refs.fetch_sub(1);
  references_.last_reference_gone(*second);
  EXPECT_FALSE(references_.any_live());
  ASSERT_THAT(effects.sent, SizeIs(1));
  EXPECT_EQ(std::get<owner::RemoveBorrower>(effects.sent[0].second).count, 1);
}

TEST_F(ReferenceTest, MessagesCallAnEntryByItsLabel) {
  owner::Entry* entry = submit(1);
  references_.set_label(*entry, "replica of deployment 'digits'");
  EXPECT_EQ(locked([&] { return state.owner->obstacle(*entry).label; }), "replica of deployment 'digits'");
}

}  // namespace
}  // namespace manta::client

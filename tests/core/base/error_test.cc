#include <manta/error.h>

#include <gtest/gtest.h>

namespace manta {
namespace {

TaskFailure failure() {
  return {.type = "std::out_of_range",
          .what = "index 5",
          .function = "train_fold",
          .node = "host-3",
          .process = 4711,
          .attempt = 2,
          .trace = "from outer"};
}

TEST(Error, CarriesCodeAndMessage) {
  const Error error(ErrorCode::exhausted, "the store is full");
  EXPECT_EQ(error.code(), ErrorCode::exhausted);
  EXPECT_EQ(error.message(), "the store is full");
  EXPECT_STREQ(error.what(), "the store is full");
  EXPECT_EQ(error.task(), nullptr);
}

TEST(Error, OfATaskSaysWhatWhereAndWhichAttempt) {
  const Error error(failure());
  EXPECT_EQ(error.code(), ErrorCode::task_failed);
  ASSERT_NE(error.task(), nullptr);
  EXPECT_EQ(error.task()->type, "std::out_of_range");
  for (const char* part : {"train_fold", "std::out_of_range", "index 5", "attempt 2", "4711", "host-3", "from outer"}) {
    EXPECT_NE(error.message().find(part), std::string::npos) << part << " is missing in " << error.message();
  }
}

TEST(Error, OfATaskOfWhichLittleIsKnown) {
  const Error error(TaskFailure{});
  EXPECT_EQ(error.message(), "a task threw an exception (attempt 0)");
}

TEST(Error, ContextGoesBeforeAndKeepsTheRest) {
  const Error error = Error(failure()).with_context("trial 3");
  EXPECT_EQ(error.message().find("trial 3: "), 0u);
  EXPECT_EQ(error.code(), ErrorCode::task_failed);
  EXPECT_EQ(error.task()->attempt, 2u);
}

TEST(Error, IsThrownAsWhatItIs) {
  EXPECT_THROW(throw_error(Error(failure())), TaskError);
  try {
    throw_error(Error(ErrorCode::deadline, "late"));
    FAIL();
  } catch (const TaskError&) {
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::deadline);
  }
}

TEST(Error, CopiesWithoutThrowing) {
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
  const Error error(ErrorCode::internal, "x");
  const Error copy = error;
  EXPECT_EQ(copy.message(), "x");
}

TEST(ErrorCode, HasANameForEach) {
  EXPECT_EQ(to_string(ErrorCode::invalid_argument), "invalid_argument");
  EXPECT_EQ(to_string(ErrorCode::internal), "internal");
  EXPECT_EQ(to_string(static_cast<ErrorCode>(200)), "unknown");
}

TEST(Result, HoldsAValueOrAnError) {
  const Result<int> good = 5;
  const Result<int> bad = fail(ErrorCode::not_found, "no such thing");
  EXPECT_EQ(good.value(), 5);
  EXPECT_EQ(bad.error().code(), ErrorCode::not_found);
}

}  // namespace
}  // namespace manta

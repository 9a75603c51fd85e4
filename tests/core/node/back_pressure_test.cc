// Sources wait while a destination is full (PRESSURE-1, PRESSURE-2).
#include <gtest/gtest.h>

#include "core/node/back_pressure.h"

namespace manta::node {
namespace {

constexpr ClientId kA{1}, kB{2};
constexpr std::size_t kFull = BackPressure::kFullBytes, kSpace = BackPressure::kSpaceBytes;

class BackPressureTest : public testing::Test {
 protected:
  int runs() {
    io.restart();
    return static_cast<int>(io.poll());
  }
  boost::asio::io_context io;
  BackPressure pressure{io};
  int gone_on = 0;
};

TEST_F(BackPressureTest, NothingWaitsWhileThereIsSpace) {
  pressure.queued(kA, kFull - 1);
  EXPECT_FALSE(pressure.take_overfull());
  pressure.wait([&] { ++gone_on; });
  EXPECT_EQ(gone_on, 0) << "not within the call";
  runs();
  EXPECT_EQ(gone_on, 1);
}

TEST_F(BackPressureTest, SourcesOfAFullDestinationWaitUntilItHasSpace) {
  pressure.queued(kA, kFull);
  EXPECT_TRUE(pressure.take_overfull());
  EXPECT_FALSE(pressure.take_overfull());
  pressure.wait([&] { ++gone_on; });
  pressure.queued(kA, kFull - 1);
  EXPECT_FALSE(pressure.take_overfull()) << "it shrinks";
  pressure.queued(kB, 100);
  EXPECT_FALSE(pressure.take_overfull()) << "another destination";
  pressure.queued(kA, kSpace + 2);
  pressure.queued(kA, kSpace + 3);
  EXPECT_TRUE(pressure.take_overfull()) << "it is full until it has space";
  runs();
  EXPECT_EQ(gone_on, 0);
  pressure.queued(kA, kSpace);
  runs();
  EXPECT_EQ(gone_on, 1);
}

TEST_F(BackPressureTest, ADestinationThatIsGoneHoldsUpNothing) {
  pressure.queued(kA, kFull);
  pressure.queued(kB, kFull);
  EXPECT_TRUE(pressure.take_overfull());
  pressure.wait([&] { ++gone_on; });
  pressure.queued(kB, 0);
  runs();
  EXPECT_EQ(gone_on, 1) << "that it still sends to a full one shows when it is read";
  pressure.queued(kA, kFull + 1);
  EXPECT_TRUE(pressure.take_overfull());
}

}  // namespace
}  // namespace manta::node

#include "core/node/space_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace manta::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "ask 3 for 100 (1)": with the request's id; "tell 1: 7 made 60".
struct Recorded {
  std::vector<std::string> lines;
  SpaceRequests requests{[this](ClientId to, std::uint64_t id, std::uint64_t bytes) {
                           lines.push_back("ask " + std::to_string(to.value) + " for " + std::to_string(bytes) + " (" +
                                           std::to_string(id) + ")");
                         },
                         [this](ClientId asker, std::uint64_t number, std::uint64_t bytes) {
                           lines.push_back("tell " + std::to_string(asker.value) + ": " + std::to_string(number) +
                                           " made " + std::to_string(bytes));
                         }};
  std::vector<std::string> log() { return std::exchange(lines, {}); }
};

TEST(SpaceRequests, OneAfterTheOtherUntilItIsEnough) {
  Recorded r;
  r.requests.need(ClientId{9}, 7, 100, {ClientId{1}, ClientId{2}, ClientId{3}});
  EXPECT_THAT(r.log(), ElementsAre("ask 1 for 100 (1)"));
  r.requests.made(ClientId{1}, 1, 60);
  EXPECT_THAT(r.log(), ElementsAre("ask 2 for 40 (1)"));
  r.requests.made(ClientId{2}, 1, 64);
  EXPECT_THAT(r.log(), ElementsAre("tell 9: 7 made 100"));
  r.requests.made(ClientId{3}, 1, 64);
  EXPECT_THAT(r.log(), IsEmpty()) << "no request asked it";
}

TEST(SpaceRequests, NoClientCan) {
  Recorded r;
  r.requests.need(ClientId{9}, 7, 100, {});
  EXPECT_THAT(r.log(), ElementsAre("tell 9: 7 made 0"));
  r.requests.need(ClientId{9}, 8, 100, {ClientId{1}});
  r.requests.made(ClientId{5}, 2, 100);
  r.requests.made(ClientId{1}, 2, 0);
  EXPECT_THAT(r.log(), ElementsAre("ask 1 for 100 (2)", "tell 9: 8 made 0"));
}

TEST(SpaceRequests, TheDeadHaveAnswered) {
  Recorded r;
  r.requests.need(ClientId{9}, 1, 100, {ClientId{1}, ClientId{2}, ClientId{3}});
  r.requests.need(ClientId{2}, 2, 100, {ClientId{1}});
  r.log();
  r.requests.client_gone(ClientId{2});
  EXPECT_THAT(r.log(), IsEmpty());
  r.requests.client_gone(ClientId{1});
  EXPECT_THAT(r.log(), ElementsAre("ask 3 for 100 (1)")) << "the other asker is gone too";
  r.requests.client_gone(ClientId{3});
  EXPECT_THAT(r.log(), ElementsAre("tell 9: 1 made 0"));
}

}  // namespace
}  // namespace manta::node

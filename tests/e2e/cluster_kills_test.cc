// Processes of another node are killed at random moments while tasks run there: every result is right, and nothing is
// left. --gtest_shuffle chooses other moments.
#include <signal.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

int square(int x) { return x * x; }
int squares(int n) {
  std::vector<Ref<int>> refs;
  for (int i = 0; i < n; ++i) refs.push_back(remote<square>.options({.max_retries = -1})(i));
  int sum = 0;
  for (auto& ref : refs) sum += get(ref);
  return sum;
}
int takes_a_while(int x) {
  ::usleep(static_cast<useconds_t>(x % 5) * 1000);
  return squares(x % 5);
}
int expected(int x) {
  int sum = 0;
  for (int i = 0; i < x % 5; ++i) sum += i * i;
  return sum;
}

class ClusterKills : public ClusterTest {};

TEST_F(ClusterKills, AtRandomMoments) {
  const int seed = testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE("--gtest_random_seed=" + std::to_string(seed));
  std::mt19937_64 random(static_cast<std::uint64_t>(seed));
  start(1);
  for (int round = 0; round < 5 && !HasFailure(); ++round) {
    const std::string name = "node-" + std::to_string(round);
    Session& session = join(name, 2);
    std::vector<Ref<int>> refs;
    for (int i = 0; i < 120; ++i) {
      refs.push_back(remote<takes_a_while>.options({.max_retries = -1,
                                                    .placement = Placement::spread,
                                                    .node = i % 2 == 0 ? id_of(name) : NodeId{},
                                                    .node_soft = true})(i));
    }
    for (int kills = 0; kills < 4; ++kills) {
      ::usleep(static_cast<useconds_t>(random() % 20'000));
      session.look();
      const auto workers = session.named("manta-worker");
      if (!workers.empty()) ::kill(workers[random() % workers.size()], SIGKILL);
    }
    const char* last[] = {"manta-node", "manta-guard"};
    const auto ends = session.named(last[random() % 2]);
    if (!ends.empty()) ::kill(ends[0], SIGKILL);
    for (int i = 0; i < 120; ++i) EXPECT_EQ(get(refs[static_cast<std::size_t>(i)]), expected(i)) << round << " " << i;
    EXPECT_TRUE(session.driver_ends(std::chrono::seconds(5) * slowness()));
    expect_nothing_left(session);
    EXPECT_TRUE(await_nodes(*runtime_, 1));
  }
}

}  // namespace
}  // namespace manta::e2e

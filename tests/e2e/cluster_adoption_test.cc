// Objects whose owner is killed while processes of other nodes hold them.
#include <signal.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/cluster_member.h"
#include "tests/e2e/outside.h"

namespace manta::e2e {
namespace {

using Numbers = std::vector<std::int64_t>;

constexpr std::size_t kMany = 100'000;  // a block of the store

std::int64_t sum(const Numbers& all) {
  std::int64_t total = 0;
  for (const auto number : all) total += number;
  return total;
}

struct Owner {
  int process() { return ::getpid(); }
  std::string where() { return node_name(); }
  Ref<Numbers> puts(std::size_t n) { return put(Numbers(n, 1)); }
  Ref<std::vector<Ref<Numbers>>> nests(std::size_t n) { return put(std::vector<Ref<Numbers>>{put(Numbers(n, 1))}); }
};

struct Keeper {
  std::vector<Ref<Numbers>> kept;
  std::string keep(const std::vector<Ref<Numbers>>& refs) {
    kept = refs;
    return node_name();
  }
  std::int64_t total() {
    std::int64_t all = 0;
    for (const auto& ref : kept) all += sum(get(ref));
    return all;
  }
};

class ClusterAdoption : public ClusterTest {
 protected:
  ActorOptions on(NodeId node) {
    ActorOptions options;
    options.node = node;
    return options;
  }
  void kill(Actor<Owner>& owner) {
    ::kill(get(owner.call<&Owner::process>()), SIGKILL);
    EXPECT_THROW((void)get(owner.call<&Owner::process>()), Error);
  }
};

TEST_F(ClusterAdoption, TheOwnerWasOnAnotherNode) {
  start();
  join("second");
  auto owner = actor<Owner>.options(on(id_of("second")))();
  ASSERT_EQ(get(owner.call<&Owner::where>()), "second");
  const auto big = get(owner.call<&Owner::puts>(kMany));
  const auto small = get(owner.call<&Owner::puts>(2));
  const auto nested = get(owner.call<&Owner::nests>(kMany));
  kill(owner);
  EXPECT_EQ(get(big), Numbers(kMany, 1));
  EXPECT_EQ(get(small), Numbers(2, 1));
  EXPECT_EQ(get(get(nested).at(0)), Numbers(kMany, 1));
}

TEST_F(ClusterAdoption, TheHolderIsOnAnotherNode) {
  start();
  join("second");
  join("third");
  auto owner = actor<Owner>.options(on(id_of("third")))();
  auto keeper = actor<Keeper>.options(on(id_of("second")))();
  {
    std::vector<Ref<Numbers>> refs{get(owner.call<&Owner::puts>(kMany)), get(owner.call<&Owner::puts>(2))};
    ASSERT_EQ(get(keeper.call<&Keeper::keep>(refs)), "second");
  }
  kill(owner);
  EXPECT_EQ(get(keeper.call<&Keeper::total>()), static_cast<std::int64_t>(kMany) + 2);
}

TEST_F(ClusterAdoption, NothingIsLeftOfANodeThatHadStandbyOwners) {
  start();
  Session& session = join("second");
  auto owner = actor<Owner>.options(on(id_of("second")))();
  const auto big = get(owner.call<&Owner::puts>(kMany));
  kill(owner);
  session.look();
  ::kill(session.named("manta-node").at(0), SIGKILL);
  ASSERT_TRUE(await_nodes(*runtime_, 1));
  try {
    (void)get(big);
    ADD_FAILURE() << "its memory is gone";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::object_lost) << error.what();
  }
  expect_nothing_left(session);
}

}  // namespace
}  // namespace manta::e2e

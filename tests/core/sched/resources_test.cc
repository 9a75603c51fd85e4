#include "core/sched/resources.h"

#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace manta::sched {
namespace {

Amount amount(double value) { return Amount::from_double(value, "test").value(); }

ResourceSet cpus(double n) { return {.cpus = amount(n)}; }
ResourceSet gpus(double n) { return {.gpus = amount(n)}; }

std::string message_of(const Result<ResourceSet>& result) {
  return result ? "no error" : std::string(to_string(result.error().code())) + ": " + result.error().message();
}

TEST(Amount, ConvertsExactlyInTenThousandths) {
  EXPECT_EQ(amount(0.1).units(), 1'000);
  EXPECT_EQ(amount(0.0001).units(), 1);
  EXPECT_EQ(amount(0.1) + amount(0.2), amount(0.3));
  EXPECT_EQ(amount(9e14).units(), 9'000'000'000'000'000'000);
  EXPECT_EQ(amount(1e12 + 0.5).units(), 10'000'000'000'005'000);
  EXPECT_DOUBLE_EQ(amount(2.5).to_double(), 2.5);
}

TEST(Amount, RefusesWhatIsNoAmount) {
  for (double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity(), 1e15, 0.00005, 1.00001}) {
    const auto result = Amount::from_double(bad, "TaskOptions::num_cpus");
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code(), ErrorCode::invalid_argument);
    EXPECT_NE(result.error().message().find("TaskOptions::num_cpus is "), std::string::npos);
  }
  EXPECT_EQ(Amount::from_double(0.00005, "num_gpus").error().message(), "num_gpus is 5e-05; give a multiple of 0.0001");
}

TEST(Amount, Prints) {
  EXPECT_EQ(amount(0.5).to_string(), "0.5");
  EXPECT_EQ(amount(2).to_string(), "2");
  EXPECT_EQ(amount(0.0001).to_string(), "0.0001");
  EXPECT_EQ(amount(10.25).to_string(), "10.25");
  EXPECT_EQ(Amount().to_string(), "0");
  EXPECT_EQ((amount(1) - amount(2.5)).to_string(), "-1.5");
  EXPECT_EQ(Amount::from_units(std::numeric_limits<std::int64_t>::min()).to_string(), "-922337203685477.5808");
}

TEST(ResourceSet, Prints) {
  EXPECT_EQ(ResourceSet().to_string(), "nothing");
  const ResourceSet set{amount(1), amount(0.5), std::uint64_t{2} << 30, {{"license", amount(1)}}};
  EXPECT_EQ(set.to_string(), "CPU: 1, GPU: 0.5, memory: 2.0 GiB, license: 1");
  EXPECT_EQ(ResourceSet{.memory_bytes = 1000}.to_string(), "memory: 1000 B");
  EXPECT_EQ(ResourceSet{.memory_bytes = (1 << 20) - 1}.to_string(), "memory: 1.0 MiB");
}

TEST(RequestOf, ConvertsOptions) {
  const auto request =
      request_of({.num_cpus = 2, .num_gpus = 0.5, .memory_bytes = 7, .resources = {{{"b", 1}, {"a", 0.5}, {"c", 0}}}});
  ASSERT_TRUE(request) << message_of(request);
  EXPECT_EQ(*request, (ResourceSet{amount(2), amount(0.5), 7, {{"a", amount(0.5)}, {"b", amount(1)}}}));
  EXPECT_EQ(*request_of({}), cpus(1));
}

TEST(RequestOf, NamesTheFieldAndTheNextStep) {
  EXPECT_EQ(message_of(request_of({.num_gpus = 1.5})),
            "invalid_argument: TaskOptions::num_gpus is 1.5; ask for a share below 1 or for whole GPUs above 1");
  EXPECT_EQ(message_of(request_of({.num_cpus = -1})),
            "invalid_argument: TaskOptions::num_cpus is -1; give an amount of 0 or more");
  EXPECT_EQ(message_of(request_of({.resources = {{{"GPU", 1}}}})),
            "invalid_argument: TaskOptions::resources[0] is named \"GPU\"; set TaskOptions::num_gpus instead");
  EXPECT_EQ(message_of(request_of({.resources = {{{"a", 1}, {"a", 2}}}})),
            "invalid_argument: TaskOptions::resources[1] names \"a\" a second time; name each resource once");
  EXPECT_EQ(message_of(request_of({.resources = {{{"", 1}}}})),
            "invalid_argument: TaskOptions::resources[0] has an amount but no name; name the resource");
  EXPECT_EQ(message_of(request_of({.resources = {{{"a", -1}}}})),
            "invalid_argument: TaskOptions::resources[0] (\"a\") is -1; give an amount of 0 or more");
}

TEST(Ledger, TakesAndGivesBack) {
  Ledger ledger({amount(4), amount(2), 100, {{"license", amount(1)}}});
  const ResourceSet request{amount(1), amount(1), 60, {{"license", amount(1)}}};
  const Allocation first = ledger.take(request).value();
  EXPECT_EQ(first.gpus, (std::vector<GpuShare>{{0, amount(1)}}));
  EXPECT_EQ(ledger.available(), (ResourceSet{amount(3), amount(1), 40, {}}));
  const auto second = ledger.take(request);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::exhausted);
  EXPECT_EQ(second.error().message(),
            "the node cannot give CPU: 1, GPU: 1, memory: 60 B, license: 1 now: asks for memory: 60 B, of memory: "
            "100 B here 40 B is free; asks for license: 1, of license: 1 here 0 is free; try again when a lease was "
            "returned");
  ledger.give_back(first);
  EXPECT_EQ(ledger.available(), ledger.total());
}

TEST(Ledger, SaysWhyItCouldNever) {
  const Ledger ledger({amount(2), amount(1), 0, {}});
  EXPECT_EQ(ledger.why_infeasible({.cpus = amount(8), .named = {{"license", amount(1)}}}),
            "needs CPU: 8, the node has CPU: 2; license: 1 asked for, none here");
  EXPECT_EQ(ledger.why_infeasible({.memory_bytes = 1}), "memory: 1 B asked for, none here");
  EXPECT_TRUE(ledger.feasible({amount(2), amount(1), 0, {}}));
  EXPECT_FALSE(ledger.feasible(gpus(2)));
  // What no request_of returns, but a broken peer may send.
  EXPECT_FALSE(ledger.feasible({.cpus = Amount::from_units(-1)}));
  EXPECT_FALSE(ledger.feasible({.gpus = Amount::from_units(-1)}));
  EXPECT_FALSE(ledger.feasible({.named = {{"x", Amount::from_units(-1)}}}));
  EXPECT_FALSE(Ledger(gpus(4)).feasible({.gpus = amount(1.5)}));
}

TEST(Ledger, TenTenthsFillOneGpu) {
  Ledger ledger(gpus(2));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(ledger.take(gpus(0.1)).value().gpus, (std::vector<GpuShare>{{0, amount(0.1)}})) << i;
  }
  EXPECT_EQ(ledger.available(), gpus(1));
  EXPECT_EQ(ledger.take(gpus(1)).value().gpus, (std::vector<GpuShare>{{1, amount(1)}}));
  EXPECT_FALSE(ledger.fits({.gpus = Amount::from_units(1)}));
}

TEST(Ledger, PacksSharesAndKeepsGpusWhole) {
  Ledger ledger(gpus(4));
  const Allocation half = ledger.take(gpus(0.5)).value();
  const Allocation two = ledger.take(gpus(2)).value();
  EXPECT_EQ(two.gpus, (std::vector<GpuShare>{{1, amount(1)}, {2, amount(1)}}));
  EXPECT_EQ(ledger.take(gpus(0.7)).value().gpus.front().index, 3U) << "does not fit beside the half";
  EXPECT_EQ(ledger.take(gpus(0.3)).value().gpus.front().index, 3U) << "the fullest that fits";
  EXPECT_EQ(ledger.take(gpus(0.5)).value().gpus.front().index, 0U);
  EXPECT_FALSE(ledger.fits(gpus(0.1)));
  ledger.give_back(two);
  ledger.give_back(half);
  EXPECT_TRUE(ledger.fits(gpus(2)));
  EXPECT_EQ(ledger.lacking(gpus(3)), bit_of(kGpus)) << "2.5 are free, in pieces";
  EXPECT_EQ(ledger.why_not_now({.gpus = amount(2) + amount(1)}), "asks for GPU: 3, of GPU: 4 here 2.5 is free");
}

TEST(Ledger, ReleasedCpusMayBeOverdrawn) {
  Ledger ledger(cpus(1));
  const Allocation waiting = ledger.take(cpus(1)).value();
  ledger.release_cpus(waiting);
  const Allocation other = ledger.take(cpus(1)).value();
  ledger.take_back_cpus(waiting);
  EXPECT_EQ(ledger.available().cpus, amount(0) - amount(1));
  EXPECT_TRUE(ledger.fits({})) << "asking for no CPU is served all the same";
  EXPECT_FALSE(ledger.fits(cpus(0.0001)));
  ledger.give_back(waiting);
  ledger.give_back(other);
  EXPECT_EQ(ledger.available(), cpus(1));
}

TEST(Ledger, TidiesTheOffer) {
  const Ledger ledger({.gpus = amount(2.5), .named = {{"b", amount(1)}, {"a", amount(0)}, {"b", amount(2)}}});
  EXPECT_EQ(ledger.total(), (ResourceSet{.gpus = amount(2), .named = {{"b", amount(3)}}}));
}

// A ledger that is obviously right: units per name, GPUs as a list of what is used.
struct NaiveLedger {
  std::map<std::string, std::int64_t> left;
  std::vector<std::int64_t> gpu_left;

  static std::map<std::string, std::int64_t> flat(const ResourceSet& set) {
    std::map<std::string, std::int64_t> amounts{{"CPU", set.cpus.units()},
                                                {"memory", static_cast<std::int64_t>(set.memory_bytes)}};
    for (const NamedAmount& resource : set.named) amounts[resource.name] = resource.amount.units();
    return amounts;
  }
  explicit NaiveLedger(const ResourceSet& total)
      : left(flat(total)), gpu_left(static_cast<std::size_t>(total.gpus.to_double()), 10'000) {}

  bool fits(const ResourceSet& request) const {
    for (const auto& [name, units] : flat(request)) {
      if (units > 0 && units > left.at(name)) return false;
    }
    const std::int64_t asked = request.gpus.units();
    std::int64_t empty = 0, largest = 0;
    for (std::int64_t gpu : gpu_left) {
      empty += gpu == 10'000;
      largest = std::max(largest, gpu);
    }
    return asked == 0 || (asked < 10'000 ? asked <= largest : asked / 10'000 <= empty);
  }
  void add(const Allocation& allocation, std::int64_t sign) {
    for (const auto& [name, units] : flat(allocation.taken)) left[name] += sign * units;
    for (const GpuShare& share : allocation.gpus) gpu_left[share.index] += sign * share.amount.units();
  }
  void release(const Allocation& allocation, std::int64_t sign) { left["CPU"] += sign * allocation.taken.cpus.units(); }
};

ResourceSet random_request() {
  const auto tenths = [](int most) { return Amount::from_units(1'000 * *rc::gen::inRange(0, most + 1)); };
  ResourceSet request{.cpus = tenths(20), .memory_bytes = *rc::gen::inRange<std::uint64_t>(0, 5)};
  request.gpus = *rc::gen::arbitrary<bool>() ? tenths(9) : Amount::from_units(10'000 * *rc::gen::inRange(0, 3));
  if (const Amount licenses = tenths(10); !licenses.zero()) request.named.push_back({"license", licenses});
  return request;
}

TEST(Ledger, AgreesWithTheNaiveModelOver10000Steps) {
  // 100 runs of 100 steps.
  const bool agrees = rc::check("takes, gives and releases as the model does", [] {
    const ResourceSet total{amount(4), amount(3), 12, {{"license", amount(2)}, {"unused", amount(1)}}};
    Ledger ledger(total);
    NaiveLedger naive(total);
    struct Held {
      Allocation allocation;
      bool released = false;
    };
    std::vector<Held> held;
    for (int step = 0; step < 100; ++step) {
      const int what = *rc::gen::inRange(0, 4);
      if (what <= 1 || held.empty()) {
        const ResourceSet request = random_request();
        RC_ASSERT(ledger.fits(request) == naive.fits(request));
        const auto taken = ledger.take(request);
        RC_ASSERT(taken.has_value() == naive.fits(request));
        if (taken) {
          std::int64_t sum = 0;
          for (const GpuShare& share : taken->gpus) sum += share.amount.units();
          RC_ASSERT(sum == request.gpus.units());
          naive.add(*taken, -1);
          held.push_back({*taken});
        }
      } else {
        const auto at = *rc::gen::inRange<std::size_t>(0, held.size());
        Held& lease = held[at];
        if (what == 3) {
          lease.released ? ledger.take_back_cpus(lease.allocation) : ledger.release_cpus(lease.allocation);
          naive.release(lease.allocation, lease.released ? -1 : +1);
          lease.released = !lease.released;
        } else if (!lease.released) {
          ledger.give_back(lease.allocation);
          naive.add(lease.allocation, +1);
          held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
        }
      }
      RC_ASSERT(ledger.left(kCpus) == naive.left["CPU"]);
      RC_ASSERT(ledger.left(kMemory) == naive.left["memory"]);
      RC_ASSERT(ledger.left(kFirstNamed) == naive.left["license"]);
      for (std::int64_t gpu : naive.gpu_left) RC_ASSERT(gpu >= 0 && gpu <= 10'000);
    }
    for (Held& lease : held) {
      if (lease.released) ledger.take_back_cpus(lease.allocation);
      ledger.give_back(lease.allocation);
    }
    RC_ASSERT(ledger.available() == ledger.total());
  });
  EXPECT_TRUE(agrees);
}

}  // namespace
}  // namespace manta::sched

// What operations give, for groups of one to four members, as threads and as processes.
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <vector>

#include "core/collective/shared_block.h"
#include "tests/core/collective/members.h"

namespace manta::collective {
namespace {

// Around the capacity of a slot, and around the limit up to which each member reduces the whole buffer.
const std::size_t kSizes[] = {
    0, 1, 7, 64, 1000, 65'535, 65'536, 65'537, kSlotBytes - 1, kSlotBytes, kSlotBytes + 1, 3 * kSlotBytes + 77};

struct GroupTest : ::testing::TestWithParam<std::tuple<Kind, int>> {
  void run(const Body& body) { run_group(std::get<0>(GetParam()), std::get<1>(GetParam()), body); }
};

std::byte value_of(std::size_t i, int rank, int salt = 0) {
  return static_cast<std::byte>(i * 7 + i / 251 + static_cast<std::size_t>(rank * 31 + salt));
}
std::vector<std::byte> bytes_of(std::size_t count, int rank, int salt = 0) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = value_of(i, rank, salt);
  return bytes;
}
bool holds(std::span<const std::byte> bytes, int rank, int salt = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != value_of(i, rank, salt)) return false;
  }
  return true;
}
std::vector<std::span<std::byte>> parts_of(std::vector<std::vector<std::byte>>& parts) {
  return {parts.begin(), parts.end()};
}

TEST_P(GroupTest, AllReduce) {
  run([](Group& group) {
    for (const std::size_t count : kSizes) {
      std::vector<float> values(count);
      for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(static_cast<int>(i % 1000) + group.rank());
      group.all_reduce(values.data(), count, DataType::f32, Reduction::sum);
      const int n = group.size();
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(values[i], static_cast<int>(i % 1000) * n + n * (n - 1) / 2) << i << " of " << count;
      }
    }
  });
}

TEST_P(GroupTest, Broadcast) {
  run([](Group& group) {
    for (int root = 0; root < group.size(); ++root) {
      for (const std::size_t count : kSizes) {
        auto bytes = bytes_of(count, group.rank());
        group.broadcast(bytes, root);
        ASSERT_TRUE(holds(bytes, root)) << count;
      }
    }
  });
}

TEST_P(GroupTest, GatherAndAllGather) {
  run([](Group& group) {
    const int root = group.size() - 1;
    for (const std::size_t count : kSizes) {
      const auto input = bytes_of(count, group.rank());
      std::vector<std::vector<std::byte>> outputs(static_cast<std::size_t>(group.size()));
      for (auto& output : outputs) output.resize(count);
      group.all_gather(input, parts_of(outputs));
      for (int from = 0; from < group.size(); ++from) {
        ASSERT_TRUE(holds(outputs[static_cast<std::size_t>(from)], from)) << count;
      }
      for (auto& output : outputs) output.assign(count, std::byte{0});
      if (group.rank() == root) {
        group.gather(input, parts_of(outputs), root);
      } else {
        group.gather(input, {}, root);
      }
      for (int from = 0; group.rank() == root && from < group.size(); ++from) {
        ASSERT_TRUE(holds(outputs[static_cast<std::size_t>(from)], from)) << count;
      }
    }
  });
}

TEST_P(GroupTest, Scatter) {
  run([](Group& group) {
    const int root = group.size() / 2;
    for (const std::size_t count : kSizes) {
      std::vector<std::vector<std::byte>> inputs;
      for (int to = 0; to < group.size(); ++to) inputs.push_back(bytes_of(count, to));
      const std::vector<std::span<const std::byte>> parts(inputs.begin(), inputs.end());
      std::vector<std::byte> output(count);
      if (group.rank() == root) {
        group.scatter(parts, output, root);
      } else {
        group.scatter({}, output, root);
      }
      ASSERT_TRUE(holds(output, group.rank())) << count;
    }
  });
}

TEST_P(GroupTest, ReduceAndReduceScatter) {
  run([](Group& group) {
    const int n = group.size();
    for (const std::size_t count : kSizes) {
      std::vector<std::int64_t> values(count, group.rank() + 1);
      group.reduce(values.data(), count, DataType::i64, Reduction::product, n - 1);
      const std::int64_t expected = n == 1 ? 1 : n == 2 ? 2 : n == 3 ? 6 : 24;
      const std::int64_t found = group.rank() == n - 1 ? expected : group.rank() + 1;
      ASSERT_EQ(values, std::vector<std::int64_t>(count, found));

      std::vector<std::vector<std::int32_t>> inputs;
      std::vector<const void*> parts;
      for (int to = 0; to < n; ++to) {
        auto& input = inputs.emplace_back(count);
        for (std::size_t i = 0; i < count; ++i) input[i] = static_cast<int>(i) + 100 * to + group.rank();
      }
      for (const auto& input : inputs) parts.push_back(input.data());
      std::vector<std::int32_t> output(count);
      group.reduce_scatter(parts, output.data(), count, DataType::i32, Reduction::sum);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(output[i], n * (static_cast<int>(i) + 100 * group.rank()) + n * (n - 1) / 2);
      }
    }
  });
}

TEST_P(GroupTest, AllToAll) {
  run([](Group& group) {
    const auto n = static_cast<std::size_t>(group.size());
    const auto me = static_cast<std::size_t>(group.rank());
    // Different sizes for each pair, also none.
    for (const std::size_t unit : {0, 1, 1000, 100'000}) {
      const auto size_for = [&](std::size_t from, std::size_t to) { return unit * (from + 2 * to); };
      std::vector<std::vector<std::byte>> inputs, outputs;
      for (std::size_t i = 0; i < n; ++i) {
        inputs.push_back(bytes_of(size_for(me, i), group.rank(), static_cast<int>(i)));
        outputs.emplace_back(size_for(i, me));
      }
      const std::vector<std::span<const std::byte>> parts(inputs.begin(), inputs.end());
      group.all_to_all(parts, parts_of(outputs));
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_TRUE(holds(outputs[i], static_cast<int>(i), group.rank())) << unit;
      }
    }
  });
}

// No operation overtakes another, whatever their sizes.
TEST_P(GroupTest, ManyDifferentOperationsInARow) {
  run([](Group& group) {
    for (int round = 0; round < 200; ++round) {
      group.barrier();
      const auto count = static_cast<std::size_t>(round % 5 == 0 ? 70'000 + round : round);
      std::vector<std::int32_t> values(count, round + group.rank());
      group.all_reduce(values.data(), count, DataType::i32, Reduction::maximum);
      ASSERT_EQ(values, std::vector<std::int32_t>(count, round + group.size() - 1));
      auto bytes = bytes_of(count, group.rank(), round);
      group.broadcast(bytes, round % group.size());
      ASSERT_TRUE(holds(bytes, round % group.size(), round));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Sizes, GroupTest,
                         ::testing::Combine(::testing::ValuesIn(kKinds), ::testing::Values(1, 2, 3, 4)),
                         [](const auto& chosen) {
                           return std::string(to_string(std::get<0>(chosen.param))) +
                                  std::to_string(std::get<1>(chosen.param));
                         });

}  // namespace
}  // namespace manta::collective

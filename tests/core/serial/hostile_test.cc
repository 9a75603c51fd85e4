// No bytes whatever make a reader do harm. Run under ASan and UBSan; each encoding lies in memory of exactly its size.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <cereal/types/bitset.hpp>
#include <cereal/types/valarray.hpp>

#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

enum class Colour : std::uint8_t { red, green };
struct Point {
  float x = 0;
  float y = 0;
};
struct Node {
  int value = 0;
  std::vector<Node> children;
  std::unique_ptr<Node> other;
};
struct Own {
  std::string text;
  std::vector<std::uint16_t> numbers;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(text, numbers);
  }
};
struct Blob {
  std::vector<double> data;
  template <class Archive>
  void save(Archive& archive) const {
    archive(cereal::make_size_tag(static_cast<cereal::size_type>(data.size())),
            cereal::binary_data(data.data(), data.size() * sizeof(double)));
  }
  template <class Archive>
  void load(Archive& archive) {
    cereal::size_type size = 0;
    archive(cereal::make_size_tag(size));
    data.resize(static_cast<std::size_t>(size));
    archive(cereal::binary_data(data.data(), data.size() * sizeof(double)));
  }
};
struct Everything {
  bool flag = true;
  Colour colour = Colour::green;
  std::string text = "some text";
  std::vector<Point> points{{1, 2}, {3, 4}};
  std::vector<std::string> texts{"a", "", "ccc"};
  std::map<std::string, std::vector<int>> map{{"k", {1, 2}}, {"l", {}}};
  std::unordered_map<int, bool> flags{{1, true}};
  std::set<int> set{3, 4};
  std::optional<std::string> maybe = "x";
  std::variant<int, std::string, Point> either = "v";
  std::tuple<char, double> tuple{'c', 2.5};
  std::unique_ptr<Node> node;
  std::vector<std::shared_ptr<int>> shared;
  std::vector<bool> bits{true, false};
  Own own{"own", {1, 2, 3}};
  Blob blob{{1, 2, 3}};
  Buffer buffer;
  std::list<std::array<std::string, 2>> list{{"p", "q"}};
  std::chrono::milliseconds time{5};
  std::bitset<20> set_of_bits{5};
  std::valarray<int> numbers{1, 2};
  std::string large;
};

Everything make_everything(bool large) {
  Everything value;
  value.node = std::make_unique<Node>();
  value.node->children.resize(2);
  value.node->children[1].other = std::make_unique<Node>();
  const auto shared = std::make_shared<int>(1);
  value.shared = {shared, nullptr, shared};
  const auto bytes = std::make_shared<std::vector<std::byte>>(large ? 4100 : 10);
  value.buffer = {bytes->data(), bytes->size(), bytes};
  if (large) {
    value.large.assign(5000, 'x');
    value.blob.data.resize(600);
  }
  return value;
}

// Decodes, and says whether that went well; any other exception than Error fails the test.
template <class T>
bool decodes(std::span<const std::byte> bytes, bool framed) {
  const Encoding exact(bytes, framed);
  try {
    (void)decode<T>(exact);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    EXPECT_NE(error.message().find("offset"), std::string::npos) << error.message();
    return false;
  }
}

class Hostile : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Frames, Hostile, ::testing::Bool(),
                         [](const auto& suite) { return suite.param ? "WithLargeBuffers" : "Small"; });

TEST_P(Hostile, TruncatedAnywhere) {
  const Encoding encoding = encode(make_everything(GetParam()));
  ASSERT_EQ(encoding.framed(), GetParam());
  ASSERT_TRUE(decodes<Everything>(encoding.bytes(), encoding.framed()));
  for (std::size_t size = 0; size < encoding.bytes().size(); ++size) {
    EXPECT_FALSE(decodes<Everything>(encoding.bytes().first(size), encoding.framed())) << size;
  }
}

TEST_P(Hostile, FollowedByGarbage) {
  const Encoding encoding = encode(make_everything(false));
  std::vector<std::byte> longer(encoding.bytes().begin(), encoding.bytes().end());
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decodes<Everything>(longer, false));
}

TEST_P(Hostile, BitsFlipped) {
  const Encoding encoding = encode(make_everything(GetParam()));
  std::mt19937_64 random(12345);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(encoding.bytes().begin(), encoding.bytes().end());
    for (std::uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
      // Half of the flips within the first bytes, where frame and sizes are.
      const std::size_t range = random() % 2 == 0 ? std::min<std::size_t>(bytes.size(), 512) : bytes.size();
      bytes[random() % range] ^= std::byte{1} << (random() % 8);
    }
    (void)decodes<Everything>(bytes, GetParam());
  }
}

TEST_P(Hostile, RandomBytes) {
  std::mt19937_64 random(54321);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes(random() % 200);
    const bool small = random() % 2 == 0;  // small numbers pass for sizes more often
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(small ? random() % 4 : random());
    (void)decodes<Everything>(bytes, GetParam());
    (void)decodes<Node>(bytes, GetParam());
  }
}

// The bytes of a size as Writer writes it.
std::vector<std::byte> size_bytes(std::uint64_t size) {
  serial::Writer writer;
  writer.put_size(size);
  return {writer.stream().begin(), writer.stream().end()};
}

template <class T>
class HostileSizes : public ::testing::Test {};
using Sized = ::testing::Types<std::string, std::u32string, std::vector<int>, std::vector<std::string>,
                               std::vector<bool>, std::deque<int>, std::list<int>, std::map<int, int>,
                               std::unordered_map<int, std::string>, std::unordered_set<int>, std::valarray<double>,
                               Buffer, Blob, std::vector<Node>, std::shared_ptr<int>, std::variant<int, float>>;
TYPED_TEST_SUITE(HostileSizes, Sized);

TYPED_TEST(HostileSizes, AreNotBelieved) {
  for (unsigned bit = 7; bit < 64; ++bit) {
    for (const std::uint64_t size : {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, ~std::uint64_t{0}}) {
      auto bytes = size_bytes(size);
      bytes.resize(bytes.size() + 20);
      EXPECT_FALSE(decodes<TypeParam>(bytes, false)) << size;
    }
  }
  const std::vector<std::byte> endless(30, std::byte{0xff});
  EXPECT_FALSE(decodes<TypeParam>(endless, false));
}

TEST(HostileFrames, AreNotBelieved) {
  const auto frame = [](std::uint32_t stream, std::uint32_t buffers, std::vector<std::uint64_t> sizes) {
    std::vector<std::byte> bytes(8 + sizes.size() * 8 + 5000);
    std::memcpy(bytes.data(), &stream, 4);
    std::memcpy(bytes.data() + 4, &buffers, 4);
    std::memcpy(bytes.data() + 8, sizes.data(), sizes.size() * 8);
    if (!sizes.empty()) {  // the stream: a string of that size
      const auto size = size_bytes(sizes[0]);
      std::copy(size.begin(), size.end(), bytes.begin() + 8 + static_cast<std::ptrdiff_t>(8 * sizes.size()));
    }
    return bytes;
  };
  EXPECT_TRUE(decodes<std::string>(frame(2, 1, {4900}), true));
  EXPECT_FALSE(decodes<std::string>(frame(2, 0, {4900}), true));
  EXPECT_FALSE(decodes<std::string>(frame(2, 2, {4900, 4900}), true));
  EXPECT_FALSE(decodes<std::string>(frame(2, 1, {5900}), true));
  EXPECT_FALSE(decodes<std::string>(frame(10, 1, {~std::uint64_t{0}}), true));
  EXPECT_FALSE(decodes<std::string>(frame(~0u, 1, {4900}), true));
  EXPECT_FALSE(decodes<std::string>(frame(2, ~0u, {4900}), true));
  EXPECT_FALSE(decodes<std::string>(frame(~0u, ~0u, {4900}), true));
}

TEST(HostileValues, AreChecked) {
  EXPECT_FALSE(decodes<bool>(std::vector{std::byte{2}}, false));
  EXPECT_FALSE((decodes<std::variant<bool, bool>>(std::vector{std::byte{2}, std::byte{0}}, false)));
  EXPECT_FALSE(decodes<std::optional<std::monostate>>(std::vector{std::byte{7}}, false));
}

// A repeated shared pointer must not be taken for one to another type.
TEST(HostileValues, SharedPointersKeepTheirType) {
  using Pair = std::pair<std::shared_ptr<std::string>, std::shared_ptr<double>>;
  const Encoding encoding = encode(Pair{std::make_shared<std::string>("x"), std::make_shared<double>(1)});
  std::vector<std::byte> bytes(encoding.bytes().begin(), encoding.bytes().end());
  ASSERT_EQ(bytes[3], std::byte{2});  // 1, size 1, 'x', 2, ...
  bytes[3] = std::byte{1};
  bytes.resize(4);
  EXPECT_FALSE(decodes<Pair>(bytes, false));
}

struct Recursive {
  std::vector<Recursive> inner;
};
struct RecursiveOwn {
  std::unique_ptr<RecursiveOwn> inner;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(inner);
  }
};

TEST(HostileValues, NestingIsLimited) {
  const std::vector<std::byte> ones(1'000'000, std::byte{1});
  EXPECT_FALSE(decodes<Recursive>(ones, false));
  EXPECT_FALSE(decodes<RecursiveOwn>(ones, false));
  EXPECT_FALSE(decodes<Node>(ones, false));
}

struct NoBytes {
  template <class Archive>
  void serialize(Archive&) {}
};
struct WideInMemory {
  std::string text;
  std::array<std::string, 100> more;
};

// 10 KB of input must not make gigabytes.
TEST(HostileValues, MemoryIsInProportion) {
  auto bytes = size_bytes(10'000);
  bytes.resize(bytes.size() + 10'000);
  EXPECT_TRUE(decodes<std::vector<NoBytes>>(bytes, false));
  EXPECT_FALSE(decodes<std::vector<WideInMemory>>(bytes, false));
  auto many = size_bytes(std::uint64_t{1} << 40);
  many.resize(many.size() + 10'000);
  EXPECT_FALSE(decodes<std::vector<NoBytes>>(many, false));
}

}  // namespace
}  // namespace manta::testing

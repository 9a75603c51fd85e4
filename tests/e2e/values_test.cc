// Arguments and results of every kind and size.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <manta/manta.h>

namespace {

enum class Colour : std::uint8_t { red, green };

struct Point {
  double x = 0, y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

struct Everything {
  bool flag = false;
  std::int64_t number = 0;
  std::string text;
  std::vector<Point> points;
  std::map<std::string, std::vector<int>> lists;
  std::optional<Colour> colour;
  std::variant<int, std::string> either;
  std::tuple<char, float> pair;
  std::set<int> numbers;
  friend bool operator==(const Everything&, const Everything&) = default;
};

struct Block {  // trivially copyable and large
  std::array<std::uint32_t, 50'000> words{};
};

class Counted {  // cereal's conventions
 public:
  Counted() = default;
  explicit Counted(int value) : value_(value) {}
  int value() const { return value_; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value_);
  }

 private:
  int value_ = 0;
};

int add(int a, int b) { return a + b; }
double half(double x) { return x / 2; }
std::string greet(const std::string& name) { return "hello " + name; }
Everything same(Everything value) { return value; }
std::unique_ptr<int> next_of(std::unique_ptr<int> value) {
  ++*value;
  return value;
}
Block fill(Block block, std::uint32_t by) {
  for (std::uint32_t& word : block.words) word += by++;
  return block;
}
void nothing() {}
void nothing_of(const std::vector<int>&) {}
int value_of(Counted counted) { return counted.value(); }
Counted counted(int value) { return Counted(value); }
Colour other(Colour colour) { return colour == Colour::red ? Colour::green : Colour::red; }
long sum_of_ten(int a, long b, short c, char d, double e, float f, bool g, std::string h, std::vector<int> i, Point j) {
  return a + b + c + d + static_cast<long>(e + static_cast<double>(f)) + g + std::stol(h) +
         std::accumulate(i.begin(), i.end(), 0L) + static_cast<long>(j.x + j.y);
}

std::vector<std::uint8_t> pattern(std::size_t size, std::uint8_t seed) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(seed + i * 31 + (i >> 12));
  return bytes;
}
bool is_pattern(const std::vector<std::uint8_t>& bytes, std::uint8_t seed) {
  return bytes == pattern(bytes.size(), seed);
}
std::vector<std::uint8_t> reversed(std::vector<std::uint8_t> bytes) {
  std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

TEST(Values, PlainTypes) {
  EXPECT_EQ(manta::get(manta::remote<add>(2, 3)), 5);
  EXPECT_EQ(manta::get(manta::remote<half>(3)), 1.5);
  EXPECT_EQ(manta::get(manta::remote<greet>("you")), "hello you");
  EXPECT_EQ(manta::get(manta::remote<other>(Colour::red)), Colour::green);
  EXPECT_EQ(manta::get(manta::remote<value_of>(manta::remote<counted>(7))), 7);
  EXPECT_EQ(manta::get(manta::remote<[](int x) { return x * x; }>(9)), 81);
}

TEST(Values, TenParameters) {
  EXPECT_EQ(
      manta::get(manta::remote<sum_of_ten>(1, 2, 3, 4, 5.0, 6.0F, true, "8", std::vector<int>{9, 10}, Point{11, 12})),
      1 + 2 + 3 + 4 + 5 + 6 + 1 + 8 + 9 + 10 + 11 + 12);
}

TEST(Values, NestedStandardTypes) {
  Everything value;
  value.flag = true;
  value.number = -5;
  value.text = std::string("with a \0 inside", 15);
  value.points = {{1, 2}, {3, 4}};
  value.lists = {{"a", {1, 2, 3}}, {"", {}}};
  value.colour = Colour::green;
  value.either = "text";
  value.pair = {'x', 2.5F};
  value.numbers = {3, 1, 2};
  EXPECT_EQ(manta::get(manta::remote<same>(value)), value);
  EXPECT_EQ(manta::get(manta::remote<same>(Everything{})), Everything{});
  EXPECT_EQ(manta::get(manta::remote<same>(manta::remote<same>(manta::put(value)))), value);
}

TEST(Values, MoveOnly) {
  auto five = manta::remote<next_of>(std::make_unique<int>(4));
  EXPECT_EQ(*manta::get(five), 5);
  EXPECT_EQ(*manta::get(five), 5) << "each get is a copy of its own";
  EXPECT_EQ(*manta::get(manta::remote<next_of>(five)), 6);
}

TEST(Values, BigStruct) {
  const auto block = std::make_unique<Block>();
  auto filled = manta::remote<fill>(manta::remote<fill>(*block, 5U), 1U);
  const auto result = std::make_unique<Block>(manta::get(filled));
  for (std::size_t i = 0; i < result->words.size(); ++i) ASSERT_EQ(result->words[i], 5 + 1 + 2 * i);
}

TEST(Values, Void) {
  manta::Ref<void> done = manta::remote<nothing>();
  manta::get(done);
  EXPECT_TRUE(done.ready());
  EXPECT_TRUE(manta::try_get(manta::remote<nothing_of>(std::vector<int>(50'000))));
  manta::get(std::vector<manta::Ref<void>>{manta::remote<nothing>(), done});
}

// Sizes at which the way that values travel changes: in the record, in a block, in the store, out of band.
class Sizes : public testing::TestWithParam<std::size_t> {};

TEST_P(Sizes, ArgumentAndResult) {
  const std::size_t size = GetParam();
  const auto bytes = pattern(size, 3);
  auto backwards = manta::remote<reversed>(bytes);
  EXPECT_TRUE(manta::get(manta::remote<is_pattern>(manta::remote<reversed>(backwards), 3)));
  auto expected = bytes;
  std::reverse(expected.begin(), expected.end());
  EXPECT_TRUE(manta::get(backwards) == expected);
}

TEST_P(Sizes, Put) {
  const std::size_t size = GetParam();
  auto ref = manta::put(pattern(size, 9));
  std::vector<manta::Ref<bool>> answers;
  for (int i = 0; i < 4; ++i) answers.push_back(manta::remote<is_pattern>(ref, 9));
  EXPECT_TRUE(is_pattern(manta::get(ref), 9));
  for (auto& answer : answers) EXPECT_TRUE(manta::get(answer));
}

TEST_P(Sizes, ManyInFlight) {
  const std::size_t size = GetParam();
  const std::size_t count = size > 1'000'000 ? 4 : 100;
  std::vector<manta::Ref<std::vector<std::uint8_t>>> refs;
  for (std::size_t i = 0; i < count; ++i)
    refs.push_back(manta::remote<reversed>(pattern(size, static_cast<std::uint8_t>(i))));
  for (std::size_t i = 0; i < count; ++i) {
    auto value = manta::get(refs[i]);
    std::reverse(value.begin(), value.end());
    ASSERT_TRUE(is_pattern(value, static_cast<std::uint8_t>(i))) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Bytes, Sizes,
                         testing::Values(0, 1, 79, 80, 81, 88, 89, 100, 2048, 2049, 4095, 4096, 4097, 65'520, 65'536,
                                         65'537, 70'000, 300'000, 10'000'000),
                         [](const auto& bytes) { return std::to_string(bytes.param); });

}  // namespace

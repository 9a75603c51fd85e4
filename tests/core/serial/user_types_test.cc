// Types written for cereal work unchanged.
#include <queue>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <cereal/types/base_class.hpp>
#include <cereal/types/bitset.hpp>
#include <cereal/types/polymorphic.hpp>
#include <cereal/types/queue.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/valarray.hpp>
#include <cereal/types/vector.hpp>

#include "tests/core/serial/round_trip.h"

namespace manta::testing::user_types {

struct Member {
  int a = 0;
  std::string b;
  std::vector<float> c;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(CEREAL_NVP(a), cereal::make_nvp("bee", b), c);
  }
};

class Private {
 public:
  Private() = default;
  explicit Private(int value) : value_(value) {}
  int value() const { return value_; }

 private:
  friend class cereal::access;
  template <class Archive>
  void serialize(Archive& archive) {
    archive& value_;
  }
  int value_ = 0;
};

struct Split {
  std::string text;
  template <class Archive>
  void save(Archive& archive) const {
    const std::string reversed(text.rbegin(), text.rend());  // a local: must not be needed later
    archive << reversed;
  }
  template <class Archive>
  void load(Archive& archive) {
    std::string reversed;
    archive >> reversed;
    text.assign(reversed.rbegin(), reversed.rend());
  }
};

struct Minimal {
  int value = 0;
  template <class Archive>
  std::string save_minimal(const Archive&) const {
    return std::to_string(value);
  }
  template <class Archive>
  void load_minimal(const Archive&, const std::string& text) {
    value = std::stoi(text);
  }
};

struct Versioned {
  int value = 0;
  std::uint32_t seen = 0;
  template <class Archive>
  void serialize(Archive& archive, const std::uint32_t version) {
    seen = version;
    archive(value);
  }
};

struct FreeFunction {
  FreeFunction() = default;
  int value = 0;
};
template <class Archive>
void serialize(Archive& archive, FreeFunction& object) {
  archive(object.value);
}

struct FreeSplit {
  FreeSplit() = default;
  int value = 0;
};
template <class Archive>
void save(Archive& archive, const FreeSplit& object) {
  archive(object.value + 1);
}
template <class Archive>
void load(Archive& archive, FreeSplit& object) {
  archive(object.value);
  --object.value;
}

struct OnlyForManta {
  OnlyForManta() = default;
  int value = 0;
  void save(serial::Writer& writer) const { writer(value); }
  void load(serial::Reader& reader) { reader(value); }
};

struct Derived : Member {
  int d = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<Member>(this), d);
  }
};

struct Root {
  int root = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(root);
  }
};
struct Left : virtual Root {
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::virtual_base_class<Root>(this));
  }
};
struct Right : virtual Root {
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::virtual_base_class<Root>(this));
  }
};
struct Diamond : Left, Right {
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<Left>(this), cereal::base_class<Right>(this));
  }
};

// An aggregate with a function of its own: the function counts.
struct AggregateWithFunction {
  int kept = 0;
  int dropped = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(kept);
  }
};

struct Matrix {
  Matrix() = default;
  explicit Matrix(std::size_t n) : size(n), data(std::make_unique<double[]>(n)) {}
  std::size_t size = 0;
  std::unique_ptr<double[]> data;
  template <class Archive>
  void save(Archive& archive) const {
    archive(cereal::make_size_tag(static_cast<cereal::size_type>(size)),
            cereal::binary_data(data.get(), size * sizeof(double)));
  }
  template <class Archive>
  void load(Archive& archive) {
    cereal::size_type n = 0;
    archive(cereal::make_size_tag(n));
    *this = Matrix(n);
    archive(cereal::binary_data(data.get(), size * sizeof(double)));
  }
};

struct Deferred {
  std::vector<int> first;
  int second = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::defer(first), second);
    archive.serializeDeferments();
  }
};

struct Shape {
  virtual ~Shape() = default;
  virtual int area() const = 0;
};
struct Square : Shape {
  int side = 0;
  int area() const override { return side * side; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(side);
  }
};

class NoDefault {
 public:
  explicit NoDefault(int value) : value_(value) {}
  int value() const { return value_; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value_);
  }
  template <class Archive>
  static void load_and_construct(Archive& archive, cereal::construct<NoDefault>& construct) {
    int value = 0;
    archive(value);
    construct(value);
  }

 private:
  int value_;
};

struct Inherits : Member {  // serialize is inherited, save and load are meant
  template <class Archive>
  void save(Archive& archive) const {
    archive(1);
  }
  template <class Archive>
  void load(Archive& archive) {
    archive(a);
  }
};

}  // namespace manta::testing::user_types

CEREAL_CLASS_VERSION(manta::testing::user_types::Versioned, 7)
CEREAL_REGISTER_TYPE(manta::testing::user_types::Square)
CEREAL_REGISTER_POLYMORPHIC_RELATION(manta::testing::user_types::Shape, manta::testing::user_types::Square)
CEREAL_SPECIALIZE_FOR_ALL_ARCHIVES(manta::testing::user_types::Inherits, cereal::specialization::member_load_save)

namespace manta::testing::user_types {
namespace {

TEST(UserTypes, MemberSerialize) {
  const Member result = round_trip(Member{1, "b", {1, 2}});
  EXPECT_EQ(result.a, 1);
  EXPECT_EQ(result.b, "b");
  EXPECT_EQ(result.c, (std::vector<float>{1, 2}));
  EXPECT_EQ(round_trip(Private(5)).value(), 5);
}

TEST(UserTypes, OtherForms) {
  EXPECT_EQ(round_trip(Split{"abc"}).text, "abc");
  const std::string long_text = std::string(10'000, 'a').append("b");
  EXPECT_EQ(round_trip(Split{long_text}).text, long_text);
  EXPECT_EQ(round_trip(Minimal{42}).value, 42);
  FreeFunction free_function;
  free_function.value = 4;
  EXPECT_EQ(round_trip(free_function).value, 4);
  FreeSplit free_split;
  free_split.value = 4;
  EXPECT_EQ(round_trip(free_split).value, 4);
  OnlyForManta only;
  only.value = 3;
  EXPECT_EQ(round_trip(only).value, 3);
}

TEST(UserTypes, VersionsTravelOnceForEachClass) {
  const auto encoding = encode(std::vector<Versioned>(3));
  EXPECT_EQ(encoding.bytes().size(), 1 + 4 + 3 * 4u);
  EXPECT_EQ(decode<std::vector<Versioned>>(encoding)[2].seen, 7u);
}

TEST(UserTypes, Bases) {
  Derived derived;
  derived.a = 1;
  derived.d = 2;
  const Derived result = round_trip(derived);
  EXPECT_EQ(result.a, 1);
  EXPECT_EQ(result.d, 2);
  Diamond diamond;
  diamond.root = 9;
  EXPECT_EQ(encode(diamond).bytes().size(), 4u);  // the virtual base once
  EXPECT_EQ(round_trip(diamond).root, 9);
}

TEST(UserTypes, OwnFunctionComesBeforeTheFields) {
  const AggregateWithFunction result = round_trip(AggregateWithFunction{1, 2});
  EXPECT_EQ(result.kept, 1);
  EXPECT_EQ(result.dropped, 0);
}

TEST(UserTypes, SpecializeChooses) {
  Inherits object;
  object.a = 5;
  EXPECT_EQ(round_trip(object).a, 1);
}

TEST(UserTypes, BinaryData) {
  for (const std::size_t n : {0u, 1u, 511u, 512u, 100'000u}) {
    Matrix matrix(n);
    for (std::size_t i = 0; i < n; ++i) matrix.data[i] = static_cast<double>(i);
    const Matrix result = round_trip(matrix);
    ASSERT_EQ(result.size, n);
    EXPECT_EQ(std::memcmp(result.data.get(), matrix.data.get(), n * sizeof(double)), 0);
  }
}

TEST(UserTypes, Deferments) {
  const Deferred result = round_trip(Deferred{{1, 2}, 3});
  EXPECT_EQ(result.first, (std::vector<int>{1, 2}));
  EXPECT_EQ(result.second, 3);
}

TEST(UserTypes, PolymorphicPointers) {
  auto square = std::make_shared<Square>();
  square->side = 3;
  const std::shared_ptr<Shape> shape = square;
  const auto shared = round_trip(std::vector{shape, shape});
  EXPECT_EQ(shared[0]->area(), 9);
  EXPECT_EQ(shared[0], shared[1]);
  const std::unique_ptr<Shape> unique = std::make_unique<Square>(*square);
  EXPECT_EQ(round_trip(unique)->area(), 9);
}

TEST(UserTypes, WithoutADefaultConstructorBehindAPointer) {
  EXPECT_EQ(round_trip(std::make_unique<NoDefault>(5))->value(), 5);
  EXPECT_EQ(round_trip(std::make_shared<NoDefault>(5))->value(), 5);
}

TEST(UserTypes, FurtherHeadersOfCereal) {
  std::queue<int> queue;
  queue.push(1);
  queue.push(2);
  EXPECT_EQ(round_trip(queue), queue);
  EXPECT_EQ(round_trip(std::bitset<100>(12345)), std::bitset<100>(12345));
  EXPECT_EQ(round_trip(std::valarray<double>(2.0, 3)).sum(), 6.0);
}

TEST(UserTypes, InContainers) {
  const auto result = round_trip(std::map<std::string, std::vector<Member>>{{"k", {Member{1, "b", {}}}}});
  EXPECT_EQ(result.at("k").at(0).b, "b");
}

}  // namespace
}  // namespace manta::testing::user_types

// Large contiguous data is recorded, not copied, as long as that is safe; readers share it.
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <cereal/types/vector.hpp>

#include <manta/ref.h>

#include "tests/core/api/fake_runtime.h"
#include "tests/core/serial/round_trip.h"

namespace manta::testing {
namespace {

std::vector<int> numbers(std::size_t n) {
  std::vector<int> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

// Whether a change made to original after writing reaches the encoding, in other words whether it was only recorded.
template <class T, class Change>
bool recorded(const T& value, Change change) {
  serial::Writer writer;
  writer(value);
  const std::size_t size = writer.encoded_size();
  std::vector<std::byte> before(size);
  std::vector<std::byte> after(size);
  writer.encode_into(before.data());
  change();
  writer.encode_into(after.data());
  return before != after;
}

TEST(OutOfBand, StartsAt4096Bytes) {
  EXPECT_FALSE(encode(std::vector<char>(4095)).framed());
  EXPECT_TRUE(encode(std::vector<char>(4096)).framed());
  EXPECT_FALSE(encode(std::string(4095, 'x')).framed());
  EXPECT_TRUE(encode(std::string(4096, 'x')).framed());
  EXPECT_TRUE((encode(std::array<int, 1024>{}).framed()));
  EXPECT_FALSE(encode(std::vector<std::string>(1000, "small")).framed());
}

TEST(OutOfBand, LayoutIsAsDocumented) {
  serial::Writer writer;
  const std::vector<char> first(5000, 'a');
  const std::vector<char> second(4096, 'b');
  writer(std::uint8_t{7}, first, second);
  std::vector<std::byte> bytes(writer.encoded_size(), std::byte{0xee});
  writer.encode_into(bytes.data());

  const auto u32 = [&](std::size_t at) {
    std::uint32_t n = 0;
    std::memcpy(&n, &bytes[at], sizeof n);
    return n;
  };
  const auto u64 = [&](std::size_t at) {
    std::uint64_t n = 0;
    std::memcpy(&n, &bytes[at], sizeof n);
    return n;
  };
  EXPECT_EQ(u32(0), 1 + 2 + 2u);  // a byte and two sizes of two bytes
  EXPECT_EQ(u32(4), 2u);
  EXPECT_EQ(u64(8), 5000u);
  EXPECT_EQ(u64(16), 4096u);
  EXPECT_EQ(bytes[24], std::byte{7});
  EXPECT_EQ(bytes[63], std::byte{0});  // a gap
  EXPECT_EQ(bytes[64], std::byte{'a'});
  EXPECT_EQ(bytes[64 + 4999], std::byte{'a'});
  EXPECT_EQ(bytes[64 + 5000], std::byte{0});
  EXPECT_EQ(bytes[5120], std::byte{'b'});
  EXPECT_EQ(bytes.size(), 5120u + 4096);
}

TEST(OutOfBand, WithinOtherData) {
  const std::tuple value{1, numbers(5000), std::string("between"), std::vector{numbers(2000), numbers(3)}, 2.5};
  EXPECT_EQ(round_trip(value), value);
}

struct Holder {
  std::vector<int> member = numbers(5000);
  template <class Archive>
  void serialize(Archive& archive) {
    archive(CEREAL_NVP(member));
  }
};
struct Plain {
  int before = 0;
  std::vector<int> member = numbers(5000);
};

TEST(OutOfBand, MembersAreOnlyRecorded) {
  std::vector<int> bare = numbers(5000);
  EXPECT_TRUE(recorded(bare, [&] { bare[0] = 1; }));
  Plain plain;
  EXPECT_TRUE(recorded(plain, [&] { plain.member[0] = 1; }));
  Holder holder;
  EXPECT_TRUE(recorded(holder, [&] { holder.member[0] = 1; }));
  std::map<int, std::vector<Holder>> nested;
  nested[3].resize(2);
  EXPECT_TRUE(recorded(nested, [&] { nested[3][1].member[4999] = 1; }));
  const auto shared = std::make_shared<Holder>();
  EXPECT_TRUE(recorded(shared, [&] { shared->member[0] = 1; }));
}

struct Temporary {
  int size = 5000;
  template <class Archive>
  void save(Archive& archive) const {
    archive(numbers(static_cast<std::size_t>(size)));
  }
  template <class Archive>
  void load(Archive& archive) {
    std::vector<int> values;
    archive(values);
    size = values == numbers(values.size()) ? static_cast<int>(values.size()) : -1;
  }
};
struct Local {
  int size = 5000;
  template <class Archive>
  void serialize(Archive& archive) {
    std::vector<int> values;
    if constexpr (Archive::is_saving::value) values = numbers(static_cast<std::size_t>(size));
    archive(cereal::make_nvp("values", values));
    size = values == numbers(values.size()) ? static_cast<int>(values.size()) : -1;
  }
};
struct LocalBinary {
  int size = 5000;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(size);
    std::vector<int> values = numbers(static_cast<std::size_t>(size));
    if constexpr (!Archive::is_saving::value) std::fill(values.begin(), values.end(), 0);
    archive(cereal::binary_data(values.data(), values.size() * sizeof(int)));
    if (values != numbers(values.size())) size = -1;
  }
};
struct LocalHolder {
  bool same = true;
  template <class Archive>
  void serialize(Archive& archive) {
    Holder holder;
    if constexpr (!Archive::is_saving::value) holder.member.clear();
    archive(holder);
    same = holder.member == numbers(5000);
  }
};
struct Text {
  int size = 5000;
  template <class Archive>
  std::string save_minimal(const Archive&) const {
    return std::string(static_cast<std::size_t>(size), 'x');
  }
  template <class Archive>
  void load_minimal(const Archive&, const std::string& text) {
    size = static_cast<int>(text.size());
  }
};

// Each would read freed memory in encode_into if it were only recorded (ASan sees it).
TEST(OutOfBand, WhatAUsersFunctionMakesOnTheWayIsCopied) {
  EXPECT_TRUE(encode(Temporary{}).framed());
  EXPECT_EQ(round_trip(Temporary{}).size, 5000);
  EXPECT_EQ(round_trip(Local{}).size, 5000);
  EXPECT_EQ(round_trip(LocalBinary{}).size, 5000);
  EXPECT_TRUE(round_trip(LocalHolder{}).same);
  EXPECT_EQ(round_trip(Text{}).size, 5000);
  EXPECT_EQ(round_trip(std::vector<Temporary>(3))[2].size, 5000);
}

TEST(OutOfBand, TemporariesGivenToTheWriterAreCopied) {
  serial::Writer writer;
  writer(std::string(10'000, 'x'));
  writer << numbers(5000);
  const Encoding encoding(writer);
  serial::Reader reader(encoding.bytes(), encoding.framed());
  EXPECT_EQ(serial::decode<std::string>(reader), std::string(10'000, 'x'));
  EXPECT_EQ(serial::decode<std::vector<int>>(reader), numbers(5000));
}

Buffer buffer_of(std::size_t size, std::weak_ptr<const void>* watch = nullptr) {
  const auto data = std::make_shared<std::vector<std::byte>>(size, std::byte{5});
  if (watch != nullptr) *watch = data;
  return {data->data(), size, data};
}

TEST(Buffers, AreKeptByTheWriterUntilCleared) {
  std::weak_ptr<const void> watch;
  serial::Writer writer;
  writer.put_buffer(buffer_of(10'000, &watch));
  EXPECT_FALSE(watch.expired());
  const Encoding encoding(writer);
  writer.clear();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(decode<Buffer>(encoding).size_bytes, 10'000u);
}

TEST(Buffers, AreSharedWithTheEncoding) {
  auto encoding = std::make_unique<Encoding>(encode(std::pair{7, buffer_of(10'000)}));
  const std::byte* begin = encoding->bytes().data();
  const Buffer buffer = decode<std::pair<int, Buffer>>(*encoding).second;
  EXPECT_GE(buffer.data, begin);
  EXPECT_LT(buffer.data, begin + encoding->bytes().size());
  encoding.reset();
  EXPECT_EQ(buffer.data[9'999], std::byte{5});  // still mapped
}

TEST(Buffers, AreCopiedWhereSharingIsNotPossible) {
  const Encoding encoding = encode(buffer_of(10'000));
  serial::Reader unkept(encoding.bytes(), encoding.framed(), nullptr);
  const Buffer copy = unkept.get_buffer();
  EXPECT_TRUE(copy.data < encoding.bytes().data() || copy.data >= encoding.bytes().data() + encoding.bytes().size());
  EXPECT_EQ(copy.data[9'999], std::byte{5});

  // Misaligned as a whole.
  const auto shifted = std::make_shared<std::vector<std::byte>>(encoding.bytes().size() + 128);
  const auto address = reinterpret_cast<std::uintptr_t>(shifted->data());
  std::byte* start = shifted->data() + (64 - address % 64) + 4;
  std::memcpy(start, encoding.bytes().data(), encoding.bytes().size());
  serial::Reader misaligned({start, encoding.bytes().size()}, true, shifted);
  const Buffer aligned = misaligned.get_buffer();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(aligned.data) % 64, 0u);
  EXPECT_EQ(aligned.data[0], std::byte{5});
}

TEST(Buffers, SmallAndEmptyOnes) {
  for (const std::size_t size : {0u, 1u, 100u, 4095u, 4096u}) {
    const Encoding encoding = encode(buffer_of(size));
    EXPECT_EQ(encoding.framed(), size >= 4096);
    const Buffer buffer = decode<Buffer>(encoding);
    ASSERT_EQ(buffer.size_bytes, size);
    if (size != 0) {
      EXPECT_EQ(buffer.data[size - 1], std::byte{5});
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data) % 64, 0u);
    }
  }
}

TEST(Writer, GrowsAndStartsAnew) {
  serial::Writer writer;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i) writer(i);
    EXPECT_EQ(writer.encoded_size(), 40'000u);
    EXPECT_EQ(writer.stream().size(), 40'000u);
    int last = 0;
    std::memcpy(&last, writer.stream().data() + 39'996, sizeof last);
    EXPECT_EQ(last, 9'999);
    writer.clear();
    EXPECT_EQ(writer.encoded_size(), 0u);
  }
}

struct Counted {
  explicit Counted(int* counter) : alive(counter) { ++*alive; }
  Counted(const Counted&) = delete;
  ~Counted() { --*alive; }
  int* alive;
};
struct LargeCounted : Counted {
  using Counted::Counted;
  char data[1000] = {};
};

TEST(Writer, KeepsWhatItConstructed) {
  int alive = 0;
  {
    serial::Writer writer;
    writer.emplace([&] { return Counted(&alive); });
    EXPECT_EQ(alive, 1);
    writer.emplace([&] { return LargeCounted(&alive); });  // instead of the first
    EXPECT_EQ(alive, 1);
    writer.clear();
    EXPECT_EQ(alive, 0);
    writer.emplace([&] { return LargeCounted(&alive); });
  }
  EXPECT_EQ(alive, 0);
}

TEST(Writer, RefusesEndlessNesting) {
  struct Chain {
    std::unique_ptr<Chain> next;
  };
  auto chain = std::make_unique<Chain>();
  for (int i = 0; i < 5000; ++i) {
    auto longer = std::make_unique<Chain>();
    longer->next = std::move(chain);
    chain = std::move(longer);
  }
  serial::Writer writer;
  EXPECT_THROW(writer(chain), Error);
  writer.clear();
  writer(1);
  EXPECT_EQ(writer.encoded_size(), 4u);
  while (chain != nullptr) chain = std::move(chain->next);  // one by one, not recursively
}

TEST(Refs, AreHeldByTheWriter) {
  const std::size_t before = live_entries();
  detail::EntryHead* entry = nullptr;
  {
    serial::Writer content;
    content(5);
    auto ref = Ref<int>::adopt(detail::put(content));
    entry = ref.entry_or_null();
    serial::Writer writer;
    writer(std::vector<Ref<int>>{ref, Ref<int>(), ref});
    ASSERT_EQ(writer.refs().size(), 2u);
    EXPECT_EQ(writer.refs()[0], entry);
    ref = {};
    EXPECT_EQ(entry->refs, 2u);
    const Encoding encoding(writer);
    {
      serial::Reader reader(encoding.bytes());
      const auto refs = serial::decode<std::vector<Ref<int>>>(reader);
      EXPECT_EQ(reader.refs(), 2u);
      EXPECT_EQ(refs[0], refs[2]);
      EXPECT_FALSE(refs[1]);
      EXPECT_EQ(entry->refs, 4u);
    }
    const auto taken = writer.take_refs();
    writer.clear();
    EXPECT_EQ(entry->refs, 2u);
    for (auto* held : taken) detail::release(held);
  }
  EXPECT_EQ(live_entries(), before);
}

}  // namespace
}  // namespace manta::testing

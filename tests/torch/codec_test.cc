// The encoding of tensors, inside one process.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <manta/error.h>
#include <manta/torch.h>

namespace manta {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

struct Line {
  alignas(64) std::byte bytes[64];
};
using Bytes = std::shared_ptr<std::vector<Line>>;

struct Encoded {
  Bytes memory;
  std::span<const std::byte> bytes;
  bool framed = false;
};

template <class T>
Encoded encode(const T& value) {
  serial::Writer writer;
  writer(value);
  Encoded encoded;
  const std::size_t size = writer.encoded_size();
  encoded.memory = std::make_shared<std::vector<Line>>(size / sizeof(Line) + 1);
  std::byte* start = encoded.memory->data()->bytes;
  writer.encode_into(start);
  encoded.bytes = {start, size};
  encoded.framed = writer.framed();
  return encoded;
}

template <class T>
T decode(const Encoded& encoded) {
  serial::Reader reader(encoded.bytes, encoded.framed, encoded.memory);
  T value = serial::decode<T>(reader);
  reader.finish();
  return value;
}

template <class T>
T round_trip(const T& value) {
  return decode<T>(encode(value));
}

bool same(const torch::Tensor& a, const torch::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         a.contiguous().view(-1).equal(b.contiguous().view(-1));
}

TEST(TensorCodec, EveryTypeBelowAndAboveTheOutOfBandSize) {
  for (const auto type :
       {torch::kBool, torch::kUInt8, torch::kInt8, torch::kInt16, torch::kInt32, torch::kInt64, torch::kHalf,
        torch::kBFloat16, torch::kFloat, torch::kDouble, torch::kComplexHalf, torch::kComplexFloat,
        torch::kComplexDouble, torch::kUInt16, torch::kUInt32, torch::kUInt64, torch::kFloat8_e4m3fn}) {
    for (const std::int64_t n : {5, 5000}) {
      const torch::Tensor bytes =
          torch::randint(0, 2, {n * static_cast<std::int64_t>(c10::elementSize(type))}, torch::kUInt8);
      const torch::Tensor tensor = torch::empty({n}, type);
      std::memcpy(tensor.mutable_data_ptr(), bytes.const_data_ptr(), tensor.nbytes());
      const torch::Tensor back = round_trip(tensor);
      EXPECT_EQ(back.scalar_type(), type);
      EXPECT_EQ(back.sizes(), tensor.sizes());
      EXPECT_EQ(std::memcmp(back.const_data_ptr(), tensor.const_data_ptr(), tensor.nbytes()), 0) << type << ' ' << n;
    }
  }
}

TEST(TensorCodec, Shapes) {
  EXPECT_FALSE(round_trip(torch::Tensor()).defined());
  EXPECT_EQ(round_trip(torch::tensor(2.5)).item<float>(), 2.5f);
  EXPECT_EQ(round_trip(torch::empty({0})).sizes(), torch::IntArrayRef({0}));
  EXPECT_EQ(round_trip(torch::empty({3, 0, 7}, torch::kLong)).sizes(), torch::IntArrayRef({3, 0, 7}));
  const torch::Tensor many = torch::randn({1, 2, 1, 3, 1, 2, 1, 2, 1, 2, 1});
  EXPECT_TRUE(same(round_trip(many), many));
}

TEST(TensorCodec, StridesOfDenseTensorsArrive) {
  const torch::Tensor base = torch::randn({2, 3, 40, 50});
  for (const torch::Tensor& tensor :
       {base.transpose(1, 3), base.permute({3, 0, 2, 1}), base.contiguous(torch::MemoryFormat::ChannelsLast),
        torch::randn({3, 2}).t(), torch::randn({1, 3, 4, 5}).contiguous(torch::MemoryFormat::ChannelsLast)}) {
    const torch::Tensor back = round_trip(tensor);
    EXPECT_TRUE(same(back, tensor));
    EXPECT_EQ(back.strides(), tensor.strides());
  }
}

TEST(TensorCodec, ViewsBringTheirElementsOnly) {
  const torch::Tensor base = torch::randn({100, 100});
  const torch::Tensor row = base[3];
  EXPECT_LT(encode(row).bytes.size(), 500u);
  EXPECT_TRUE(same(round_trip(row), row));
  for (const torch::Tensor& tensor : {base.slice(1, 5, 60), base.slice(0, 1, 100, 7),
                                      torch::randn({50, 1}).expand({50, 80}), base.diagonal(), base.unfold(0, 10, 3)}) {
    const torch::Tensor back = round_trip(tensor);
    EXPECT_TRUE(same(back, tensor));
    EXPECT_TRUE(back.is_contiguous());
  }
}

TEST(TensorCodec, LazyFormsArriveAsValues) {
  const torch::Tensor z = torch::randn({40, 40}, torch::kComplexFloat);
  EXPECT_TRUE(same(round_trip(z.conj()), z.conj().resolve_conj()));
  EXPECT_TRUE(same(round_trip(torch::imag(z.conj())), torch::imag(z.conj()).resolve_neg()));
  EXPECT_TRUE(same(round_trip(at::_efficientzerotensor({50, 50})), torch::zeros({50, 50})));
}

TEST(TensorCodec, LeavesKeepRequiresGrad) {
  const torch::Tensor leaf = torch::randn({40, 40}, torch::requires_grad());
  EXPECT_TRUE(round_trip(leaf).requires_grad());
  EXPECT_TRUE(round_trip(leaf).is_leaf());
  EXPECT_TRUE(round_trip(leaf.t()).equal(leaf.t()));
  EXPECT_FALSE(round_trip(leaf * 2).requires_grad());  // the graph stays behind
  EXPECT_FALSE(round_trip(leaf.detach()).requires_grad());
  EXPECT_TRUE(round_trip(torch::randn({3}, torch::requires_grad())).requires_grad());
}

struct Batch {
  torch::Tensor images;
  std::vector<torch::Tensor> parts;
  std::map<std::string, torch::Tensor> named;
  std::optional<torch::Tensor> label;
  int step = 0;
};

TEST(TensorCodec, InsideStructsAndContainers) {
  const Batch batch{torch::randn({30, 50}),
                    {torch::randn({3}), {}, torch::randn({2000})},
                    {{"w", torch::ones({9})}},
                    torch::tensor(7),
                    3};
  const Batch back = round_trip(batch);
  EXPECT_TRUE(same(back.images, batch.images));
  ASSERT_EQ(back.parts.size(), 3u);
  EXPECT_FALSE(back.parts[1].defined());
  EXPECT_TRUE(same(back.parts[2], batch.parts[2]));
  EXPECT_TRUE(same(back.named.at("w"), batch.named.at("w")));
  EXPECT_EQ(back.label->item<int>(), 7);
  EXPECT_EQ(back.step, 3);
}

TEST(TensorCodec, LargeOnesAreViewsThatKeepTheMemory) {
  torch::Tensor back;
  std::weak_ptr<void> memory;
  {
    const Encoded encoded = encode(torch::ones({64, 64}));
    memory = encoded.memory;
    back = decode<torch::Tensor>(encoded);
    const auto* data = static_cast<const std::byte*>(back.const_data_ptr());
    EXPECT_TRUE(data >= encoded.bytes.data() && data < encoded.bytes.data() + encoded.bytes.size());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0u);
  }
  torch::Tensor row = back[5];
  back.reset();
  EXPECT_FALSE(memory.expired());
  EXPECT_EQ(row.sum().item<float>(), 64);
  row.reset();
  EXPECT_TRUE(memory.expired());
}

TEST(TensorCodec, WhatCannotTravelSaysWhatToCall) {
  const auto message = [](const torch::Tensor& tensor) { return [tensor] { encode(tensor); }; };
  EXPECT_THAT(message(torch::empty({2}, torch::kMeta)), ThrowsMessage<Error>(HasSubstr("call .cpu() first")));
  EXPECT_THAT(message(torch::eye(3).to_sparse()), ThrowsMessage<Error>(HasSubstr(".to_dense()")));
  EXPECT_THAT(message(torch::quantize_per_tensor(torch::randn({4}), 0.1, 0, torch::kQInt8)),
              ThrowsMessage<Error>(HasSubstr(".dequantize()")));
}

// Every byte of an encoding in turn gets every value: an error or a tensor, but never a crash or a wild allocation.
TEST(TensorCodec, MalformedBytesAreRefused) {
  for (const torch::Tensor& tensor : {torch::randn({2, 3}).t(), torch::randn({40, 30}).t(), torch::empty({0, 3})}) {
    const Encoded whole = encode(tensor);
    const std::size_t head = std::min<std::size_t>(whole.bytes.size(), 60);
    for (std::size_t at = 0; at < head; ++at) {
      for (int value = 0; value < 256; ++value) {
        auto* byte = const_cast<std::byte*>(whole.bytes.data() + at);
        const std::byte before = std::exchange(*byte, static_cast<std::byte>(value));
        try {
          const auto back = decode<torch::Tensor>(whole);
          if (back.defined() && back.numel() > 0) (void)back.contiguous().view(-1)[-1];
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
        }
        *byte = before;
      }
    }
    for (std::size_t size = 0; size < head; ++size) {
      Encoded cut = whole;
      cut.bytes = cut.bytes.first(size);
      EXPECT_THROW((void)decode<torch::Tensor>(cut), Error);
    }
  }
}

template <class View, class T>
View read_as(const T& value) {
  const Encoded encoded = encode(value);
  return detail::read_as<View, T>({encoded.bytes, encoded.framed, encoded.memory, {}});
}

TEST(TensorCodec, ArraysReadTensorsInPlace) {
  const torch::Tensor x = torch::arange(6000, torch::kFloat).reshape({20, 300});
  const auto array = read_as<Array<float>>(x);
  EXPECT_EQ(array.shape(), (std::vector<std::int64_t>{20, 300}));
  EXPECT_EQ(array.at(3, 7), 907);
  EXPECT_TRUE(same(tensor_of(array), x));
  EXPECT_EQ(tensor_of(array).data_ptr(), array.data());
  EXPECT_EQ(array_of<float>(x).data(), x.data_ptr<float>());
  EXPECT_EQ(array_of<float>(x.t()).at(7, 3), 907);
  EXPECT_TRUE(same(read_as<torch::Tensor>(array), x));
  const std::vector<double> numbers(5000, 2);
  EXPECT_EQ(read_as<torch::Tensor>(numbers).sum().item<double>(), 10'000);
  const Array<float> columns(array.buffer(), {300, 20}, ArrayOrder::column_major);
  EXPECT_TRUE(same(tensor_of(columns), x.t()));
  EXPECT_EQ(tensor_of(Array<int>(std::vector<int>(), {0, 3})).sizes(), (std::vector<std::int64_t>{0, 3}));
  EXPECT_THAT([&] { (void)array_of<double>(x); }, ThrowsMessage<Error>(HasSubstr("of type Float, not Double")));
  EXPECT_THAT([&] { (void)array_of<float>(x.to_sparse()); }, ThrowsMessage<Error>(HasSubstr("not dense")));
}

}  // namespace
}  // namespace manta

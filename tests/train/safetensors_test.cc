#include <manta/train/safetensors.h>

#include <cstring>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "tests/support/folder.h"
#include "tests/support/message.h"

namespace manta::train {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string file_of(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + header + data;
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

class SafetensorsTest : public FolderTest {
 protected:
  std::string refused(const std::string& content) {
    write(path_, content);
    return message_of([&] { load_safetensors(path_); });
  }
  std::filesystem::path path_ = folder_ / "x.safetensors";
};

TEST_F(SafetensorsTest, EveryTypeComesBackToTheBit) {
  NamedTensors tensors;
  for (const auto type : {torch::kBool, torch::kByte, torch::kChar, torch::kShort, torch::kInt, torch::kLong,
                          torch::kHalf, torch::kBFloat16, torch::kFloat, torch::kDouble}) {
    tensors[c10::toString(type)] = torch::randint(0, 2, {3, 5}).to(type);
  }
  tensors["U16"] = torch::tensor({1, 65535, 3}).to(torch::kUInt16);
  tensors["scalar"] = torch::tensor(0.1);
  tensors["empty"] = torch::empty({0, 4});
  tensors["nan"] = torch::tensor({NAN, -0.0F, INFINITY});
  tensors["transposed"] = torch::arange(12).reshape({3, 4}).t();
  tensors["requires grad"] = torch::rand(3).requires_grad_();
  tensors["ä\"\\"] = torch::ones({1, 1, 1});
  save_safetensors(path_, tensors, {{"format", "pt"}, {"note", "ü"}});
  const SafeTensors loaded = load_safetensors(path_);
  EXPECT_EQ(loaded.metadata, (FileMetadata{{"format", "pt"}, {"note", "ü"}}));
  ASSERT_EQ(loaded.tensors.size(), tensors.size());
  for (const auto& [name, expected] : tensors) {
    const torch::Tensor& found = loaded.tensors.at(name);
    EXPECT_EQ(found.scalar_type(), expected.scalar_type()) << name;
    ASSERT_EQ(found.sizes(), expected.sizes()) << name;
    const torch::Tensor plain = expected.detach().contiguous();
    EXPECT_TRUE(plain.numel() == 0 || std::memcmp(found.const_data_ptr(), plain.const_data_ptr(), plain.nbytes()) == 0)
        << name;
  }
}

TEST_F(SafetensorsTest, WritesToTensorsStayInTheProcessAndOutliveTheFile) {
  save_safetensors(path_, {{"x", torch::zeros(4)}});
  const torch::Tensor first = load_safetensors(path_).tensors.at("x");
  first.add_(1);
  EXPECT_TRUE(torch::equal(load_safetensors(path_).tensors.at("x"), torch::zeros(4)));
  std::filesystem::remove(path_);
  EXPECT_TRUE(torch::equal(first, torch::ones(4)));
}

TEST_F(SafetensorsTest, OthersHeadersNeedNotBeAligned) {
  write(path_, file_of("{\"x\":" + tensor("F32", "[1]", "[0,4]") + "} ", std::string("\0\0\x80\x3f", 4)));
  EXPECT_TRUE(torch::equal(load_safetensors(path_).tensors.at("x"), torch::ones(1)));
}

TEST_F(SafetensorsTest, EmptyFilesAreWhole) {
  save_safetensors(path_, {});
  EXPECT_TRUE(load_safetensors(path_).tensors.empty());
}

TEST_F(SafetensorsTest, MalformedHeadersAreRefused) {
  EXPECT_THAT(refused(""), AllOf(HasSubstr("x.safetensors: "), HasSubstr("has no header"), HasSubstr("Next: ")));
  EXPECT_THAT(refused("1234567"), HasSubstr("has no header"));
  EXPECT_THAT(refused(std::string(8, '\xff')), HasSubstr("its header would have 18446744073709551615 bytes"));
  EXPECT_THAT(refused(file_of("{}").substr(0, 9)), HasSubstr("ends within its header"));
  EXPECT_THAT(refused(file_of("")), HasSubstr("is not JSON"));
  EXPECT_THAT(refused(file_of("{\"a\":")), HasSubstr("is not JSON"));
  EXPECT_THAT(refused(file_of("{} {}")), HasSubstr("is not JSON"));
  EXPECT_THAT(refused(file_of("{\"\xff\":1}")), HasSubstr("is not JSON"));
  EXPECT_THAT(refused(file_of("[]")), HasSubstr("not a JSON object"));
  EXPECT_THAT(refused(file_of(std::string(1'000'000, '['))), HasSubstr("nested too deeply"));
  EXPECT_THAT(refused(file_of("{\"a\":{\"b\":{\"c\":{\"d\":1}}}}")), HasSubstr("nested too deeply"));
  EXPECT_THAT(
      refused(file_of("{\"a\":" + tensor("U8", "[1]", "[0,1]") + ",\"a\":" + tensor("U8", "[1]", "[0,1]") + "}", "x")),
      HasSubstr("names 'a' twice"));
  EXPECT_THAT(refused(file_of("{\"__metadata__\":{\"a\":1}}")), HasSubstr("something else than strings"));
  EXPECT_THAT(refused(file_of("{\"__metadata__\":[]}")), HasSubstr("__metadata__ is not an object"));
}

TEST_F(SafetensorsTest, MalformedTensorsAreRefused) {
  const auto one = [&](const std::string& value, const std::string& data = "12345678") {
    return refused(file_of("{\"a\":" + value + "}", data));
  };
  EXPECT_THAT(one("7"), HasSubstr("something else than an object"));
  EXPECT_THAT(one("{}"), HasSubstr("lacks dtype, shape or data_offsets"));
  EXPECT_THAT(one(tensor("F80", "[8]", "[0,8]")), HasSubstr("unknown dtype 'F80'"));
  EXPECT_THAT(one(R"({"dtype":1,"shape":[8],"data_offsets":[0,8]})"), HasSubstr("dtype that is not a string"));
  for (const char* shape :
       {"[-8]", "[8.0]", "8", "[\"8\"]", "[18446744073709551615]", "[[8]]", "[99999999999999999999]"}) {
    EXPECT_THAT(one(tensor("U8", shape, "[0,8]")), HasSubstr("not a whole safetensors file")) << shape;
  }
  for (const char* offsets : {"[0]", "[0,8,8]", "{}", "[-1,7]", "[0,\"8\"]", "[0,8.5]", "[0,18446744073709551615]"}) {
    EXPECT_THAT(one(tensor("U8", "[8]", offsets)), HasSubstr("data_offsets that are none")) << offsets;
  }
  EXPECT_THAT(one(tensor("U8", "[9]", "[0,8]")), HasSubstr("data_offsets of 8 bytes; its shape needs 9"));
  EXPECT_THAT(one(tensor("U8", "[8]", "[8,0]")), HasSubstr("data_offsets of -8 bytes"));
  EXPECT_THAT(one(tensor("F64", "[4294967296,4294967296]", "[0,0]")), HasSubstr("too large a shape"));
  EXPECT_THAT(one(tensor("F64", "[0,4294967296,4294967296]", "[0,0]"), ""), HasSubstr("too large a shape"));
  EXPECT_THAT(one(tensor("F64", "[2305843009213693952]", "[0,0]")), HasSubstr("too large a shape"));
  EXPECT_THAT(one(tensor("U8", "[9]", "[0,9]")), HasSubstr("need 9 bytes, and the file has 8"));
  EXPECT_THAT(one(tensor("U8", "[7]", "[0,7]")), HasSubstr("need 7 bytes, and the file has 8"));
  EXPECT_THAT(one(tensor("U8", "[7]", "[1,8]")), HasSubstr("a gap before tensor 'a'"));
  EXPECT_THAT(one(tensor("U8", "[1]", "[9223372036854775806,9223372036854775807]")),
              HasSubstr("a gap before tensor 'a'"));
  EXPECT_THAT(one(tensor("BOOL", "[8]", "[0,8]")), HasSubstr("bytes other than 0 and 1"));
  EXPECT_THAT(refused(file_of("{\"a\":" + tensor("U8", "[5]", "[0,5]") + ",\"b\":" + tensor("U8", "[4]", "[4,8]") + "}",
                              "12345678")),
              HasSubstr("tensor 'b' overlaps"));
}

// Every truncation of a good file, and every byte of its header replaced: an error or a valid file, never a crash.
TEST_F(SafetensorsTest, AnyDamageIsSurvived) {
  save_safetensors(path_, {{"a", torch::rand({2, 3})}, {"b", torch::ones(5, torch::kBool)}}, {{"format", "pt"}});
  const std::string whole = read(path_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(refused(whole.substr(0, size)), HasSubstr("not a whole safetensors file")) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char byte : {'\0', '\xff', '9', '"', '[', '-'}) {
      std::string damaged = whole;
      damaged[at] = byte;
      write(path_, damaged);
      try {
        for (const auto& [name, value] : load_safetensors(path_).tensors) value.sum();
      } catch (const Error&) {
      }
    }
  }
}

TEST_F(SafetensorsTest, RefusesTensorsThatTheFormatHasNoPlaceFor) {
  const auto refuses = [&](const NamedTensors& tensors) {
    return message_of([&] { save_safetensors(path_, tensors); });
  };
  EXPECT_THAT(refuses({{"x", torch::ones(2, torch::kComplexFloat)}}), HasSubstr("tensor 'x' is of a type"));
  EXPECT_THAT(refuses({{"x", torch::ones({2, 2}).to_sparse()}}), HasSubstr("tensor 'x' is not dense"));
  EXPECT_THAT(refuses({{"x", torch::Tensor()}}), HasSubstr("tensor 'x' is undefined"));
  EXPECT_THAT(refuses({{"__metadata__", torch::ones(1)}}), HasSubstr("a name that the format keeps"));
  EXPECT_THAT(refuses({{"\xff", torch::ones(1)}}), HasSubstr("not UTF-8"));
  EXPECT_THAT(message_of([&] { load_safetensors(folder_ / "none"); }), HasSubstr("none: cannot be opened"));
  EXPECT_THAT(message_of([&] { load_safetensors(folder_); }), HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace manta::train

// JSON for and from callables: numbers that do not fit are refused; NaN and infinities are kept.
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/serve/detail/replica.h>

namespace manta::serve::detail {
namespace {

using ::testing::HasSubstr;

struct Inner {
  std::uint8_t small = 0;
  float real = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Inner, small, real)
struct Outer {
  int id = 0;
  std::vector<Inner> parts;
  std::map<std::string, short> counts;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Outer, id, parts, counts)

template <class A>
std::string error(const std::string& body) {
  try {
    (void)decode<A>(Request{.body = body});
  } catch (const HttpError& refused) {
    EXPECT_EQ(refused.status(), 400);
    return refused.what();
  }
  return "";
}

TEST(Numbers, ThoseThatDoNotFitAreRefused) {
  EXPECT_EQ(error<int>("2147483647"), "");
  EXPECT_THAT(error<int>("2147483648"), HasSubstr("2147483648 is out of range"));
  EXPECT_NE(error<int>("-2147483649"), "");
  EXPECT_NE(error<int>("5000000000"), "");
  EXPECT_NE(error<int>("18446744073709551615"), "");
  EXPECT_NE(error<int>("1e30"), "");
  EXPECT_NE(error<int>("1e10"), "");
  EXPECT_NE(error<int>("10000000000.5"), "");
  EXPECT_NE(error<unsigned>("1e10"), "");
  EXPECT_NE(error<std::int8_t>("300.0"), "");
  EXPECT_NE(error<std::int64_t>("1e19"), "");
  EXPECT_EQ(error<std::uint64_t>("1e19"), "");
  EXPECT_NE(error<std::uint64_t>("2e19"), "");
  EXPECT_NE(error<unsigned>("-1"), "");
  EXPECT_NE(error<std::int8_t>("200"), "");
  EXPECT_NE(error<std::uint8_t>("256"), "");
  EXPECT_NE(error<std::int64_t>("9223372036854775808"), "");
  EXPECT_NE(error<std::uint64_t>("-1"), "");
  EXPECT_NE(error<std::uint64_t>("18446744073709551616"), "");
  EXPECT_EQ(error<std::uint64_t>("18446744073709551615"), "");
  EXPECT_THAT(error<int>("1.5"), HasSubstr("1.5 is no integer"));
  EXPECT_NE(error<int>("NaN"), "");
  EXPECT_NE(error<int>("-Infinity"), "");
  EXPECT_EQ(error<int>("3.0"), "");
  EXPECT_NE(error<float>("1e39"), "");
  EXPECT_EQ(error<double>("1e39"), "");
  EXPECT_EQ(error<float>("0.1"), "");
  EXPECT_EQ(error<float>("NaN"), "");
  EXPECT_EQ(error<float>("16777217"), "");
  EXPECT_NE(error<std::vector<int>>("[1,2,3000000000]"), "");
  EXPECT_EQ(error<std::set<int>>("[3,1,2]"), "");
}

TEST(Numbers, AtWhateverDepth) {
  EXPECT_EQ(error<Outer>(R"({"id":1,"parts":[{"small":255,"real":1e38}],"counts":{"a":-32768}})"), "");
  EXPECT_THAT(error<Outer>(R"({"id":1,"parts":[{"small":1,"real":0},{"small":256,"real":0}],"counts":{}})"),
              HasSubstr("256 at /parts/1/small is out of range"));
  EXPECT_THAT(error<Outer>(R"({"id":1,"parts":[{"small":1,"real":1e39}],"counts":{}})"),
              HasSubstr("at /parts/0/real is out of range"));
  EXPECT_THAT(error<Outer>(R"({"id":1,"parts":[],"counts":{"a":40000}})"), HasSubstr("at /counts/a"));
  EXPECT_THAT(error<Outer>(R"({"id":0.5,"parts":[],"counts":{}})"), HasSubstr("0.5 at /id is no integer"));
}

TEST(JsonText, ThereAndBack) {
  for (const char* text : {"null", "true", "[]", "{}", R"({"a":[1,-2,18446744073709551615,1.5,"x\n"],"b":{"c":null}})",
                           "[NaN,Infinity,-Infinity]", "-9223372036854775808", "[[[[]]]]", R"("\u0000\u001F")"}) {
    EXPECT_EQ(write_json(read_json(text)), text);
  }
  EXPECT_EQ(read_json("\xef\xbb\xbf[1]").dump(), "[1]");
  EXPECT_EQ(read_json(R"("\ud83d\ude00")").get<std::string>(), "\xf0\x9f\x98\x80");
  EXPECT_EQ(write_json("\xf0\x9f\x98\x80"), "\"\xf0\x9f\x98\x80\"");
  EXPECT_THROW((void)write_json("\xff"), nlohmann::json::exception);
  EXPECT_EQ(write_json("a\xff", nlohmann::json::error_handler_t::replace), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(read_json(R"({"a":1,"a":2})").dump(), R"({"a":2})");
}

TEST(JsonText, WhatIsNoneIsRefusedWithItsPlace) {
  for (const std::string& text :
       {std::string(), std::string("{1"), std::string("[1,]"), std::string("nan"), std::string("01"),
        std::string("1 2"), std::string("[1]\0x", 5), std::string("\"\xff\""), std::string("\"a\nb\""),
        std::string("1e999"), std::string("'a'"), std::string(257, '[') + std::string(257, ']'),
        std::string(1'000'000, '[')}) {
    EXPECT_THROW((void)read_json(text), HttpError) << text.substr(0, 20);
  }
  try {
    (void)read_json("{\n  \"a\": x}");
  } catch (const HttpError& error) {
    EXPECT_THAT(error.what(), HasSubstr("line 2, column 8"));
  }
  EXPECT_NO_THROW((void)read_json(std::string(256, '[') + std::string(256, ']')));
}

}  // namespace
}  // namespace manta::serve::detail

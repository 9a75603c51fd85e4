// Decoding and encoding bodies of the Open Inference Protocol, JSON and binary.
#include <cmath>
#include <cstring>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <manta/serve/detail/replica.h>

namespace manta::serve::detail {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Request request_of(const std::string& json, const std::string& binary = "") {
  Request request{.body = json + binary};
  if (!binary.empty()) request.headers.emplace_back("inference-header-content-length", std::to_string(json.size()));
  request.headers.emplace_back("model-name", "m");
  request.headers.emplace_back("model-version", "1");
  return request;
}

TEST(Inference, EveryTypeInJson) {
  for (const char* type : {"UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"}) {
    const InferenceRequest parsed = parse_inference(request_of(
        R"({"inputs":[{"name":"x","shape":[3],"data":[0,1,100],"datatype":")" + std::string(type) + "\"}]}"));
    ASSERT_EQ(parsed.inputs[0].data.size(), 3 * size_bytes(parsed.inputs[0].type)) << type;
    const Response response = format_inference(request_of("{}"), {}, {parsed.inputs});
    const Json json = Json::parse(response.body);
    EXPECT_EQ(json["outputs"][0]["data"], (std::vector<int>{0, 1, 100})) << type;
    EXPECT_EQ(json["outputs"][0]["datatype"], type);
  }
  const InferenceRequest other = parse_inference(request_of(R"({"inputs":[
      {"name":"b","shape":[2],"data":[true,false],"datatype":"BOOL"},{"name":"s","shape":[2],"data":["a","\u00e9\u0000"],"datatype":"BYTES"}]})"));
  const Json json = Json::parse(format_inference(request_of("{}"), {}, {other.inputs}).body);
  EXPECT_EQ(json["outputs"][0]["data"], Json::parse("[true,false]"));
  EXPECT_EQ(json["outputs"][1]["data"], Json::parse(R"(["a","\u00e9\u0000"])"));
}

TEST(Inference, BinaryTensors) {
  const float values[] = {1, -2.5, 3};
  const std::string binary(reinterpret_cast<const char*>(values), sizeof values);
  const Request request = request_of(
      R"({"inputs":[{"name":"x","shape":[3],"datatype":"FP32","parameters":{"binary_data_size":12}}],
          "outputs":[{"name":"x","parameters":{"binary_data":true}}]})",
      binary);
  const InferenceRequest parsed = parse_inference(request);
  EXPECT_EQ(parsed.inputs[0].data, binary);
  const Response response = format_inference(request, parsed, {parsed.inputs});
  EXPECT_EQ(response.content_type, "application/octet-stream");
  ASSERT_EQ(response.headers[0].first, "Inference-Header-Content-Length");
  const std::size_t length = std::stoul(response.headers[0].second);
  EXPECT_EQ(response.body.substr(length), binary);
  EXPECT_EQ(Json::parse(response.body.substr(0, length))["outputs"][0]["parameters"]["binary_data_size"], 12);
}

// Triton's server writes and reads NaN, Infinity and -Infinity, as Python's json does; its client sends them too.
TEST(Inference, NaNAndInfinitiesTravelAsTritonHasThem) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float values[] = {1.0F, infinity, -infinity, std::nanf("")};
  const std::string body = format_inference(request_of("{}"), {}, {{make_tensor("y", {4}, values)}}).body;
  EXPECT_THAT(body, HasSubstr("\"data\":[1.0,Infinity,-Infinity,NaN]"));
  for (const char* type : {"FP32", "FP64"}) {
    const InferenceRequest parsed = parse_inference(
        request_of(R"({"inputs":[{"name":"x","shape":[4],"data":[1.0,Infinity,-Infinity,NaN],"datatype":")" +
                   std::string(type) + "\"}]}"));
    EXPECT_THAT(format_inference(request_of("{}"), {}, {parsed.inputs}).body,
                HasSubstr("\"data\":[1.0,Infinity,-Infinity,NaN]"));
  }
  EXPECT_THROW((void)make_tensor("y", {3}, values), HttpError);
}

TEST(Inference, DataAreWhatTheShapeSays) {
  const auto error = [](const std::string& type, const std::string& shape, const std::string& data) -> std::string {
    try {
      (void)parse_inference(request_of(R"({"inputs":[{"name":"x","datatype":")" + type + R"(","shape":)" + shape +
                                       R"(,"data":)" + data + "}]}"));
    } catch (const HttpError& refused) {
      EXPECT_EQ(refused.status(), 400);
      return refused.what();
    }
    return "";
  };
  EXPECT_EQ(error("INT32", "[2,3]", "[[1,2,3],[4,5,6]]"), "");
  EXPECT_EQ(error("INT32", "[2,3]", "[1,2,3,4,5,6]"), "");
  EXPECT_EQ(error("INT32", "[1,2,1]", "[[[1],[2]]]"), "");
  EXPECT_EQ(error("INT32", "[]", "[1]"), "");
  EXPECT_EQ(error("INT32", "[0,3]", "[]"), "");
  EXPECT_EQ(error("INT32", "[2,0]", "[[],[]]"), "");
  for (const char* data :
       {"[[1,2],[3,4,5,6]]", "[[1,2],[3,4],[5,6]]", "[[1,2,3,4,5,6]]", "[1,[2,3,4,5,6]]", "[[1,2,3],4,5,6]",
        "[[1,2,3],[4,5,[6]]]", "[[[1,2,3],[4,5,6]]]", "[1,2,3,4,5]", "[]", "[[],[]]"}) {
    EXPECT_NE(error("INT32", "[2,3]", data), "") << data;
  }
  EXPECT_NE(error("INT32", "[]", "[[1]]"), "");
  EXPECT_THAT(error("FP32", "[1]", "[1e39]"), HasSubstr("out of range"));
  EXPECT_THAT(error("FP32", "[1]", "[-1e39]"), HasSubstr("out of range"));
  EXPECT_THAT(error("FP64", "[1]", "[1e400]"), HasSubstr("no JSON"));
  EXPECT_EQ(error("FP64", "[1]", "[1e39]"), "");
  EXPECT_EQ(error("FP32", "[1]", "[3.4028234e38]"), "");
  EXPECT_EQ(error("FP32", "[1]", "[1e-60]"), "");
  EXPECT_NE(error("UINT64", "[1]", "[18446744073709551616]"), "");
  EXPECT_EQ(error("UINT64", "[1]", "[18446744073709551615]"), "");
  EXPECT_NE(error("INT64", "[1]", "[9223372036854775808]"), "");
  EXPECT_NE(error("INT64", "[1]", "[-9223372036854775809]"), "");
  EXPECT_EQ(error("INT64", "[1]", "[-9223372036854775808]"), "");
  EXPECT_NE(error("UINT8", "[1]", "[-1]"), "");
  EXPECT_NE(error("INT8", "[1]", "[128]"), "");
  EXPECT_NE(error("INT32", "[1]", "[NaN]"), "");
  EXPECT_NE(error("INT32", "[1]", "[1.5]"), "");
}

TEST(Inference, AModelIsHeldToWhatItDeclares) {
  const float values[] = {1, 2};
  const ModelInfo info{.outputs = {{"y", DataType::FP32, {-1, 2}}, {"free"}}};
  const auto error = [&](std::vector<Tensor> outputs) -> std::string {
    try {
      check_outputs({std::move(outputs)}, info);
    } catch (const HttpError& wrong) {
      EXPECT_EQ(wrong.status(), 500);
      return wrong.what();
    }
    return "";
  };
  const Tensor y = make_tensor("y", {1, 2}, values), free = make_tensor("free", {2}, values);
  EXPECT_EQ(error({y, free}), "");
  EXPECT_EQ(error({free, y}), "");
  EXPECT_THAT(error({y}), HasSubstr("did not give its output 'free'"));
  EXPECT_THAT(error({make_tensor("y", {2}, values), free}), HasSubstr("'y' has the shape [2], its info() says [-1,2]"));
  EXPECT_THAT(error({make_tensor("y", {2, 1}, values), free}), HasSubstr("[2,1]"));
  EXPECT_THAT(error({Tensor{"y", DataType::INT32, {1, 2}, y.data}, free}),
              HasSubstr("'y' is INT32, its info() says FP32"));
  EXPECT_THAT(error({y, free, make_tensor("z", {2}, values)}), HasSubstr("3 outputs"));
  EXPECT_THAT(error({Tensor{"y", DataType::FP32, {3, 2}, y.data}, free}), HasSubstr("2 elements, its shape has 6"));
  EXPECT_THAT(error({Tensor{"y", DataType::FP32, {-1, 2}, y.data}, free}), HasSubstr("which is none"));
  EXPECT_THAT(error({y, Tensor{"free", DataType::BYTES, {1}, std::string("\x09\0\0\0a", 5)}}),
              HasSubstr("does not hold the 1 strings"));
}

TEST(Inference, InputsThatMayBeLeftOutOrComeInParts) {
  const float values[] = {1, 2};
  const ModelInfo info{.inputs = {{"x"}, {"typed", DataType::FP32, {}, true}, {"parts", {}, {}, false, true}}};
  const auto error = [&](const std::vector<std::string>& names) -> std::string {
    InferenceRequest request;
    for (const std::string& name : names) request.inputs.push_back(make_tensor(name, {2}, values));
    if (names.back() == "typed") request.inputs.back().type = DataType::INT32;
    try {
      check_inputs(request, info);
    } catch (const HttpError& wrong) {
      EXPECT_EQ(wrong.status(), 400);
      return wrong.what();
    }
    return "";
  };
  EXPECT_EQ(error({"x", "parts__0", "parts__1"}), "");
  EXPECT_EQ(error({"x", "typed", "parts"}), "");
  EXPECT_THAT(error({"x", "parts__key", "typed"}), HasSubstr("input 'typed' is INT32, the model takes FP32"));
  EXPECT_THAT(error({"parts__0"}), HasSubstr("there is no input 'x'"));
  EXPECT_THAT(error({"x"}), HasSubstr("there is no input 'parts'"));
  EXPECT_THAT(error({"x", "parts", "x__0"}), HasSubstr("no input 'x__0'; it takes: x, typed, parts"));
}

}  // namespace
}  // namespace manta::serve::detail

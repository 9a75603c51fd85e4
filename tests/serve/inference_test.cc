// The Open Inference Protocol's body, JSON and binary, there and back.
#include <cstring>

#include <gtest/gtest.h>

#include <manta/serve/detail/replica.h>

namespace manta::serve::detail {
namespace {

using Json = nlohmann::json;

Request request_of(const std::string& json, const std::string& binary = "") {
  Request request{.body = json + binary};
  if (!binary.empty()) request.headers.emplace_back("inference-header-content-length", std::to_string(json.size()));
  request.headers.emplace_back("model-name", "m");
  request.headers.emplace_back("model-version", "1");
  return request;
}

TEST(Inference, EveryTypeInJson) {
  for (const char* type : {"UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64"}) {
    const InferenceRequest parsed = parse_inference(
        request_of(R"({"inputs":[{"name":"x","shape":[3],"data":[0,1,100],"datatype":")" + std::string(type) + "\"}]}"));
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

TEST(Inference, WhatJsonCannotCarryIsSaid) {
  const float values[] = {1.0F, std::numeric_limits<float>::infinity()};
  EXPECT_THROW((void)format_inference(request_of("{}"), {}, {{make_tensor("y", {2}, values)}}), HttpError);
  EXPECT_THROW((void)make_tensor("y", {3}, values), HttpError);
}

}  // namespace
}  // namespace manta::serve::detail

#include <gtest/gtest.h>

#include "serve/protocols/paths.h"

namespace manta::serve {
namespace {

TEST(Paths, OfTheProtocol) {
  using To = Route::To;
  EXPECT_EQ(route_of("/v2").to, To::server_metadata);
  EXPECT_EQ(route_of("/v2/").to, To::server_metadata);
  EXPECT_EQ(route_of("/v2/health/live").to, To::live);
  EXPECT_EQ(route_of("/v2/models/m").to, To::model_metadata);
  EXPECT_EQ(route_of("/v2/models/m/versions/2").to, To::model_metadata);
  EXPECT_EQ(route_of("/v2/models/m/versions/2").version, "2");
  EXPECT_EQ(route_of("/v2/models/m/infer").to, To::infer);
  EXPECT_TRUE(route_of("/v2/models/m/infer").post);
  EXPECT_EQ(route_of("/v2/models/m/versions/2/infer").to, To::infer);
  EXPECT_EQ(route_of("/v2/models/stats").to, To::model_statistics);
  EXPECT_EQ(route_of("/v2/models/stats").name, "");
  for (const char* path :
       {"", "/", "//", "/v2/x", "/v2/models", "/v2/models/m/versions", "/v2/models/m/infer/x", "/a/b", "/v2/health"}) {
    EXPECT_EQ(route_of(path).to, To::nowhere) << path;
  }
  EXPECT_EQ(route_of("/sum").to, To::callable);
  EXPECT_EQ(route_of("/sum/").name, "sum");
}

TEST(Paths, Names) {
  EXPECT_TRUE(valid_name("digits-2_b.c"));
  for (const char* name : {"", "a b", "a/b", "v2", "metrics", ".", "..", "a\"b"})
    EXPECT_FALSE(valid_name(name)) << name;
}

}  // namespace
}  // namespace manta::serve

#include "core/gpu/devices.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace manta::gpu {
namespace {

using Names = std::vector<std::string>;

Names with_variable(const char* value) {
  ::setenv("CUDA_VISIBLE_DEVICES", value, 1);
  Names names = visible_devices();
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  return names;
}

TEST(VisibleDevices, FollowTheVariable) {
  EXPECT_EQ(with_variable("3, 1"), (Names{"3", "1"}));
  EXPECT_EQ(with_variable("GPU-8f2c,MIG-1/2"), (Names{"GPU-8f2c", "MIG-1/2"}));
}

TEST(VisibleDevices, EmptyVariableHidesAll) { EXPECT_EQ(with_variable(""), Names{}); }

TEST(VisibleDevices, CudaIgnoresWhatFollowsAnInvalidEntry) { EXPECT_EQ(with_variable("0,-1,1"), Names{"0"}); }

}  // namespace
}  // namespace manta::gpu

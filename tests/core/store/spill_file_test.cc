#include "core/store/spill_file.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace manta::store {
namespace {

using Bytes = std::vector<std::byte>;

std::string directory() { return ::testing::TempDir(); }
Bytes filled(std::size_t size, int with) { return Bytes(size, static_cast<std::byte>(with)); }
Bytes read(const SpillFile& file, const owner::SpilledExtent& extent) {
  Bytes bytes(extent.size_bytes);
  EXPECT_TRUE(file.read(extent, bytes.data()));
  return bytes;
}
std::uint64_t disk_bytes(const SpillFile& file) {
  struct stat status {};
  ::fstat(file.fd(), &status);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

TEST(SpillFile, Spill1ItHasNoName) {
  const std::string folder = directory() + "/spill-test-" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  {
    const auto file = SpillFile::open(folder).value();
    ASSERT_TRUE(file->write(filled(100'000, 1)));
    EXPECT_TRUE(std::filesystem::is_empty(folder));
  }
  EXPECT_TRUE(std::filesystem::remove(folder));
}

TEST(SpillFile, ADirectoryThatCannotBeUsedIsNamed) {
  const auto file = SpillFile::open("/nonexistent/place");
  ASSERT_FALSE(file.has_value());
  EXPECT_EQ(file.error().code(), ErrorCode::unavailable);
  const std::string what = file.error().what();
  EXPECT_NE(what.find("/nonexistent/place: No such file or directory"), std::string::npos) << what;
  EXPECT_NE(what.find("InitOptions::spill_directory"), std::string::npos) << what;
}

RC_GTEST_PROP(SpillFileModel, Spill2ExtentsKeepTheirBytesAndFreedOnesAreUsedAgain, ()) {
  const auto file = SpillFile::open(directory()).value();
  std::vector<std::pair<owner::SpilledExtent, Bytes>> live;
  std::uint64_t used = 0;
  const auto pages = [](std::size_t size) { return (size + 4095) / 4096 * 4096; };
  for (int step = *rc::gen::inRange(0, 60); step > 0; --step) {
    if (live.empty() || *rc::gen::inRange(0, 100) < 55) {
      const Bytes bytes = filled(*rc::gen::inRange<std::size_t>(1, 30'000), *rc::gen::inRange(0, 256));
      const auto extent = file->write(bytes);
      RC_ASSERT(extent.has_value());
      RC_ASSERT(extent->size_bytes == bytes.size());
      live.emplace_back(*extent, bytes);
      used += pages(bytes.size());
    } else {
      const auto found = live.begin() + *rc::gen::inRange<std::ptrdiff_t>(0, std::ssize(live));
      RC_ASSERT(read(*file, found->first) == found->second);
      file->free(found->first);
      used -= pages(found->second.size());
      live.erase(found);
    }
    RC_ASSERT(file->used_bytes() == used);
  }
  for (const auto& [extent, bytes] : live) RC_ASSERT(read(*file, extent) == bytes);
  for (const auto& [extent, bytes] : live) file->free(extent);
  RC_ASSERT(disk_bytes(*file) == 0U);
}

TEST(SpillFile, Spill2FreedExtentsGoBackToTheFileSystem) {
  const auto file = SpillFile::open(directory()).value();
  const auto first = file->write(filled(1 << 20, 1)).value();
  const auto second = file->write(filled(1 << 20, 2)).value();
  file->free(first);
  EXPECT_LE(disk_bytes(*file), (1u << 20) + 65536);
  EXPECT_EQ(read(*file, second), filled(1 << 20, 2));
  EXPECT_EQ(file->write(filled(1 << 19, 3)).value().offset, first.offset);
}

TEST(SpillFile, Spill3AWriteThatFailsChangesNothing) {
  const auto file = SpillFile::open(directory()).value();
  const auto kept = file->write(filled(1 << 20, 1)).value();
  rlimit before = {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit less = {3 << 20, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &less), 0);
  const auto refused = file->write(filled(4 << 20, 2));
  const auto fits = file->write(filled(1 << 20, 3));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::exhausted);
  EXPECT_NE(std::string(refused.error().what()).find("spilled to " + directory() + ": File too large"),
            std::string::npos)
      << refused.error().what();
  EXPECT_EQ(file->used_bytes(), 2u << 20);
  EXPECT_EQ(read(*file, kept), filled(1 << 20, 1));
  EXPECT_EQ(read(*file, fits.value()), filled(1 << 20, 3));
}

}  // namespace
}  // namespace manta::store

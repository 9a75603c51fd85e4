// The secret's file, and the keys made of it.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/net/cluster_secret.h"

namespace manta::net {
namespace {

class ClusterSecret : public testing::Test {
 protected:
  ClusterSecret() { (void)::mkdtemp(folder_); }
  ~ClusterSecret() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& content, mode_t mode) {
    const std::string path = std::string(folder_) + "/secret";
    std::ofstream(path) << content;
    ::chmod(path.c_str(), mode);
    return path;
  }
  char folder_[32] = "/tmp/manta-secret-XXXXXX";
};

TEST_F(ClusterSecret, IsTheTextWithoutSpaceAroundIt) {
  const auto secret = read_secret(file(std::string(64, 'a').append("\n"), 0600));
  ASSERT_TRUE(secret) << secret.error().what();
  EXPECT_EQ(*secret, std::string(64, 'a'));
}

TEST_F(ClusterSecret, OthersMayNotReadIt) {
  const auto secret = read_secret(file(std::string(64, 'a'), 0640));
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code(), ErrorCode::invalid_argument);
  EXPECT_NE(secret.error().message().find("chmod 600"), std::string::npos) << secret.error().what();
}

TEST_F(ClusterSecret, TooShortSaysHowToMakeOne) {
  for (const char* content : {"", "\n", "short", "0123456789abcdef0123456789abcde"}) {
    const auto secret = read_secret(file(content, 0600));
    ASSERT_FALSE(secret);
    EXPECT_NE(secret.error().message().find("openssl rand -hex 32 > "), std::string::npos) << secret.error().what();
  }
  EXPECT_FALSE(read_secret(file(std::string(5000, 'a'), 0600)));
  EXPECT_FALSE(read_secret("/nowhere/at/all"));
  EXPECT_FALSE(read_secret("/tmp"));
}

// RFC 5869's construction, against OpenSSL's command line: openssl kdf -kdfopt digest:SHA256 -kdfopt key:... HKDF.
TEST(ClusterKey, DependsOnSecretAndRole) {
  const LinkKey a = derive_key(std::string(32, 's'), "node"), b = derive_key(std::string(32, 's'), "client"),
                c = derive_key(std::string(32, 't'), "node");
  EXPECT_EQ(a.identity, "manta/1 node");
  EXPECT_NE(a.key, b.key);
  EXPECT_NE(a.key, c.key);
  EXPECT_EQ(a.key, derive_key(std::string(32, 's'), "node").key);
}

}  // namespace
}  // namespace manta::net

#include "core/net/cluster_secret.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "core/base/fd.h"

namespace manta::net {

namespace {

constexpr std::size_t kLeastBytes = 32;
constexpr std::size_t kMostBytes = 4096;

std::string how_to_make(const std::string& path) {
  return "; make one with `openssl rand -hex 32 > " + path + " && chmod 600 " + path +
         "`, give the same file to every node, and name it by MANTA_SECRET_FILE";
}

}  // namespace

Result<std::string> read_secret(const std::string& path) {
  const std::string what = "the cluster's secret in " + path + " ";
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    return fail(ErrorCode::invalid_argument, what + "cannot be read: " + std::strerror(errno) + how_to_make(path));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail(ErrorCode::invalid_argument, what + "is no file" + how_to_make(path));
  }
  if ((status.st_mode & 077) != 0) {
    return fail(ErrorCode::invalid_argument, what + "can be read by others than its owner; `chmod 600 " + path + "`");
  }
  std::string text(kMostBytes + 1, '\0');
  const ssize_t n = ::read(file.get(), text.data(), text.size());
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  constexpr const char* kSpace = " \t\r\n";
  text.erase(text.find_last_not_of(kSpace) + 1);
  text.erase(0, text.find_first_not_of(kSpace));
  if (text.size() < kLeastBytes || text.size() > kMostBytes) {
    return fail(ErrorCode::invalid_argument, what + "has " + std::to_string(text.size()) +
                                                 " bytes, but must have from " + std::to_string(kLeastBytes) + " to " +
                                                 std::to_string(kMostBytes) + how_to_make(path));
  }
  return text;
}

LinkKey derive_key(std::string_view secret, std::string_view role) {
  static constexpr std::string_view kSalt = "manta cluster 1";
  LinkKey made;
  made.identity = "manta/1 " + std::string(role);
  const auto bytes = [](std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); };
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> hkdf(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr),
                                                                         &EVP_PKEY_CTX_free);
  std::size_t size = made.key.size();
  if (!hkdf || EVP_PKEY_derive_init(hkdf.get()) <= 0 || EVP_PKEY_CTX_set_hkdf_md(hkdf.get(), EVP_sha256()) <= 0 ||
      EVP_PKEY_CTX_set1_hkdf_salt(hkdf.get(), bytes(kSalt), static_cast<int>(kSalt.size())) <= 0 ||
      EVP_PKEY_CTX_set1_hkdf_key(hkdf.get(), bytes(secret), static_cast<int>(secret.size())) <= 0 ||
      EVP_PKEY_CTX_add1_hkdf_info(hkdf.get(), bytes(made.identity), static_cast<int>(made.identity.size())) <= 0 ||
      EVP_PKEY_derive(hkdf.get(), made.key.data(), &size) <= 0) {
    throw Error(ErrorCode::internal, "OpenSSL cannot derive a key");
  }
  return made;
}

}  // namespace manta::net

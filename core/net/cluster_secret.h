// The secret that the nodes of a cluster share, and the keys derived from it.
//
// Each role (a node, later a client) has a key of its own, so that a key given to one cannot speak as another. The role
// is the identity of the pre-shared key, sent in the clear; the secret itself is never sent.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <manta/error.h>

namespace manta::net {

struct LinkKey {
  std::string identity;  // "manta/1 node"
  std::array<unsigned char, 32> key{};
};

// The file's bytes, white space around them left out. invalid_argument, with what to do: no such file, others than its
// owner may read it, or fewer than 32 bytes.
[[nodiscard]] Result<std::string> read_secret(const std::string& path);
// HKDF-SHA256 of the secret for a role.
LinkKey derive_key(std::string_view secret, std::string_view role);

}  // namespace manta::net

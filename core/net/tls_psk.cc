// The context of links: TLS 1.3, one cipher suite, one key, no certificates.
#include <openssl/ssl.h>

#include "core/net/tls_link.h"

namespace manta::net {

namespace {

constexpr unsigned char kSessions[] = "manta";  // OpenSSL refuses verify_peer with sessions of no name

// Where a context keeps its key; Asio has taken the usual place.
int key_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* key, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<LinkKey*>(key); });
  return index;
}

const LinkKey& key_of(SSL* ssl) {
  return *static_cast<const LinkKey*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), key_index()));
}

SSL_SESSION* session_of(SSL* ssl) {
  constexpr unsigned char kAes128GcmSha256[] = {0x13, 0x01};
  const LinkKey& key = key_of(ssl);
  SSL_SESSION* session = SSL_SESSION_new();
  if (session != nullptr && SSL_SESSION_set1_master_key(session, key.key.data(), key.key.size()) == 1 &&
      SSL_SESSION_set_cipher(session, SSL_CIPHER_find(ssl, kAes128GcmSha256)) == 1 &&
      SSL_SESSION_set1_id_context(session, kSessions, sizeof kSessions) == 1 &&
      SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1) {
    return session;
  }
  SSL_SESSION_free(session);
  return nullptr;
}

int use_session(SSL* ssl, const EVP_MD* digest, const unsigned char** identity, std::size_t* size,
                SSL_SESSION** session) {
  *session = nullptr;
  if (digest != nullptr && EVP_MD_get_type(digest) != NID_sha256) return 1;  // the key goes with SHA-256 alone
  *session = session_of(ssl);
  const std::string& name = key_of(ssl).identity;
  *identity = reinterpret_cast<const unsigned char*>(name.data());
  *size = name.size();
  return *session != nullptr ? 1 : 0;
}

int find_session(SSL* ssl, const unsigned char* identity, std::size_t size, SSL_SESSION** session) {
  *session = nullptr;  // without one the handshake asks for a certificate, and there is none
  const std::string& name = key_of(ssl).identity;
  if (size == name.size() && name.compare(0, size, reinterpret_cast<const char*>(identity), size) == 0) {
    *session = session_of(ssl);
  }
  return 1;
}

}  // namespace

std::unique_ptr<boost::asio::ssl::context> make_psk_context(LinkKey key) {
  namespace ssl = boost::asio::ssl;
  auto context = std::make_unique<ssl::context>(ssl::context::tls);
  SSL_CTX* native = context->native_handle();
  // LINK-1: an empty trust store refuses a peer that shows a certificate; without verify_peer any certificate would do.
  context->set_verify_mode(ssl::verify_peer | ssl::verify_fail_if_no_peer_cert);
  SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(native, 0);
  SSL_CTX_set_options(native, SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_set_session_id_context(native, kSessions, sizeof kSessions) != 1 ||
      SSL_CTX_set_ciphersuites(native, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set_ex_data(native, key_index(), new LinkKey(std::move(key))) != 1) {
    throw Error(ErrorCode::internal, "OpenSSL cannot make a context for links");
  }
  SSL_CTX_set_psk_use_session_callback(native, &use_session);
  SSL_CTX_set_psk_find_session_callback(native, &find_session);
  return context;
}

}  // namespace manta::net

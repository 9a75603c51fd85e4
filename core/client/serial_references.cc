// References of this process: those in values (serial::References), and the end of an entry's last one.
#include "core/serial/references.h"

#include "core/client/client.h"
#include "core/client/forked.h"
#include "core/client/retired.h"

namespace manta {

namespace client {

namespace {

owner::Entry& owned_entry(detail::EntryHead* head) { return *static_cast<owner::Entry*>(head); }

class ClientReferences final : public serial::References {
 public:
  detail::WireRef export_ref(detail::EntryHead* entry) override {
    Retired::check_present(entry);
    return Client::require().references().export_ref(owned_entry(entry));
  }
  detail::EntryHead* import_ref(const detail::WireRef& ref) override {
    return Client::require().references().import_ref(ref);
  }
  void release(detail::EntryHead* entry) noexcept override { detail::release(entry); }
};

ClientReferences g_references;
const serial::UseReferences g_used(g_references);

}  // namespace

}  // namespace client

namespace detail {

void last_reference_gone(EntryHead* entry) noexcept {
  if (client::Forked::here()) return;
  if (client::Retired::release_last(entry)) return;
  if (client::Client* client = client::Client::current())
    client->references().last_reference_gone(client::owned_entry(entry));
}

ValueView read_value(EntryHead* entry) {
  owner::Entry& resolved = client::owned_entry(entry);
  using Kind = owner::Value::Kind;
  const Kind kind = resolved.value.kind();
  // These stay as they are; what is stored may move, or be lost and made again.
  if (kind == Kind::inline_bytes || kind == Kind::heap) {
    return {resolved.value.bytes(), resolved.value.framed(), nullptr};
  }
  client::Client* retired = client::Retired::client_of(entry);
  return (retired != nullptr ? *retired : client::Client::require()).values().read(resolved);
}

}  // namespace detail

}  // namespace manta

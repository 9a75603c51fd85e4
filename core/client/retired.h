// Clients whose runtime has ended while the program still holds Refs to their objects: those keep what was resolved,
// and nothing of them gets into the tables of a later runtime.
//
// Threading: any thread. Ownership: owns the clients; each is freed with the last Ref to an object of it.
#pragma once

#include <atomic>
#include <memory>

#include <manta/detail/runtime_api.h>

namespace manta::client {

class Client;

class Retired {
 public:
  // After Client::stop: frees the client, or keeps it.
  static void add(std::unique_ptr<Client> client);

  // Whose object it is; null: the present runtime's (or there is none). The caller holds the entry.
  static Client* client_of(const detail::EntryHead* entry) {
    return any_.load(std::memory_order_acquire) ? find(entry) : nullptr;
  }
  // The last reference is gone. False: the entry belongs to the present runtime.
  static bool release_last(detail::EntryHead* entry) noexcept {
    return any_.load(std::memory_order_acquire) && release(entry);
  }
  // Throws Error(unavailable): the object cannot be given to tasks or put into values of another runtime.
  static void check_present(const detail::EntryHead* entry) {
    if (client_of(entry) != nullptr) throw_retired();
  }

 private:
  static Client* find(const detail::EntryHead* entry);
  static bool release(detail::EntryHead* entry) noexcept;
  [[noreturn]] static void throw_retired();

  static std::atomic<bool> any_;
};

}  // namespace manta::client

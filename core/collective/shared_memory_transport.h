// The transport between the processes of one host.
#pragma once

#include <memory>
#include <string>

#include "core/collective/mailbox.h"
#include "core/collective/member.h"
#include "core/collective/rendezvous.h"
#include "core/collective/transport.h"

namespace manta::collective {

// Steps and waits are Member's, messages are Mailbox's. Views are of the memory that the ranks share.
//
// Threading, ownership, errors: as Transport.
class SharedMemoryTransport final : public Transport {
 public:
  // Blocks until all have come. Throws as Group::join, and what check returns meanwhile.
  explicit SharedMemoryTransport(const Rendezvous& rendezvous, const Check& check = no_check);

  std::chrono::milliseconds timeout() const noexcept override { return member_.timeout(); }
  void set_timeout(std::chrono::milliseconds timeout) noexcept override { member_.set_timeout(timeout); }
  void require_usable() const override { member_.require_usable(); }
  std::span<std::byte> next_space() override { return member_.next_space(); }
  void publish(const Announcement& announcement, const Payload& payload) override {
    member_.publish(announcement, payload);
  }
  std::span<const Contribution> await_step() override { return member_.await_step(); }
  void start(Transfer& transfer) override { mailbox_.start(transfer); }
  void finish(Transfer& transfer) override { mailbox_.finish(transfer); }
  void await_transfers(const std::atomic<bool>& woken) override { mailbox_.await_transfers(woken); }
  void wake() noexcept override { member_.ring(rank()); }
  void set_patient(bool patient) noexcept override { member_.set_patient(patient); }
  void set_begun(std::uint64_t count) noexcept override { member_.set_begun(count); }
  std::optional<Error> lost_before(std::uint64_t count) override { return member_.lost_before(count); }
  void abort(std::string_view reason) noexcept override { member_.abort(ErrorCode::cancelled, reason); }
  std::unique_ptr<Transport> split(std::span<const int> ranks) override;

 private:
  const std::string name_;
  Member member_;
  Mailbox mailbox_;
};

}  // namespace manta::collective

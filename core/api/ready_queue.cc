#include <manta/ready_queue.h>

#include <utility>

#include "core/client/client.h"
#include "core/client/forked.h"
#include "core/client/ready_list.h"

namespace manta {

struct ReadyQueue::Impl {
  explicit Impl(std::function<void()> wake) : client(client::Client::require()), list(std::move(wake)) {}
  client::Client& client;
  client::ReadyList list;
  std::vector<std::uint64_t> tokens;
  std::vector<owner::Entry*> entries;
};

ReadyQueue::ReadyQueue(std::function<void()> wake) : impl_(std::make_unique<Impl>(std::move(wake))) {}

ReadyQueue::~ReadyQueue() {
  if (!client::Forked::here()) impl_->client.watchers().unwatch(impl_->list);
}

void ReadyQueue::add_entry(detail::EntryHead& entry, std::uint64_t token) {
  client::Forked::check();
  impl_->client.watchers().watch(impl_->list, static_cast<owner::Entry&>(entry), token);
}

const std::vector<std::uint64_t>& ReadyQueue::take() {
  client::Forked::check();
  impl_->tokens.clear();
  impl_->client.watchers().take_ready(impl_->list, impl_->tokens, impl_->entries);
  for (owner::Entry* entry : impl_->entries) detail::release(entry);
  impl_->entries.clear();
  return impl_->tokens;
}

bool ReadyQueue::arm() {
  client::Forked::check();
  return impl_->client.watchers().arm(impl_->list);
}

}  // namespace manta

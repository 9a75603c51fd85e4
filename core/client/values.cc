#include "core/client/values.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace manta::client {

namespace {

constexpr std::uint64_t kBroughtAheadBytes = 64 << 20;

}  // namespace

Values::Values(ProcessState& state, ToNode& node, Waits& waits, ValuesContext& context)
    : state_(state),
      node_(node),
      waits_(waits),
      context_(context),
      arenas_([this](ClientId process) { node_.send(net::RequestArena{process}); }),
      remote_blocks_([this](std::uint64_t id, const owner::StoredLocation& at) {
        node_.send(net::PullBlock{id, at});
      }) {}

detail::ValueView Values::read(owner::Entry& entry) { return read(entry, false); }
detail::ValueView Values::read_arguments(owner::Entry& task) { return read(task, true); }

detail::ValueView Values::read(owner::Entry& entry, bool arguments) {
  using Kind = owner::Value::Kind;
  std::shared_ptr<const store::ArenaView> arena;
  for (ClientId viewed;;) {
    OwnerLock lock(state_);  // it may go to the spill file and back, until it is pinned
    const owner::Value& value = entry.value;
    if (!arguments && !entry.resolved.load(std::memory_order_relaxed)) {  // lost since, with its node: made again
      lock.unlock();
      waits_.wait_resolved(entry, detail::Deadline::max());
      continue;
    }
    if (value.failed()) {
      entry.seen = true;
      throw_error(value.error());
    }
    if (value.spilled()) {
      const std::uint64_t size_bytes = owner::size_of(value.location());
      lock.unlock();
      context_.restore_to_read(entry, size_bytes);
      continue;
    }
    if (value.kind() != Kind::stored) return {value.bytes(), value.framed(), nullptr};
    const owner::StoredLocation at = value.stored();
    if (on_other_node(state_, at.arena)) {
      const bool framed = value.framed();
      lock.unlock();
      detail::retain(&entry);
      try {
        return view(at, framed, &entry);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::object_lost || !moved_on(entry, at)) throw;
        continue;
      }
    }
    if (viewed != at.arena || arena == nullptr) arena = arenas_.known(at.arena);
    if (arena == nullptr) {
      lock.unlock();
      auto asked = arenas_.view(at.arena);
      if (!asked) throw_error(asked.error());
      arena = std::move(*asked);
      viewed = at.arena;
      continue;
    }
    auto data = arena->at(at.offset, at.size_bytes);
    if (!data) throw_error(data.error());
    state_.owner->objects().used(entry);
    detail::retain(&entry);  // never the last one to let go while the lock is held: the caller has one too
    const std::shared_ptr<owner::Entry> hold(&entry, [](owner::Entry* e) { detail::release(e); });
    return {{*data, at.size_bytes}, value.framed(), pins_.pin(at, arena, hold), entry.id};
  }
}

detail::ValueView Values::view(const owner::StoredLocation& location, bool framed, owner::Entry* entry) {
  const std::shared_ptr<owner::Entry> hold(entry, [](owner::Entry* e) { detail::release(e); });
  if (on_other_node(state_, location.arena)) {
    detail::ValueView copy = view_elsewhere(location, framed, hold);
    copy.object = hold->id;
    return copy;
  }
  auto arena = arenas_.view(location.arena);
  if (!arena) throw_error(arena.error());
  auto data = (*arena)->at(location.offset, location.size_bytes);
  if (!data) throw_error(data.error());
  return {{*data, location.size_bytes}, framed, pins_.pin(location, *arena, hold), hold->id};
}

// --- values that will be read soon

void Values::ask_for(std::span<detail::EntryHead* const> entries) {
  {
    const OwnerLock guard(state_);
    for (detail::EntryHead* head : entries) {
      auto& entry = static_cast<owner::Entry&>(*head);
      if (!entry.owned && !entry.resolved.load(std::memory_order_relaxed)) state_.owner->tasks().want(entry);
    }
  }
  node_.wait_for_space();
}

bool Values::lies_elsewhere(const owner::Entry& entry) {
  const OwnerLock guard(state_);
  return location_elsewhere(entry) != nullptr;
}

// The lock is kept: as long as an entry says that its value lies there, the copy is needed (BLOCKS-3).
void Values::bring(std::span<detail::EntryHead* const> entries) {
  const OwnerLock guard(state_);
  std::uint64_t bytes = 0;
  for (detail::EntryHead* head : entries) {
    const owner::StoredLocation* location = location_elsewhere(static_cast<owner::Entry&>(*head));
    if (location == nullptr) continue;
    if ((bytes += location->size_bytes) > kBroughtAheadBytes) return;
    remote_blocks_.ask(*location);
  }
}

const owner::StoredLocation* Values::location_elsewhere(const owner::Entry& entry) const {
  const bool stored = entry.resolved.load(std::memory_order_relaxed) && entry.value.in_arena();
  return stored && on_other_node(state_, entry.value.arena()) ? &entry.value.stored() : nullptr;
}

// --- stored values

void Values::unused(const owner::StoredLocation& location) {
  if (on_other_node(state_, location.arena)) remote_blocks_.forget(location);
}

Result<const std::byte*> Values::bytes_at(const owner::StoredLocation& location,
                                          std::shared_ptr<const void>& keepalive) {
  if (on_other_node(state_, location.arena)) {
    auto copy = remote_blocks_.get(location);
    remote_blocks_.forget(location);
    if (!copy) return tl::unexpected<Error>(copy.error());
    keepalive = *copy;
    return (*copy)->data;
  }
  auto arena = arenas_.view(location.arena);
  if (!arena) return tl::unexpected<Error>(arena.error());
  keepalive = *arena;
  return (*arena)->at(location.offset, location.size_bytes);
}

detail::ValueView Values::view_elsewhere(const owner::StoredLocation& location, bool framed,
                                         std::shared_ptr<owner::Entry> hold) {
  auto copy = remote_blocks_.get(location);
  // An argument's entry does not know the value's place, so nothing would report that the copy is old (BLOCKS-3).
  const auto is_known = [&] {
    const OwnerLock guard(state_);
    return hold->resolved.load(std::memory_order_relaxed) && hold->value.in_arena() && hold->value.stored() == location;
  };
  if (!is_known()) remote_blocks_.forget(location);
  if (!copy) throw_error(copy.error().with_context("object " + hold->id.to_string()));
  struct Pin {
    std::shared_ptr<const BlockCopy> copy;
    std::shared_ptr<owner::Entry> hold;
  };
  const std::byte* data = (*copy)->data;
  return {{data, location.size_bytes}, framed, std::make_shared<Pin>(Pin{std::move(*copy), std::move(hold)})};
}

// A block could not be had. True: because its node is dead, which has been announced here by now, and the entry no
// longer says that the value lies there.
bool Values::moved_on(const owner::Entry& entry, const owner::StoredLocation& from) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (;;) {
    {
      const OwnerLock guard(state_);
      if (state_.node_gone) return false;
      if (!entry.value.in_arena() || entry.value.stored() != from) return true;
      const bool alive = std::any_of(state_.nodes.begin(), state_.nodes.end(),
                                     [&](const auto& node) { return node.node == node_of(from.arena); });
      if (alive && std::chrono::steady_clock::now() >= deadline - std::chrono::milliseconds(1500)) return false;
    }
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

bool Values::is_read(const owner::StoredLocation& location) {
  return pins_.is_read(location) || (location.arena != self_of(state_) && arenas_.known(location.arena) == nullptr);
}

void Values::block_arrived(const net::BlockPulled& block, Fd memory) {
  remote_blocks_.arrived(block.id, block.why, std::move(memory));
}

void Values::close() {
  arenas_.close();
  remote_blocks_.close();
}

// --- decoded once for all tasks

std::shared_ptr<const void> Values::find_shared(const ObjectId& object, const void* type) {
  return shared_.find(object, type, std::chrono::steady_clock::now());
}

std::shared_ptr<const void> Values::keep_shared(const ObjectId& object, const void* type,
                                                std::shared_ptr<const void> value, std::size_t size_bytes) {
  value = shared_.keep(object, type, std::move(value), size_bytes, std::chrono::steady_clock::now());
  context_.wake_background();
  return value;
}

}  // namespace manta::client

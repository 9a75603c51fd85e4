// The operations, as steps and messages of a transport.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "core/collective/reduce.h"
#include "core/collective/transport.h"

namespace manta::collective {

namespace {

constexpr std::size_t kFlatBytes = 64 * 1024;  // up to here every rank reduces everything, also with many ranks
constexpr std::size_t kLineBytes = 64;

std::size_t steps_for(std::size_t bytes, std::size_t per_step) {
  return bytes <= per_step ? 1 : (bytes + per_step - 1) / per_step;  // without data, too: it compares the announcements
}

// The i-th stretch of at most per_step bytes.
struct Stretch {
  std::size_t begin;
  std::size_t bytes;
};
Stretch stretch(std::size_t i, std::size_t per_step, std::size_t bytes) {
  const std::size_t begin = std::min(i * per_step, bytes);
  return {begin, std::min(per_step, bytes - begin)};
}

void copy_bytes(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

std::size_t whole_lines(std::size_t bytes) { return (bytes + kLineBytes - 1) / kLineBytes * kLineBytes; }

// Each rank's part of a step's space, in whole lines.
std::size_t share_of(const Transport& transport) {
  return transport.step_bytes() / static_cast<std::size_t>(transport.size()) / kLineBytes * kLineBytes;
}

Announcement announce(Operation operation, std::size_t bytes, int root = 0) {
  return {.operation = operation, .root = root, .bytes = bytes};
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "collective group: " + what);
}

void require_root(const Transport& transport, int root) {
  if (root >= 0 && root < transport.size()) return;
  refuse("no rank " + std::to_string(root) + " in a group of " + std::to_string(transport.size()));
}

template <class Part>
void require_parts(const Transport& transport, std::span<const Part> parts, std::size_t bytes) {
  const auto differs = [&](const Part& part) { return part.size() != bytes; };
  if (parts.size() != static_cast<std::size_t>(transport.size()) || std::any_of(parts.begin(), parts.end(), differs)) {
    refuse("one part for each of the " + std::to_string(transport.size()) + " ranks is needed, each of " +
           std::to_string(bytes) + " bytes");
  }
}

using Contributions = std::span<const Contribution>;
using Sources = std::array<const void*, kMaxRanks>;

[[noreturn]] void refuse_short(int rank, std::size_t found, std::size_t bytes) {
  throw Error(ErrorCode::internal, "collective group: rank " + std::to_string(rank) + " gave " + std::to_string(found) +
                                       " bytes of a step, not " + std::to_string(bytes));
}

// What a rank has put into the step for this rank, which is at least as many bytes.
const std::byte* data_of(Contributions all, int rank, std::size_t bytes) {
  const std::span<const std::byte> data = all[static_cast<std::size_t>(rank)].data;
  if (data.size() < bytes) refuse_short(rank, data.size(), bytes);
  return data.data();
}

// The same of all ranks; of this one, the bytes at `mine`.
Sources sources_of(Contributions all, int me, const void* mine, std::size_t bytes) {
  Sources sources;
  for (int rank = 0; rank < static_cast<int>(all.size()); ++rank) {
    sources[static_cast<std::size_t>(rank)] = rank == me ? mine : data_of(all, rank, bytes);
  }
  return sources;
}

[[noreturn]] void refuse_others(Contributions all) {
  const Announcement& first = *all[0].announcement;
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    const Announcement& other = *all[rank].announcement;
    if (other == first) continue;
    refuse("rank 0 calls " + describe(first) + ", but rank " + std::to_string(rank) + " calls " + describe(other) +
           "; all members must make the same calls in the same order");
  }
  throw Error(ErrorCode::internal, "collective group: an announcement changed after it was published");
}

// Runs an operation of `count` steps: fill(i, space) puts this rank's data of the i-th into the space and says what
// goes where, and drain(i, contributions) takes what it needs. The next step is filled before this one is drained.
template <class Fill, class Drain>
void run(Transport& transport, const Announcement& announcement, std::size_t count, Fill&& fill, Drain&& drain) {
  transport.publish(announcement, fill(0, transport.next_space().data()));
  Contributions contributions = transport.await_step();
  for (const Contribution& one : contributions) {
    if (*one.announcement != announcement) refuse_others(contributions);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const bool last = i + 1 == count;
    if (!last) transport.publish(announcement, fill(i + 1, transport.next_space().data()));
    drain(i, contributions);
    if (!last) contributions = transport.await_step();
  }
}

// Every rank publishes all its data; each reader, which is one rank or all, reduces all of it itself.
void reduce_flat(Transport& transport, const Announcement& announcement, std::byte* data, int reader) {
  const std::size_t value_bytes = size_of(announcement.type);
  const std::size_t bytes = announcement.bytes;
  const std::size_t per_step = transport.step_bytes();
  const int me = transport.rank();
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    const Stretch part = stretch(i, per_step, bytes);
    copy_bytes(space, data + part.begin, part.bytes);
    return {.bytes = part.bytes, .reader = reader};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    if (reader != kEveryRank && reader != me) return;
    const Stretch part = stretch(i, per_step, bytes);
    const Sources sources = sources_of(all, me, data + part.begin, part.bytes);
    reduce_values(announcement.type, announcement.reduction, data + part.begin, sources.data(), transport.size(),
                  part.bytes / value_bytes);
  };
  run(transport, announcement, steps_for(bytes, per_step), fill, drain);
}

// Each rank reduces a part of each chunk, in one step, and shows it in a later one: chunk 0, chunk 1, parts of chunk 0,
// chunk 2, parts of chunk 1, and so on, because what a step shows must be ready before the step before it is read.
void reduce_in_parts(Transport& transport, const Announcement& announcement, std::byte* data) {
  const std::size_t value_bytes = size_of(announcement.type);
  const std::size_t bytes = announcement.bytes;
  const std::size_t per_step = transport.step_bytes();
  const std::size_t chunks = steps_for(bytes, per_step);
  const int size = transport.size();
  const int me = transport.rank();
  const auto share_in = [&](const Stretch& chunk) {
    return (chunk.bytes / static_cast<std::size_t>(size) / kLineBytes + 1) * kLineBytes;
  };
  const auto part_of = [&](std::size_t chunk, int rank) -> Stretch {
    const Stretch whole = stretch(chunk, per_step, bytes);
    const Stretch part = stretch(static_cast<std::size_t>(rank), share_in(whole), whole.bytes);
    return {whole.begin + part.begin, part.bytes};
  };
  const auto is_parts = [](std::size_t i) { return i > 0 && i % 2 == 0; };
  const auto chunk_of = [](std::size_t i) { return (i + 1) / 2; };  // of a step that shows a chunk
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    const Stretch shown = is_parts(i) ? part_of(i / 2 - 1, me) : stretch(chunk_of(i), per_step, bytes);
    copy_bytes(space, data + shown.begin, shown.bytes);
    return {.bytes = shown.bytes, .stride = is_parts(i) ? 0 : share_in(shown)};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    if (is_parts(i)) {
      for (int rank = 0; rank < size; ++rank) {
        const Stretch part = part_of(i / 2 - 1, rank);
        if (rank != me) copy_bytes(data + part.begin, data_of(all, rank, part.bytes), part.bytes);
      }
      return;
    }
    const std::size_t chunk = chunk_of(i);
    if (chunk >= chunks) return;
    const Stretch mine = part_of(chunk, me);
    const Sources sources = sources_of(all, me, data + mine.begin, mine.bytes);
    reduce_values(announcement.type, announcement.reduction, data + mine.begin, sources.data(), size,
                  mine.bytes / value_bytes);
  };
  run(transport, announcement, 2 * chunks + 1, fill, drain);
}

}  // namespace

Group::Group(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {}
Group::~Group() = default;
int Group::rank() const { return transport_->rank(); }
int Group::size() const { return transport_->size(); }
std::chrono::milliseconds Group::timeout() const { return transport_->timeout(); }
void Group::set_timeout(std::chrono::milliseconds timeout) { transport_->set_timeout(timeout); }

void Group::all_reduce(void* data, std::size_t count, DataType type, Reduction reduction) {
  require_reducible(type, reduction);
  const Announcement announcement{Operation::all_reduce, type, reduction, 0, 0, count * size_of(type)};
  if (size() == 1) return transport_->require_usable();
  if (size() == 2 || announcement.bytes <= kFlatBytes) {
    reduce_flat(*transport_, announcement, static_cast<std::byte*>(data), kEveryRank);
  } else {
    reduce_in_parts(*transport_, announcement, static_cast<std::byte*>(data));
  }
}

void Group::reduce(void* data, std::size_t count, DataType type, Reduction reduction, int root) {
  require_reducible(type, reduction);
  require_root(*transport_, root);
  if (size() == 1) return transport_->require_usable();
  const Announcement announcement{Operation::reduce, type, reduction, 0, root, count * size_of(type)};
  reduce_flat(*transport_, announcement, static_cast<std::byte*>(data), root);
}

void Group::broadcast(std::span<std::byte> data, int root) {
  require_root(*transport_, root);
  const std::size_t per_step = transport_->step_bytes();
  const bool mine = root == rank();
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    if (!mine || size() == 1) return {};
    const Stretch part = stretch(i, per_step, data.size());
    copy_bytes(space, data.data() + part.begin, part.bytes);
    return {.bytes = part.bytes};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    if (mine) return;
    const Stretch part = stretch(i, per_step, data.size());
    copy_bytes(data.data() + part.begin, data_of(all, root, part.bytes), part.bytes);
  };
  run(*transport_, announce(Operation::broadcast, data.size(), root), steps_for(data.size(), per_step), fill, drain);
}

namespace {

// To one rank or all.
void gather_to(Transport& transport, const Announcement& announcement, std::span<const std::byte> input,
               Group::Outputs outputs, int reader) {
  const int me = transport.rank();
  const bool wanted = reader == kEveryRank || reader == me;
  if (wanted) require_parts(transport, outputs, input.size());
  const std::size_t per_step = transport.step_bytes();
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    if (reader == me || transport.size() == 1) return {};
    const Stretch part = stretch(i, per_step, input.size());
    copy_bytes(space, input.data() + part.begin, part.bytes);
    return {.bytes = part.bytes, .reader = reader};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    if (!wanted) return;
    const Stretch part = stretch(i, per_step, input.size());
    for (int rank = 0; rank < transport.size(); ++rank) {
      const std::byte* from = rank == me ? input.data() + part.begin : data_of(all, rank, part.bytes);
      std::byte* to = outputs[static_cast<std::size_t>(rank)].data() + part.begin;
      if (to != from) copy_bytes(to, from, part.bytes);
    }
  };
  run(transport, announcement, steps_for(input.size(), per_step), fill, drain);
}

}  // namespace

void Group::all_gather(std::span<const std::byte> input, Outputs outputs) {
  gather_to(*transport_, announce(Operation::all_gather, input.size()), input, outputs, kEveryRank);
}

void Group::gather(std::span<const std::byte> input, Outputs outputs, int root) {
  require_root(*transport_, root);
  gather_to(*transport_, announce(Operation::gather, input.size(), root), input, outputs, root);
}

void Group::scatter(Inputs inputs, std::span<std::byte> output, int root) {
  require_root(*transport_, root);
  const bool mine = root == rank();
  if (mine) require_parts(*transport_, inputs, output.size());
  const std::size_t share = share_of(*transport_);
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    if (!mine) return {};
    const Stretch part = stretch(i, share, output.size());
    const std::size_t stride = whole_lines(part.bytes);
    for (std::size_t to = 0; to < inputs.size(); ++to) {
      if (static_cast<int>(to) != root) copy_bytes(space + to * stride, inputs[to].data() + part.begin, part.bytes);
    }
    return {.bytes = inputs.size() * stride, .stride = stride};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    const Stretch part = stretch(i, share, output.size());
    const std::byte* from =
        mine ? inputs[static_cast<std::size_t>(root)].data() + part.begin : data_of(all, root, part.bytes);
    if (from != output.data() + part.begin) copy_bytes(output.data() + part.begin, from, part.bytes);
  };
  run(*transport_, announce(Operation::scatter, output.size(), root), steps_for(output.size(), share), fill, drain);
}

void Group::reduce_scatter(std::span<const void* const> inputs, void* output, std::size_t count, DataType type,
                           Reduction reduction) {
  require_reducible(type, reduction);
  if (inputs.size() != static_cast<std::size_t>(size())) {
    refuse("one input for each of the " + std::to_string(size()) + " ranks is needed");
  }
  const std::size_t value_bytes = size_of(type);
  const std::size_t bytes = count * value_bytes;
  const std::size_t share = share_of(*transport_);
  const auto me = static_cast<std::size_t>(rank());
  const auto input = [&](std::size_t to) { return static_cast<const std::byte*>(inputs[to]); };
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    const Stretch part = stretch(i, share, bytes);
    const std::size_t stride = whole_lines(part.bytes);
    for (std::size_t to = 0; to < inputs.size(); ++to) {
      if (to != me) copy_bytes(space + to * stride, input(to) + part.begin, part.bytes);
    }
    return {.bytes = inputs.size() * stride, .stride = stride};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    const Stretch part = stretch(i, share, bytes);
    const Sources sources = sources_of(all, rank(), input(me) + part.begin, part.bytes);
    reduce_values(type, reduction, static_cast<std::byte*>(output) + part.begin, sources.data(), size(),
                  part.bytes / value_bytes);
  };
  const Announcement announcement{Operation::reduce_scatter, type, reduction, 0, 0, bytes};
  run(*transport_, announcement, steps_for(bytes, share), fill, drain);
}

namespace {

// Every rank puts the same number of values into one step; those of all ranks, one rank after the other.
template <class T>
std::vector<T> exchange(Transport& transport, const Announcement& announcement, std::span<const T> mine) {
  std::vector<T> found(mine.size() * static_cast<std::size_t>(transport.size()));
  const auto fill = [&](std::size_t, std::byte* space) -> Payload {
    std::memcpy(space, mine.data(), mine.size_bytes());
    return {.bytes = mine.size_bytes()};
  };
  const auto drain = [&](std::size_t, Contributions all) {
    for (int rank = 0; rank < transport.size(); ++rank) {
      const void* from =
          rank == transport.rank() ? static_cast<const void*>(mine.data()) : data_of(all, rank, mine.size_bytes());
      std::memcpy(found.data() + static_cast<std::size_t>(rank) * mine.size(), from, mine.size_bytes());
    }
  };
  run(transport, announcement, 1, fill, drain);
  return found;
}

}  // namespace

void Group::all_to_all(Inputs inputs, Outputs outputs) {
  const auto n = static_cast<std::size_t>(size());
  const auto me = static_cast<std::size_t>(rank());
  if (inputs.size() != n || outputs.size() != n) refuse("all_to_all needs one part for each rank");
  // Every rank sees what all ranks send and expect: all know the number of steps, and which sizes do not match.
  struct Sizes {
    std::uint64_t sent, expected;
  };
  std::vector<Sizes> mine(n);
  for (std::size_t i = 0; i < n; ++i) mine[i] = {inputs[i].size(), outputs[i].size()};
  const auto sizes = exchange<Sizes>(*transport_, announce(Operation::all_to_all, 0), mine);
  std::uint64_t most = 0;
  for (std::size_t from = 0; from < n; ++from) {
    for (std::size_t to = 0; to < n; ++to) {
      const std::uint64_t sent = sizes[from * n + to].sent;
      const std::uint64_t expected = sizes[to * n + from].expected;
      most = std::max(most, sent);
      if (sent == expected) continue;
      refuse("all_to_all: rank " + std::to_string(from) + " sends " + std::to_string(sent) + " bytes to rank " +
             std::to_string(to) + ", which expects " + std::to_string(expected));
    }
  }
  const std::size_t share = share_of(*transport_);
  const auto fill = [&](std::size_t i, std::byte* space) -> Payload {
    for (std::size_t to = 0; to < n; ++to) {
      const Stretch part = stretch(i, share, inputs[to].size());
      if (to != me) copy_bytes(space + to * share, inputs[to].data() + part.begin, part.bytes);
    }
    return {.bytes = n * share, .stride = share};
  };
  const auto drain = [&](std::size_t i, Contributions all) {
    for (std::size_t from = 0; from < n; ++from) {
      const Stretch part = stretch(i, share, outputs[from].size());
      const std::byte* source =
          from == me ? inputs[me].data() + part.begin : data_of(all, static_cast<int>(from), part.bytes);
      copy_bytes(outputs[from].data() + part.begin, source, part.bytes);
    }
  };
  run(*transport_, announce(Operation::all_to_all, most), steps_for(most, share), fill, drain);
}

void Group::barrier() {
  run(
      *transport_, announce(Operation::barrier, 0), 1, [](std::size_t, std::byte*) { return Payload{}; },
      [](std::size_t, Contributions) {});
}

std::unique_ptr<Group> Group::split(int color, int key) {
  struct Choice {
    std::int32_t color, key;
  };
  const Choice mine{color, key};
  const auto choices = exchange<Choice>(*transport_, announce(Operation::split, 0), std::span(&mine, 1));
  if (color < 0) return nullptr;
  std::vector<int> ranks;
  for (int rank = 0; rank < size(); ++rank) {
    if (choices[static_cast<std::size_t>(rank)].color == color) ranks.push_back(rank);
  }
  const auto key_of = [&](int rank) { return choices[static_cast<std::size_t>(rank)].key; };
  std::stable_sort(ranks.begin(), ranks.end(), [&](int a, int b) { return key_of(a) < key_of(b); });
  return std::make_unique<Group>(transport_->split(ranks));
}

void Group::send(std::span<const std::byte> data, int to, int tag) {
  Transfer transfer{.out = data, .peer = to, .tag = tag, .sends = true};
  transport_->start(transfer);
  transport_->finish(transfer);
}

void Group::receive(std::span<std::byte> data, int from, int tag) {
  Transfer transfer{.in = data, .peer = from, .tag = tag};
  transport_->start(transfer);
  transport_->finish(transfer);
}

void Group::abort(std::string_view reason) noexcept { transport_->abort(reason); }

}  // namespace manta::collective

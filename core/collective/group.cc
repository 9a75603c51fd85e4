// The operations, as steps (member.h).
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "core/collective/mailbox.h"
#include "core/collective/member.h"
#include "core/collective/reduce.h"

namespace manta::collective {

namespace {

constexpr std::size_t kFlatBytes = 64 * 1024;  // up to here every rank reduces everything, also with many ranks
constexpr std::size_t kLineBytes = 64;

std::size_t steps_for(std::size_t bytes, std::size_t per_step) { return (bytes + per_step - 1) / per_step; }

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

// Each rank's space in a slot, in whole lines.
std::size_t share_of(int size) { return kSlotBytes / static_cast<std::size_t>(size) / kLineBytes * kLineBytes; }

Announcement announce(Operation operation, std::size_t bytes, int root = 0) {
  return {.operation = operation, .root = root, .bytes = bytes};
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "collective group: " + what);
}

void require_root(const Member& member, int root) {
  if (root >= 0 && root < member.size()) return;
  refuse("no rank " + std::to_string(root) + " in a group of " + std::to_string(member.size()));
}

template <class Part>
void require_parts(const Member& member, std::span<const Part> parts, std::size_t bytes) {
  const auto differs = [&](const Part& part) { return part.size() != bytes; };
  if (parts.size() != static_cast<std::size_t>(member.size()) || std::any_of(parts.begin(), parts.end(), differs)) {
    refuse("one part for each of the " + std::to_string(member.size()) + " ranks is needed, each of " +
           std::to_string(bytes) + " bytes");
  }
}

using Sources = std::array<const void*, kMaxRanks>;

Sources slots_of(Member& member, std::uint64_t step, std::size_t offset) {
  Sources sources;
  for (int rank = 0; rank < member.size(); ++rank) {
    sources[static_cast<std::size_t>(rank)] = member.slot(rank, step).data + offset;
  }
  return sources;
}

// Every rank publishes all its data; each that wants the result reduces all of it itself.
void reduce_flat(Member& member, const Announcement& announcement, std::byte* data, bool wanted) {
  const std::size_t value_bytes = size_of(announcement.type);
  const std::size_t bytes = announcement.bytes;
  const auto fill = [&](std::size_t i, std::byte* slot) {
    const Stretch part = stretch(i, kSlotBytes, bytes);
    copy_bytes(slot, data + part.begin, part.bytes);
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    if (!wanted) return;
    const Stretch part = stretch(i, kSlotBytes, bytes);
    Sources sources = slots_of(member, step, 0);
    sources[static_cast<std::size_t>(member.rank())] = data + part.begin;  // the same, and about to be written
    reduce_values(announcement.type, announcement.reduction, data + part.begin, sources.data(), member.size(),
                  part.bytes / value_bytes);
  };
  member.run(announcement, steps_for(bytes, kSlotBytes), fill, drain);
}

// Each rank reduces a part of each chunk, in one step, and shows it in a later one: chunk 0, chunk 1, parts of chunk 0,
// chunk 2, parts of chunk 1, and so on, because what a step shows must be ready before the step before it is read.
void reduce_in_parts(Member& member, const Announcement& announcement, std::byte* data) {
  const std::size_t value_bytes = size_of(announcement.type);
  const std::size_t bytes = announcement.bytes;
  const std::size_t chunks = steps_for(bytes, kSlotBytes);
  const auto part_of = [&](std::size_t chunk, int rank) -> Stretch {
    const Stretch whole = stretch(chunk, kSlotBytes, bytes);
    const std::size_t share = (whole.bytes / static_cast<std::size_t>(member.size()) / kLineBytes + 1) * kLineBytes;
    const Stretch part = stretch(static_cast<std::size_t>(rank), share, whole.bytes);
    return {whole.begin + part.begin, part.bytes};
  };
  const auto is_parts = [](std::size_t i) { return i > 0 && i % 2 == 0; };
  const auto chunk_of = [](std::size_t i) { return (i + 1) / 2; };  // of a step that shows a chunk
  const auto fill = [&](std::size_t i, std::byte* slot) {
    const Stretch shown = is_parts(i) ? part_of(i / 2 - 1, member.rank()) : stretch(chunk_of(i), kSlotBytes, bytes);
    copy_bytes(slot, data + shown.begin, shown.bytes);
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    if (is_parts(i)) {
      for (int rank = 0; rank < member.size(); ++rank) {
        const Stretch part = part_of(i / 2 - 1, rank);
        if (rank != member.rank()) copy_bytes(data + part.begin, member.slot(rank, step).data, part.bytes);
      }
      return;
    }
    const std::size_t chunk = chunk_of(i);
    if (chunk >= chunks) return;
    const Stretch mine = part_of(chunk, member.rank());
    const Sources sources = slots_of(member, step, mine.begin - chunk * kSlotBytes);
    reduce_values(announcement.type, announcement.reduction, data + mine.begin, sources.data(), member.size(),
                  mine.bytes / value_bytes);
  };
  member.run(announcement, 2 * chunks + 1, fill, drain);
}

}  // namespace

std::unique_ptr<Group> Group::join(const Rendezvous& rendezvous) {
  auto member = std::make_unique<Member>(meet_at(rendezvous), rendezvous);
  member->meet();
  return std::make_unique<Group>(std::move(member));
}

Group::Group(std::unique_ptr<Member> member)
    : member_(std::move(member)), mailbox_(std::make_unique<Mailbox>(*member_)) {}
Group::~Group() = default;
int Group::rank() const { return member_->rank(); }
int Group::size() const { return member_->size(); }
std::chrono::milliseconds Group::timeout() const { return member_->timeout(); }
void Group::set_timeout(std::chrono::milliseconds timeout) { member_->set_timeout(timeout); }

void Group::all_reduce(void* data, std::size_t count, DataType type, Reduction reduction) {
  require_reducible(type, reduction);
  const Announcement announcement{Operation::all_reduce, type, reduction, 0, 0, count * size_of(type)};
  if (size() == 1) return member_->require_usable();
  if (size() == 2 || announcement.bytes <= kFlatBytes) {
    reduce_flat(*member_, announcement, static_cast<std::byte*>(data), true);
  } else {
    reduce_in_parts(*member_, announcement, static_cast<std::byte*>(data));
  }
}

void Group::reduce(void* data, std::size_t count, DataType type, Reduction reduction, int root) {
  require_reducible(type, reduction);
  require_root(*member_, root);
  if (size() == 1) return member_->require_usable();
  const Announcement announcement{Operation::reduce, type, reduction, 0, root, count * size_of(type)};
  reduce_flat(*member_, announcement, static_cast<std::byte*>(data), root == rank());
}

void Group::broadcast(std::span<std::byte> data, int root) {
  require_root(*member_, root);
  const auto fill = [&](std::size_t i, std::byte* slot) {
    const Stretch part = stretch(i, kSlotBytes, data.size());
    if (root == rank() && size() > 1) copy_bytes(slot, data.data() + part.begin, part.bytes);
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    const Stretch part = stretch(i, kSlotBytes, data.size());
    if (root != rank()) copy_bytes(data.data() + part.begin, member_->slot(root, step).data, part.bytes);
  };
  member_->run(announce(Operation::broadcast, data.size(), root), steps_for(data.size(), kSlotBytes), fill, drain);
}

namespace {

void gather_to(Member& member, const Announcement& announcement, std::span<const std::byte> input,
               Group::Outputs outputs, bool wanted) {
  if (wanted) require_parts(member, outputs, input.size());
  const auto fill = [&](std::size_t i, std::byte* slot) {
    const Stretch part = stretch(i, kSlotBytes, input.size());
    if (member.size() > 1) copy_bytes(slot, input.data() + part.begin, part.bytes);
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    if (!wanted) return;
    const Stretch part = stretch(i, kSlotBytes, input.size());
    for (int rank = 0; rank < member.size(); ++rank) {
      const std::byte* from = rank == member.rank() ? input.data() + part.begin : member.slot(rank, step).data;
      std::byte* to = outputs[static_cast<std::size_t>(rank)].data() + part.begin;
      if (to != from) copy_bytes(to, from, part.bytes);
    }
  };
  member.run(announcement, steps_for(input.size(), kSlotBytes), fill, drain);
}

}  // namespace

void Group::all_gather(std::span<const std::byte> input, Outputs outputs) {
  gather_to(*member_, announce(Operation::all_gather, input.size()), input, outputs, true);
}

void Group::gather(std::span<const std::byte> input, Outputs outputs, int root) {
  require_root(*member_, root);
  gather_to(*member_, announce(Operation::gather, input.size(), root), input, outputs, root == rank());
}

void Group::scatter(Inputs inputs, std::span<std::byte> output, int root) {
  require_root(*member_, root);
  if (root == rank()) require_parts(*member_, inputs, output.size());
  const std::size_t share = share_of(size());
  const auto fill = [&](std::size_t i, std::byte* slot) {
    if (root != rank()) return;
    const Stretch part = stretch(i, share, output.size());
    for (std::size_t to = 0; to < inputs.size(); ++to) {
      if (static_cast<int>(to) != root) copy_bytes(slot + to * share, inputs[to].data() + part.begin, part.bytes);
    }
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    const Stretch part = stretch(i, share, output.size());
    const auto me = static_cast<std::size_t>(rank());
    const std::byte* from =
        root == rank() ? inputs[me].data() + part.begin : member_->slot(root, step).data + me * share;
    if (from != output.data() + part.begin) copy_bytes(output.data() + part.begin, from, part.bytes);
  };
  member_->run(announce(Operation::scatter, output.size(), root), steps_for(output.size(), share), fill, drain);
}

void Group::reduce_scatter(std::span<const void* const> inputs, void* output, std::size_t count, DataType type,
                           Reduction reduction) {
  require_reducible(type, reduction);
  if (inputs.size() != static_cast<std::size_t>(size())) {
    refuse("one input for each of the " + std::to_string(size()) + " ranks is needed");
  }
  const std::size_t value_bytes = size_of(type);
  const std::size_t bytes = count * value_bytes;
  const std::size_t share = share_of(size());
  const auto me = static_cast<std::size_t>(rank());
  const auto input = [&](std::size_t to) { return static_cast<const std::byte*>(inputs[to]); };
  const auto fill = [&](std::size_t i, std::byte* slot) {
    const Stretch part = stretch(i, share, bytes);
    for (std::size_t to = 0; to < inputs.size(); ++to) {
      if (to != me) copy_bytes(slot + to * share, input(to) + part.begin, part.bytes);
    }
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    const Stretch part = stretch(i, share, bytes);
    Sources sources = slots_of(*member_, step, me * share);
    sources[me] = input(me) + part.begin;
    reduce_values(type, reduction, static_cast<std::byte*>(output) + part.begin, sources.data(), size(),
                  part.bytes / value_bytes);
  };
  const Announcement announcement{Operation::reduce_scatter, type, reduction, 0, 0, bytes};
  member_->run(announcement, steps_for(bytes, share), fill, drain);
}

void Group::all_to_all(Inputs inputs, Outputs outputs) {
  const auto n = static_cast<std::size_t>(size());
  const auto me = static_cast<std::size_t>(rank());
  if (inputs.size() != n || outputs.size() != n) refuse("all_to_all needs one part for each rank");
  // Every rank sees what all ranks send and expect: all know the number of steps, and which sizes do not match.
  std::vector<std::uint64_t> sent(n * n), expected(n * n);
  member_->run(
      announce(Operation::all_to_all, 0), 1,
      [&](std::size_t, std::byte* slot) {
        for (std::size_t i = 0; i < n; ++i) {
          const std::uint64_t sizes[] = {inputs[i].size(), outputs[i].size()};
          std::memcpy(slot + i * sizeof sizes, sizes, sizeof sizes);
        }
      },
      [&](std::size_t, std::uint64_t step) {
        for (std::size_t from = 0; from < n; ++from) {
          for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t sizes[2];
            std::memcpy(sizes, member_->slot(static_cast<int>(from), step).data + i * sizeof sizes, sizeof sizes);
            sent[from * n + i] = sizes[0];
            expected[i * n + from] = sizes[1];
          }
        }
      });
  for (std::size_t i = 0; i < n * n; ++i) {
    if (sent[i] == expected[i]) continue;
    refuse("all_to_all: rank " + std::to_string(i / n) + " sends " + std::to_string(sent[i]) + " bytes to rank " +
           std::to_string(i % n) + ", which expects " + std::to_string(expected[i]));
  }
  const std::size_t share = share_of(size());
  const auto fill = [&](std::size_t i, std::byte* slot) {
    for (std::size_t to = 0; to < n; ++to) {
      const Stretch part = stretch(i, share, inputs[to].size());
      if (to != me) copy_bytes(slot + to * share, inputs[to].data() + part.begin, part.bytes);
    }
  };
  const auto drain = [&](std::size_t i, std::uint64_t step) {
    for (std::size_t from = 0; from < n; ++from) {
      const Stretch part = stretch(i, share, outputs[from].size());
      const std::byte* source =
          from == me ? inputs[me].data() + part.begin : member_->slot(static_cast<int>(from), step).data + me * share;
      copy_bytes(outputs[from].data() + part.begin, source, part.bytes);
    }
  };
  const std::uint64_t most = *std::max_element(sent.begin(), sent.end());
  member_->run(announce(Operation::all_to_all, most), steps_for(most, share), fill, drain);
}

void Group::barrier() {
  member_->run(
      announce(Operation::barrier, 0), 1, [](std::size_t, std::byte*) {}, [](std::size_t, std::uint64_t) {});
}

void Group::send(std::span<const std::byte> data, int to, int tag) {
  Transfer transfer{.out = data, .peer = to, .tag = tag, .sends = true};
  mailbox_->start(transfer);
  mailbox_->finish(transfer);
}

void Group::receive(std::span<std::byte> data, int from, int tag) {
  Transfer transfer{.in = data, .peer = from, .tag = tag};
  mailbox_->start(transfer);
  mailbox_->finish(transfer);
}

void Group::abort(std::string_view reason) noexcept { member_->abort(ErrorCode::cancelled, reason); }

}  // namespace manta::collective

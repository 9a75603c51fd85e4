// Collective operations between the processes of one host, in shared memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <manta/error.h>

namespace manta::collective {

class Transport;

/// Type of the elements that an operation reduces.
enum class DataType : std::uint8_t { u8, i8, i16, i32, i64, f16, bf16, f32, f64, boolean };
/// Bytes of one element.
std::size_t size_of(DataType type);
/// "u8" and so on.
std::string_view to_string(DataType type);

/// average: of floating-point types only. The bitwise ones: of integers and booleans only. sum and maximum of booleans
/// are "or", product and minimum are "and".
enum class Reduction : std::uint8_t { sum, average, product, minimum, maximum, bit_and, bit_or, bit_xor };
/// "sum" and so on.
std::string_view to_string(Reduction reduction);

/// Where the members of a group meet. All members give the same name and size, and a rank of their own, 0 to size - 1.
struct Rendezvous {
  std::string name;
  int rank = 0;
  int size = 1;
  std::chrono::milliseconds timeout{60'000};  ///< for joining, and for each operation's wait for the others
};
/// A name that no other group has.
std::string new_name();

/// A group of processes of one host and one user that call the same operations in the same order.
///
/// An operation returns when this member's part is done: its output is there, its input may be changed. Values are
/// reduced in the order of ranks, with float for the 16-bit types, so that all members get the same bits. Memory: up to
/// 1.2 MiB per member, and 130 KiB per pair that sends, each as used. Nothing of the group is in the file system, and
/// nothing stays behind when its processes are killed.
///
/// Errors (manta::Error): invalid_argument, in all members, if they called different operations, sizes or types:
/// nothing was changed and the group can go on. unavailable: a member died or left; the text names it. deadline: the
/// text names the missing ranks. cancelled: a member called abort(). After these three the group is of no more use, and
/// says so.
///
/// **Threading**: one thread at a time, abort() at any time from any. Processes join after they were forked: a group
/// that was there before the fork is the parent's.
///
///     auto group = Group::join({.name = name, .rank = rank, .size = 2});
///     group->all_reduce(gradients.data(), gradients.size(), DataType::f32, Reduction::average);
class Group {
 public:
  /// One part of memory for each rank.
  using Inputs = std::span<const std::span<const std::byte>>;
  using Outputs = std::span<const std::span<std::byte>>;

  /// Blocks until all have come. Throws Error: deadline (with the missing ranks), unavailable, invalid_argument.
  static std::unique_ptr<Group> join(const Rendezvous& rendezvous);
  explicit Group(std::unique_ptr<Transport> transport);  ///< join() makes it
  /// Leaves; the others' operations that need this member fail. Never blocks.
  ~Group();

  int rank() const;
  int size() const;
  std::chrono::milliseconds timeout() const;
  void set_timeout(std::chrono::milliseconds timeout);
  Transport& transport() { return *transport_; }  // for Manta's own libraries

  /// In place.
  void all_reduce(void* data, std::size_t count, DataType type, Reduction reduction);
  /// In place, but only the root's data changes.
  void reduce(void* data, std::size_t count, DataType type, Reduction reduction, int root);
  /// The root's data to all ranks.
  void broadcast(std::span<std::byte> data, int root);
  /// Every rank's input to all ranks; outputs[i] is from rank i and of the same size.
  void all_gather(std::span<const std::byte> input, Outputs outputs);
  /// The same to the root only; the others' outputs are not looked at.
  void gather(std::span<const std::byte> input, Outputs outputs, int root);
  /// The root's inputs[i] to rank i; the others' inputs are not looked at.
  void scatter(Inputs inputs, std::span<std::byte> output, int root);
  /// Every rank's inputs[i], reduced, to rank i. All are of count values.
  void reduce_scatter(std::span<const void* const> inputs, void* output, std::size_t count, DataType type,
                      Reduction reduction);
  /// inputs[i] to rank i, outputs[i] from it. Sizes may differ, but both sides of a pair must agree.
  void all_to_all(Inputs inputs, Outputs outputs);
  void barrier();

  /// Messages of a pair with the same tag arrive in the order they were sent; a message is received whole, with its
  /// size. send() returns when the data may be changed, which may be before the other receives. One cannot send to
  /// oneself.
  void send(std::span<const std::byte> data, int to, int tag = 0);
  void receive(std::span<std::byte> data, int from, int tag = 0);

  /// Splits the group, as MPI_Comm_split: all members call it, and those that give the same color, 0 or more, get a
  /// group of their own. Its ranks are in the order of the keys; members with the same key keep their order. A member
  /// that gives a negative color gets null.
  ///
  /// Blocks until all members have called it, and then until those of the same color have joined. The new group has
  /// this one's timeout. From then on, neither group needs the other: both can be used, in any order that is the same
  /// in all members, and a failure of one, or a death of a member that is not in the new group, does not end the other.
  /// Throws as the other operations.
  ///
  ///     auto row = group->split(group->rank() / columns, group->rank());     // of a grid
  ///     auto column = group->split(group->rank() % columns, group->rank());
  std::unique_ptr<Group> split(int color, int key);

  /// Ends what members are waiting for, now and later, with cancelled and this reason.
  void abort(std::string_view reason) noexcept;

 private:
  std::unique_ptr<Transport> transport_;
};

}  // namespace manta::collective

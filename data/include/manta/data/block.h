/// Blocks: immutable batches of rows, stored by column, as Apache Arrow stores them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/array.h>
#include <manta/buffer.h>
#include <manta/data/type.h>
#include <manta/error.h>
#include <manta/serialize.h>

namespace manta::data {

namespace detail {
/// How a T is made of a column: a specialisation has `static T from(const Column&)`. <manta/data/torch.h> has one for
/// tensors.
template <class T>
struct FromColumn;
template <class T>
struct KindOf;
[[noreturn]] void throw_wrong_kind(const Type& is, std::string_view wanted);
}  // namespace detail

/// The kind of a plain C++ type: kind_of<float> is Kind::float32.
template <class T>
inline constexpr Kind kind_of = detail::KindOf<T>::value;

/// The values of one column of a block.
///
/// Fixed-width values are one after the other, booleans one byte each; values of nulls are unspecified. Text, bytes and
/// lists have 64-bit offsets. Nulls are a bitmap, as in Arrow; a column without nulls has none.
///
/// **Threading**: immutable. **Ownership**: a value; copies and slices share the buffers, which live as long as one of
/// them. Of a block in the object store the buffers are the store's. **Errors**: Error(invalid_argument) where the
/// column is of another kind.
class Column {
 public:
  /// The parts of a column, each starting at its first row.
  struct Parts {
    std::int64_t rows = 0;
    Buffer values;               ///< of fixed width, or the bytes of text
    Buffer offsets;              ///< rows + 1 times 64 bits, for text, bytes and lists
    Buffer nulls;                ///< a bit for each row, set where there is a value; empty: no nulls
    std::int64_t first_bit = 0;  ///< of nulls
    std::int64_t first_offset =
        0;  ///< what offsets has for the first byte of values, or the first row of a list's child
    std::vector<Column> children;
  };

  Column() = default;
  /// Throws where the parts do not fit the type.
  Column(Type type, Parts parts);

  const Type& type() const { return type_; }
  std::int64_t rows() const { return parts_.rows; }
  bool has_nulls() const { return parts_.nulls.data != nullptr; }
  bool is_null(std::int64_t row) const {
    if (parts_.nulls.data == nullptr) return false;
    const std::int64_t bit = parts_.first_bit + row;
    return (static_cast<unsigned>(parts_.nulls.data[bit >> 3]) >> (bit & 7) & 1U) == 0;
  }
  std::int64_t null_count() const;

  /// The values of a column of fixed width, in place: values<float>(). Dates are std::int32_t, timestamps std::int64_t.
  template <class T>
  std::span<const T> values() const {
    if (!holds(kind_of<T>)) detail::throw_wrong_kind(type_, to_string(Type(kind_of<T>)));
    return {reinterpret_cast<const T*>(parts_.values.data), static_cast<std::size_t>(parts_.rows)};
  }
  /// Of text or bytes; empty for a null.
  std::string_view text(std::int64_t row) const {
    const auto* offsets = reinterpret_cast<const std::int64_t*>(parts_.offsets.data);
    return {reinterpret_cast<const char*>(parts_.values.data) + (offsets[row] - parts_.first_offset),
            static_cast<std::size_t>(offsets[row + 1] - offsets[row])};
  }
  /// Of a list or an array: which rows of child(0) are its elements.
  std::pair<std::int64_t, std::int64_t> elements(std::int64_t row) const;
  const Column& child(std::size_t position) const { return parts_.children.at(position); }

  /// The rows from `from` on, at most count; shares the buffers.
  Column slice(std::int64_t from, std::int64_t count) const;
  /// Bytes of the buffers, those of children included.
  std::size_t size_bytes() const;
  const Parts& parts() const { return parts_; }

  /// What another header knows to make of it: torch::Tensor x = batch["x"], with <manta/data/torch.h>.
  template <class T>
  requires requires(const Column& column) { detail::FromColumn<T>::from(column); }
  operator T() const { return detail::FromColumn<T>::from(*this); }  // NOLINT: batch["image"] stands for a tensor

 private:
  bool holds(Kind kind) const;

  Type type_;
  Parts parts_;
};

/// Rows, stored by column. What tasks of this library pass on, and what map_batches gives to a function.
///
/// A Block is an argument or a result of tasks as any value; a stored one is read in place.
///
/// **Threading**: immutable. **Ownership**: a value; copies and slices share the columns. **Errors**:
/// Error(invalid_argument) for columns that are not there, and where columns differ in their number of rows.
///
///     double total(const manta::data::Block& block) {
///       double sum = 0;
///       for (double x : block["x"].values<double>()) sum += x;
///       return sum;
///     }
class Block {
 public:
  Block() = default;
  Block(Schema schema, std::vector<Column> columns);
  /// The same where there may be no columns.
  Block(Schema schema, std::vector<Column> columns, std::int64_t rows);
  /// No rows.
  explicit Block(const Schema& schema);

  const Schema& schema() const { return schema_; }
  std::int64_t rows() const { return rows_; }
  const std::vector<Column>& columns() const { return columns_; }
  const Column& operator[](std::string_view name) const { return columns_[schema_.at(name, "block")]; }
  const Column& column(std::size_t position) const { return columns_.at(position); }

  /// The rows from `from` on, at most count; nothing is copied.
  Block slice(std::int64_t from, std::int64_t count) const;
  /// The given rows, in that order; copies. Positions must be valid.
  Block take(std::span<const std::int64_t> rows) const;
  /// The given rows of the given blocks, which have equal schemas: pairs of a block's position and a row; copies.
  static Block gather(std::span<const Block> blocks, std::span<const std::pair<std::uint32_t, std::int64_t>> rows);
  /// The same block with another column at the end, or in the place of the one with that name.
  Block with(std::string name, Column column) const;
  /// All rows of blocks with equal schemas, in order; copies, unless there is one only.
  static Block concat(std::span<const Block> blocks);
  std::size_t size_bytes() const;

 private:
  Schema schema_;
  std::vector<Column> columns_;
  std::int64_t rows_ = 0;
};

/// A column of plain values, without nulls; takes the vector over: column_of(std::vector<float>{1, 2}).
template <class T>
Column column_of(std::vector<T> values) {
  Column::Parts parts;
  parts.rows = static_cast<std::int64_t>(values.size());
  parts.values = Array<T>(std::move(values)).buffer();
  return Column(kind_of<T>, std::move(parts));
}
Column column_of(std::span<const std::string> texts);
/// A column of arrays: of every row `width` values.
template <class T>
Column column_of_arrays(std::vector<T> values, std::int64_t width) {
  Column::Parts parts;
  Column flat = column_of(std::move(values));
  parts.rows = width == 0 ? 0 : flat.rows() / width;
  parts.children.push_back(std::move(flat));
  return Column(Type::array_of(kind_of<T>, static_cast<std::uint64_t>(width)), std::move(parts));
}

namespace detail {
template <Kind K>
struct IsKind {
  static constexpr Kind value = K;
};
template <>
struct KindOf<bool> : IsKind<Kind::boolean> {};
template <>
struct KindOf<std::int8_t> : IsKind<Kind::int8> {};
template <>
struct KindOf<std::int16_t> : IsKind<Kind::int16> {};
template <>
struct KindOf<std::int32_t> : IsKind<Kind::int32> {};
template <>
struct KindOf<std::int64_t> : IsKind<Kind::int64> {};
template <>
struct KindOf<std::uint8_t> : IsKind<Kind::uint8> {};
template <>
struct KindOf<std::uint16_t> : IsKind<Kind::uint16> {};
template <>
struct KindOf<std::uint32_t> : IsKind<Kind::uint32> {};
template <>
struct KindOf<std::uint64_t> : IsKind<Kind::uint64> {};
template <>
struct KindOf<long long> : IsKind<Kind::int64> {};
template <>
struct KindOf<unsigned long long> : IsKind<Kind::uint64> {};
template <>
struct KindOf<float> : IsKind<Kind::float32> {};
template <>
struct KindOf<double> : IsKind<Kind::float64> {};
}  // namespace detail

}  // namespace manta::data

template <>
struct manta::serial::Codec<manta::data::Column> {
  static void save(Writer& writer, const manta::data::Column& column);
  static void load(Reader& reader, manta::data::Column& column);
};
template <>
struct manta::serial::Codec<manta::data::Block> {
  static void save(Writer& writer, const manta::data::Block& block);
  static void load(Reader& reader, manta::data::Block& block);
};

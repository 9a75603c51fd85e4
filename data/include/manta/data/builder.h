/// Making columns value by value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <manta/buffer.h>
#include <manta/data/block.h>
#include <manta/data/type.h>

namespace manta::data {

namespace detail {

struct FreeBytes {
  std::size_t capacity;
  explicit FreeBytes(std::size_t bytes = 0) : capacity(bytes) {}
  void operator()(std::byte* data) const;
};

/// Bytes that grow at their end, not initialised.
class GrowingBytes {
 public:
  void reserve(std::size_t more) {
    if (capacity_ - size_ < more) grow(more);
  }
  /// The place of so many new bytes.
  std::byte* extend(std::size_t more) {
    reserve(more);
    std::byte* place = data_.get() + size_;
    size_ += more;
    return place;
  }
  void append(const void* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(extend(bytes), from, bytes);
  }
  template <class T>
  void push(const T& value) {
    std::memcpy(extend(sizeof value), &value, sizeof value);
  }
  /// The last of so many bytes are no part of it.
  void shrink(std::size_t less) { size_ -= less; }
  std::byte* data() { return data_.get(); }
  std::size_t size() const { return size_; }
  /// Hands the bytes over; empty afterwards.
  Buffer take();

 private:
  void grow(std::size_t more);

  std::unique_ptr<std::byte, FreeBytes> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace detail

/// A column under construction.
///
/// Fixed-width kinds take push<T>, text and bytes push_text, every kind push_null and rows of other columns of the same
/// type. A list or array takes its elements through child(0), then end_row(); a record one value for each child(i),
/// then end_row().
///
/// **Threading**: one thread at a time. **Ownership**: the values, until finish(). **Errors**: finish() throws
/// Error(invalid_argument) where a child lacks rows. T is not checked against the type by push<T>.
class ColumnBuilder {
 public:
  explicit ColumnBuilder(Type type);

  const Type& type() const { return type_; }
  std::int64_t rows() const { return rows_; }
  void reserve(std::int64_t rows);
  /// Of text and bytes: memory for so many more rows that are as long as those that are there.
  void reserve_like(std::int64_t rows);

  template <class T>
  void push(T value) {
    values_.push(value);
    count_row();
  }
  void push_text(std::string_view text) {
    values_.append(text.data(), text.size());
    offsets_.push(static_cast<std::int64_t>(values_.size()));
    count_row();
  }
  void push_null();
  /// Ends a row whose elements or fields are in the children.
  void end_row();
  ColumnBuilder& child(std::size_t position) { return children_[position]; }

  /// Rows [from, from + count) of a column of the same type.
  void append(const Column& column, std::int64_t from, std::int64_t count);
  /// Rows of several columns of the same type, in any order.
  struct Pick {
    std::uint32_t column;
    std::int64_t row;
  };
  void append(std::span<const Column* const> columns, std::span<const Pick> picks);

  /// --- for what copies whole vectors ---
  /// The place of so many values of fixed width, which are rows now, without nulls.
  std::byte* extend(std::int64_t count);
  /// The place of so many texts, which are rows now: their bytes, with kSlack more that may be written to, and for each
  /// the offset of its end, to be filled with values from `base` on.
  struct Texts {
    char* bytes;
    std::int64_t* ends;
    std::int64_t base;
  };
  static constexpr std::size_t kSlack = 16;
  Texts extend_texts(std::int64_t count, std::int64_t bytes);
  /// Says that a row among those there is null.
  void set_null(std::int64_t row);

  /// The column; the builder is empty afterwards.
  Column finish();

 private:
  void count_row() {
    ++rows_;
    if (nulls_.size() != 0) mark_valid(rows_ - 1);
  }
  void mark_valid(std::int64_t row);
  void count_rows(std::int64_t count);

  Type type_;
  std::size_t width_;
  std::int64_t rows_ = 0;
  detail::GrowingBytes values_;
  detail::GrowingBytes offsets_;
  detail::GrowingBytes nulls_;  // none until the first null
  std::vector<ColumnBuilder> children_;
};

}  // namespace manta::data

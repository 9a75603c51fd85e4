/// Rows as structs of the user's own: how fields become columns and back.
///
/// A row is a plain aggregate (no constructors, no base classes); its fields' names are the columns' names. Fields are
/// bool, integers, float, double, std::string, std::chrono::sys_days (a date), sys_time<std::chrono::microseconds> (a
/// timestamp), std::vector and std::array of such (a list, an array), other aggregates (a record), and std::optional of
/// all these, where a column has nulls. A std::string_view field reads text in place; it is valid while the function
/// that got the row runs. A number, bool or text alone is a row of one column, "value".
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/data/block.h>
#include <manta/data/builder.h>
#include <manta/data/detail/step.h>
#include <manta/serial/fields.h>

namespace manta::data {

namespace detail {

template <class T>
struct FieldHolder {
  T value;
};
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template"
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif
template <class T>
extern FieldHolder<T> field_holder;  // never defined: only addresses inside it are named

template <class P>
struct FieldPointer {
  P pointer;
};
template <auto Pointer>
consteval std::string_view field_text() {
  return __PRETTY_FUNCTION__;
}
/// The name at the end of a compiler's description of a pointer to a field.
constexpr std::string_view last_name(std::string_view text) {
  const std::size_t other = text.rfind("; std::string_view");
  if (other != std::string_view::npos) text = text.substr(0, other);
  const auto in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  std::size_t end = text.size();
  while (end > 0 && !in_name(text[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && in_name(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}
template <class T, std::size_t I>
consteval std::string_view field_name() {
  constexpr auto pointer = &std::get<I>(serial::detail::fields_of(field_holder<T>.value));
#ifdef __clang__
  return last_name(field_text<FieldPointer<decltype(pointer)>{pointer}>());
#else
  return last_name(field_text<pointer>());
#endif
}
#ifdef __clang__
#pragma clang diagnostic pop
#endif

template <class T>
inline constexpr bool is_text = std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>;
template <class T>
concept Scalar = std::is_arithmetic_v<T> || is_text<T>;
template <class T>
inline constexpr bool is_time = false;
template <class Clock, class Duration>
inline constexpr bool is_time<std::chrono::time_point<Clock, Duration>> = true;
/// (std::array is an aggregate, too, but has its own structured bindings.)
template <class T>
concept Record = !Scalar<T> && !is_time<T> && !requires {
  std::tuple_size<T>::value;
}
&&serial::detail::Decomposable<T>;

template <class T>
using FieldTypes = serial::detail::FieldRefs<T>;
template <class T, std::size_t I>
using FieldAt = std::remove_cvref_t<std::tuple_element_t<I, FieldTypes<T>>>;

[[noreturn]] void throw_null(std::int64_t row, std::string_view column);

/// How a T is read from a column and written to one. Reads: made once for each column and block.
template <class T>
struct FieldCodec {
  static_assert(!sizeof(T), "manta: a field of a row is of a type that no column has; see <manta/data/row.h>");
};

template <class T>
requires std::is_arithmetic_v<T>
struct FieldCodec<T> {
  static Type type() { return kind_of<T>; }
  FieldCodec(const Column& from, std::string_view label)
      : values(from.values<T>().data()), nulls(from.has_nulls() ? &from : nullptr), name(label) {}
  T get(std::int64_t row) const {
    if (nulls != nullptr && nulls->is_null(row)) [[unlikely]]
      throw_null(row, name);
    return values[row];
  }
  static void put(ColumnBuilder& builder, T value) { builder.push(value); }
  const T* values;
  const Column* nulls;
  std::string_view name;
};

template <class T>
requires is_text<T>
struct FieldCodec<T> {
  static Type type() { return Kind::text; }
  FieldCodec(const Column& from, std::string_view label) : column(&from), name(label) {
    if (from.type().kind != Kind::text && from.type().kind != Kind::bytes) throw_wrong_kind(from.type(), "VARCHAR");
  }
  T get(std::int64_t row) const {
    if (column->is_null(row)) [[unlikely]]
      throw_null(row, name);
    return T(column->text(row));
  }
  static void put(ColumnBuilder& builder, std::string_view value) { builder.push_text(value); }
  const Column* column;
  std::string_view name;
};

template <>
struct FieldCodec<std::chrono::sys_days> {
  static Type type() { return Kind::date; }
  FieldCodec(const Column& from, std::string_view label) : days(from, label) {}
  std::chrono::sys_days get(std::int64_t row) const { return std::chrono::sys_days(std::chrono::days(days.get(row))); }
  static void put(ColumnBuilder& builder, std::chrono::sys_days value) {
    builder.push(static_cast<std::int32_t>(value.time_since_epoch().count()));
  }
  FieldCodec<std::int32_t> days;
};
template <>
struct FieldCodec<std::chrono::sys_time<std::chrono::microseconds>> {
  using Time = std::chrono::sys_time<std::chrono::microseconds>;
  static Type type() { return Kind::timestamp; }
  FieldCodec(const Column& from, std::string_view label) : micros(from, label) {}
  Time get(std::int64_t row) const { return Time(std::chrono::microseconds(micros.get(row))); }
  static void put(ColumnBuilder& builder, Time value) {
    builder.push(static_cast<std::int64_t>(value.time_since_epoch().count()));
  }
  FieldCodec<std::int64_t> micros;
};

template <class T>
struct FieldCodec<std::optional<T>> {
  static Type type() { return FieldCodec<T>::type(); }
  FieldCodec(const Column& from, std::string_view label) : column(&from), value(from, label) {}
  std::optional<T> get(std::int64_t row) const {
    if (column->is_null(row)) return std::nullopt;
    return value.get(row);
  }
  static void put(ColumnBuilder& builder, const std::optional<T>& value) {
    if (value) {
      FieldCodec<T>::put(builder, *value);
    } else {
      builder.push_null();
    }
  }
  const Column* column;
  FieldCodec<T> value;
};

template <class T>
struct FieldCodec<std::vector<T>> {
  static Type type() { return Type::list_of(FieldCodec<T>::type()); }
  FieldCodec(const Column& from, std::string_view label)
      : column(&from), element(checked(from).child(0), label), name(label) {}
  std::vector<T> get(std::int64_t row) const {
    if (column->is_null(row)) [[unlikely]]
      throw_null(row, name);
    const auto [begin, end] = column->elements(row);
    std::vector<T> values;
    values.reserve(static_cast<std::size_t>(end - begin));
    for (std::int64_t i = begin; i < end; ++i) values.push_back(element.get(i));
    return values;
  }
  static void put(ColumnBuilder& builder, const std::vector<T>& values) {
    for (const T& value : values) FieldCodec<T>::put(builder.child(0), value);
    builder.end_row();
  }
  static const Column& checked(const Column& from) {
    if (from.type().kind != Kind::list && from.type().kind != Kind::array) throw_wrong_kind(from.type(), "a list");
    return from;
  }
  const Column* column;
  FieldCodec<T> element;
  std::string_view name;
};

template <class T, std::size_t N>
struct FieldCodec<std::array<T, N>> {
  static Type type() { return Type::array_of(FieldCodec<T>::type(), N); }
  FieldCodec(const Column& from, std::string_view label)
      : column(&from), element(checked(from).child(0), label), name(label) {}
  std::array<T, N> get(std::int64_t row) const {
    if (column->is_null(row)) [[unlikely]]
      throw_null(row, name);
    std::array<T, N> values{};
    for (std::size_t i = 0; i < N; ++i) values[i] = element.get(row * std::int64_t{N} + static_cast<std::int64_t>(i));
    return values;
  }
  static void put(ColumnBuilder& builder, const std::array<T, N>& values) {
    for (const T& value : values) FieldCodec<T>::put(builder.child(0), value);
    builder.end_row();
  }
  static const Column& checked(const Column& from) {
    if (from.type().kind != Kind::array || from.type().array_size != N) throw_wrong_kind(from.type(), "an array");
    return from;
  }
  const Column* column;
  FieldCodec<T> element;
  std::string_view name;
};

/// The fields of a record, each with its codec.
template <class T, class Indices = std::make_index_sequence<serial::detail::field_count<T>>>
struct RecordCodec;
template <class T, std::size_t... I>
struct RecordCodec<T, std::index_sequence<I...>> {
  static std::vector<Field> fields() {
    return {{std::string(field_name<T, I>()), FieldCodec<FieldAt<T, I>>::type()}...};
  }
  /// column_at(position, name): the column of a field.
  template <class ColumnAt>
  explicit RecordCodec(const ColumnAt& column_at)
      : codecs(FieldCodec<FieldAt<T, I>>(column_at(I, field_name<T, I>()), field_name<T, I>())...) {}
  T get(std::int64_t row) const { return T{std::get<I>(codecs).get(row)...}; }
  /// builder_at(position): the builder of a field.
  template <class BuilderAt>
  static void put(const BuilderAt& builder_at, const T& value) {
    const auto fields = serial::detail::fields_of(value);
    (FieldCodec<FieldAt<T, I>>::put(builder_at(I), std::get<I>(fields)), ...);
  }
  std::tuple<FieldCodec<FieldAt<T, I>>...> codecs;
};

template <Record T>
struct FieldCodec<T> {
  static Type type() { return Type::record_of(RecordCodec<T>::fields()); }
  FieldCodec(const Column& from, std::string_view label)
      : column(&from),
        fields([&](std::size_t, std::string_view field) -> const Column& { return child_of(from, field); }),
        name(label) {}
  T get(std::int64_t row) const {
    if (column->is_null(row)) [[unlikely]]
      throw_null(row, name);
    return fields.get(row);
  }
  static void put(ColumnBuilder& builder, const T& value) {
    RecordCodec<T>::put([&](std::size_t i) -> ColumnBuilder& { return builder.child(i); }, value);
    builder.end_row();
  }
  static const Column& child_of(const Column& from, std::string_view field) {
    if (from.type().kind != Kind::record) throw_wrong_kind(from.type(), "a record");
    return from.child(Schema(from.type().children).at(field, "a record"));
  }
  const Column* column;
  RecordCodec<T> fields;
  std::string_view name;
};

}  // namespace detail

/// What can be a row: a plain aggregate, or a number, bool or text alone.
template <class T>
concept Row = detail::Scalar<T> || detail::Record<T>;

/// The columns of a Row.
template <Row R>
Schema row_schema() {
  if constexpr (detail::Scalar<R>) {
    return Schema({{"value", detail::FieldCodec<R>::type()}});
  } else {
    return Schema(detail::RecordCodec<R>::fields());
  }
}

/// Reads rows out of a block, which must outlive it. Throws Error(invalid_argument) where a column is not there or of
/// another type.
template <Row R>
class RowReader {
 public:
  explicit RowReader(const Block& block) : codec_(codec_of(block)) {}
  R get(std::int64_t row) const { return codec_.get(row); }

 private:
  using Codec = typename std::conditional_t<detail::Scalar<R>, std::type_identity<detail::FieldCodec<R>>,
                                            std::type_identity<detail::RecordCodec<R>>>::type;
  static Codec codec_of(const Block& block) {
    if constexpr (detail::Scalar<R>) {
      return Codec(block["value"], "value");
    } else {
      return Codec([&block](std::size_t, std::string_view name) -> const Column& { return block[name]; });
    }
  }
  Codec codec_;
};

/// Makes a block of rows.
template <Row R>
class RowWriter {
 public:
  RowWriter() {
    for (const Field& field : schema_.fields()) builders_.emplace_back(field.type);
  }
  void put(const R& row) {
    if constexpr (detail::Scalar<R>) {
      detail::FieldCodec<R>::put(builders_[0], row);
    } else {
      detail::RecordCodec<R>::put([this](std::size_t i) -> ColumnBuilder& { return builders_[i]; }, row);
    }
    ++rows_;
  }
  void reserve(std::int64_t rows) {
    for (ColumnBuilder& builder : builders_) builder.reserve(rows);
  }
  Block finish() {
    std::vector<Column> columns;
    for (ColumnBuilder& builder : builders_) columns.push_back(builder.finish());
    return Block(schema_, std::move(columns), std::exchange(rows_, 0));
  }

 private:
  const Schema schema_ = row_schema<R>();
  std::vector<ColumnBuilder> builders_;
  std::int64_t rows_ = 0;
};

/// All rows of a block.
template <Row R>
std::vector<R> rows_of(const Block& block) {
  const RowReader<R> reader(block);
  std::vector<R> rows;
  rows.reserve(static_cast<std::size_t>(block.rows()));
  for (std::int64_t i = 0; i < block.rows(); ++i) rows.push_back(reader.get(i));
  return rows;
}
template <Row R>
Block block_of(const std::vector<R>& rows) {
  RowWriter<R> writer;
  writer.reserve(static_cast<std::int64_t>(rows.size()));
  for (const R& row : rows) writer.put(row);
  return writer.finish();
}

}  // namespace manta::data

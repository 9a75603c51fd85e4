/// Types of columns, and schemas: which columns a table has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <manta/serialize.h>

namespace manta::data {

/// What a column holds. Values of the engine that have no kind of their own (decimals, 128-bit integers, enums, UUIDs,
/// times of day, intervals, maps) keep their type inside the engine; where they become a Block they are converted:
/// decimals to float64, 128-bit integers to int64, the others to text.
enum class Kind : std::uint8_t {
  boolean,  ///< one byte each
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64,
  date,       ///< days since 1970-01-01, 32 bits
  timestamp,  ///< microseconds since 1970-01-01 00:00 UTC, 64 bits
  text,       ///< UTF-8
  bytes,
  list,    ///< of any number of elements of one type
  array,   ///< of array_size elements of one type
  record,  ///< of named fields
};

struct Field;

/// The type of a column. **Threading, ownership**: a plain value.
struct Type {
  Kind kind = Kind::int64;
  std::uint64_t array_size = 0;  ///< of an array
  std::vector<Field> children;   ///< the element of a list or array; the fields of a record

  Type() = default;
  Type(Kind of) : kind(of) {}  // NOLINT: a kind without children is a type
  static Type list_of(Type element);
  static Type array_of(Type element, std::uint64_t size);
  static Type record_of(std::vector<Field> fields);

  friend bool operator==(const Type& a, const Type& b);
};

/// A column's name and type. Any column may hold nulls.
struct Field {
  std::string name;
  Type type;
  friend bool operator==(const Field&, const Field&) = default;
};

/// As SQL writes it: BIGINT, VARCHAR, FLOAT[784], STRUCT("x" DOUBLE).
std::string to_string(const Type& type);
/// Bytes of one value; 0 where they differ from value to value, and for arrays and records.
std::size_t width_bytes(Kind kind);
bool is_integer(Kind kind);
bool is_number(Kind kind);  ///< integers and floating point
/// "name" as SQL quotes it.
std::string quoted_name(std::string_view name);

/// The columns of a table, in order. Names differ.
///
/// **Threading, ownership**: a plain value. **Errors**: at() and the constructor throw Error(invalid_argument).
class Schema {
 public:
  Schema() = default;
  explicit Schema(std::vector<Field> fields);

  const std::vector<Field>& fields() const { return fields_; }
  std::size_t size() const { return fields_.size(); }
  const Field& operator[](std::size_t position) const { return fields_[position]; }
  std::optional<std::size_t> find(std::string_view name) const;
  /// The position. The error names the nearest column with its type, or lists all of them; `where` says of what.
  std::size_t at(std::string_view name, std::string_view where = {}) const;
  /// One line for each column: its name, two spaces, its type.
  std::string to_string() const;

  friend bool operator==(const Schema&, const Schema&) = default;

 private:
  std::vector<Field> fields_;
};

/// The error where a column is missing: what `where` has, and the nearest name.
[[noreturn]] void throw_no_column(const Schema& schema, std::string_view name, std::string_view where);

}  // namespace manta::data

template <>
struct manta::serial::Codec<manta::data::Type> {
  static void save(Writer& writer, const manta::data::Type& type);
  static void load(Reader& reader, manta::data::Type& type);
};
template <>
struct manta::serial::Codec<manta::data::Schema> {
  static void save(Writer& writer, const manta::data::Schema& schema);
  static void load(Reader& reader, manta::data::Schema& schema);
};

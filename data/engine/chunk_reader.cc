#include "data/engine/chunk_reader.h"

#include <cstring>
#include <memory>

namespace manta::data::engine {

namespace {

struct DropType {
  void operator()(duckdb_logical_type type) const { duckdb_destroy_logical_type(&type); }
};
using LogicalType = std::unique_ptr<std::remove_pointer_t<duckdb_logical_type>, DropType>;

void append_vector(ColumnBuilder& builder, duckdb_vector vector, std::int64_t from, std::int64_t count);

// Rows that are one after the other in the child, as far as they are.
void append_lists(ColumnBuilder& builder, duckdb_vector vector, const std::uint64_t* valid, std::int64_t from,
                  std::int64_t count) {
  const auto* entries = static_cast<const duckdb_list_entry*>(duckdb_vector_get_data(vector)) + from;
  const duckdb_vector child = duckdb_list_vector_get_child(vector);
  for (std::int64_t i = 0; i < count; ++i) {
    if (valid != nullptr &&
        !duckdb_validity_row_is_valid(const_cast<std::uint64_t*>(valid), static_cast<idx_t>(from + i))) {
      builder.push_null();
      continue;
    }
    append_vector(builder.child(0), child, static_cast<std::int64_t>(entries[i].offset),
                  static_cast<std::int64_t>(entries[i].length));
    builder.end_row();
  }
}

// Where a text lies, and its length.
std::pair<const char*, std::uint32_t> text_of(const duckdb_string_t& text) {
  const std::uint32_t length = text.value.inlined.length;
  return {length <= sizeof text.value.inlined.inlined ? text.value.inlined.inlined : text.value.pointer.ptr, length};
}

void append_texts(ColumnBuilder& builder, duckdb_vector vector, const std::uint64_t* valid, std::int64_t from,
                  std::int64_t count) {
  const auto* texts = static_cast<const duckdb_string_t*>(duckdb_vector_get_data(vector)) + from;
  if (valid == nullptr) {
    std::int64_t bytes = 0;
    for (std::int64_t i = 0; i < count; ++i) bytes += texts[i].value.inlined.length;
    const ColumnBuilder::Texts to = builder.extend_texts(count, bytes);
    constexpr std::size_t kShort = sizeof texts[0].value.inlined.inlined;
    static_assert(ColumnBuilder::kSlack >= kShort);
    std::size_t at = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto [data, length] = text_of(texts[i]);
      // A short one is copied with what follows it: always as many bytes, in place of a call.
      std::memcpy(to.bytes + at, data, length <= kShort ? kShort : length);
      at += length;
      to.ends[i] = to.base + static_cast<std::int64_t>(at);
    }
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::uint64_t>(from + i);
    if ((valid[row / 64] >> row % 64 & 1) == 0) {
      builder.push_null();
    } else {
      const auto [data, length] = text_of(texts[i]);
      builder.push_text({data, length});
    }
  }
}

void append_vector(ColumnBuilder& builder, duckdb_vector vector, std::int64_t from, std::int64_t count) {
  const std::uint64_t* valid = duckdb_vector_get_validity(vector);
  const Kind kind = builder.type().kind;
  if (kind == Kind::list) return append_lists(builder, vector, valid, from, count);
  if (kind == Kind::text || kind == Kind::bytes) return append_texts(builder, vector, valid, from, count);
  const std::int64_t before = builder.rows();
  if (kind == Kind::array) {
    const auto size = static_cast<std::int64_t>(builder.type().array_size);
    append_vector(builder.child(0), duckdb_array_vector_get_child(vector), from * size, count * size);
    for (std::int64_t i = 0; i < count; ++i) builder.end_row();
  } else if (kind == Kind::record) {
    for (std::size_t i = 0; i < builder.type().children.size(); ++i) {
      append_vector(builder.child(i), duckdb_struct_vector_get_child(vector, i), from, count);
    }
    for (std::int64_t i = 0; i < count; ++i) builder.end_row();
  } else {
    const auto width = static_cast<std::size_t>(width_bytes(kind));
    const auto* data = static_cast<const std::byte*>(duckdb_vector_get_data(vector));
    std::memcpy(builder.extend(count), data + static_cast<std::size_t>(from) * width,
                static_cast<std::size_t>(count) * width);
  }
  if (valid == nullptr) return;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto row = static_cast<std::uint64_t>(from + i);
    if ((valid[row / 64] >> row % 64 & 1) == 0) builder.set_null(before + i);
  }
}

}  // namespace

EngineType type_of(duckdb_logical_type logical) {
  const char* const named = duckdb_logical_type_get_alias(logical);
  const bool json = named != nullptr && std::string_view(named) == "JSON";
  duckdb_free(const_cast<char*>(named));
  switch (duckdb_get_type_id(logical)) {
    case DUCKDB_TYPE_BOOLEAN:
      return {Kind::boolean};
    case DUCKDB_TYPE_TINYINT:
      return {Kind::int8};
    case DUCKDB_TYPE_SMALLINT:
      return {Kind::int16};
    case DUCKDB_TYPE_INTEGER:
      return {Kind::int32};
    case DUCKDB_TYPE_BIGINT:
      return {Kind::int64};
    case DUCKDB_TYPE_UTINYINT:
      return {Kind::uint8};
    case DUCKDB_TYPE_USMALLINT:
      return {Kind::uint16};
    case DUCKDB_TYPE_UINTEGER:
      return {Kind::uint32};
    case DUCKDB_TYPE_UBIGINT:
      return {Kind::uint64};
    case DUCKDB_TYPE_FLOAT:
      return {Kind::float32};
    case DUCKDB_TYPE_DOUBLE:
      return {Kind::float64};
    case DUCKDB_TYPE_DATE:
      return {Kind::date};
    case DUCKDB_TYPE_TIMESTAMP:
      return {Kind::timestamp};
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return {Kind::timestamp, false};
    case DUCKDB_TYPE_VARCHAR:
      return {Kind::text, !json};
    case DUCKDB_TYPE_BLOB:
      return {Kind::bytes};
    case DUCKDB_TYPE_DECIMAL:
      return {Kind::float64, false};
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
      return {Kind::int64, false};
    case DUCKDB_TYPE_SQLNULL:
      return {Kind::int32, false};
    case DUCKDB_TYPE_LIST: {
      const LogicalType child(duckdb_list_type_child_type(logical));
      EngineType element = type_of(child.get());
      return {Type::list_of(std::move(element.type)), element.exact};
    }
    case DUCKDB_TYPE_ARRAY: {
      const LogicalType child(duckdb_array_type_child_type(logical));
      EngineType element = type_of(child.get());
      return {Type::array_of(std::move(element.type), duckdb_array_type_array_size(logical)), element.exact};
    }
    case DUCKDB_TYPE_STRUCT: {
      std::vector<Field> fields;
      bool exact = true;
      for (idx_t i = 0; i < duckdb_struct_type_child_count(logical); ++i) {
        const LogicalType child(duckdb_struct_type_child_type(logical, i));
        char* name = duckdb_struct_type_child_name(logical, i);
        EngineType field = type_of(child.get());
        exact &= field.exact;
        fields.push_back({name, std::move(field.type)});
        duckdb_free(name);
      }
      return {Type::record_of(std::move(fields)), exact};
    }
    default:
      return {Kind::text, false};
  }
}

duckdb_logical_type logical_type_of(const Type& type) {
  switch (type.kind) {
    case Kind::boolean:
      return duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    case Kind::int8:
      return duckdb_create_logical_type(DUCKDB_TYPE_TINYINT);
    case Kind::int16:
      return duckdb_create_logical_type(DUCKDB_TYPE_SMALLINT);
    case Kind::int32:
      return duckdb_create_logical_type(DUCKDB_TYPE_INTEGER);
    case Kind::int64:
      return duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    case Kind::uint8:
      return duckdb_create_logical_type(DUCKDB_TYPE_UTINYINT);
    case Kind::uint16:
      return duckdb_create_logical_type(DUCKDB_TYPE_USMALLINT);
    case Kind::uint32:
      return duckdb_create_logical_type(DUCKDB_TYPE_UINTEGER);
    case Kind::uint64:
      return duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    case Kind::float32:
      return duckdb_create_logical_type(DUCKDB_TYPE_FLOAT);
    case Kind::float64:
      return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case Kind::date:
      return duckdb_create_logical_type(DUCKDB_TYPE_DATE);
    case Kind::timestamp:
      return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case Kind::text:
      return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    case Kind::bytes:
      return duckdb_create_logical_type(DUCKDB_TYPE_BLOB);
    case Kind::list: {
      const LogicalType element(logical_type_of(type.children[0].type));
      return duckdb_create_list_type(element.get());
    }
    case Kind::array: {
      const LogicalType element(logical_type_of(type.children[0].type));
      return duckdb_create_array_type(element.get(), type.array_size);
    }
    case Kind::record:
      break;
  }
  std::vector<LogicalType> fields;
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (const Field& field : type.children) {
    types.push_back(fields.emplace_back(logical_type_of(field.type)).get());
    names.push_back(field.name.c_str());
  }
  return duckdb_create_struct_type(types.data(), names.data(), types.size());
}

ChunkReader::ChunkReader(const Schema& schema) : schema_(schema) {
  for (const Field& field : schema.fields()) columns_.emplace_back(field.type);
}

void ChunkReader::reserve(std::int64_t rows) {
  expected_ = rows;
  for (ColumnBuilder& column : columns_) column.reserve(rows);
}

void ChunkReader::append(duckdb_data_chunk chunk, std::int64_t from, std::int64_t count) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    append_vector(columns_[i], duckdb_data_chunk_get_vector(chunk, i), from, count);
  }
  const bool first = rows_ == 0;
  rows_ += count;
  if (!first) return;
  for (ColumnBuilder& column : columns_) column.reserve_like(expected_ - rows_);
}

Block ChunkReader::finish() {
  std::vector<Column> columns;
  for (ColumnBuilder& column : columns_) columns.push_back(column.finish());
  return Block(schema_, std::move(columns), std::exchange(rows_, 0));
}

}  // namespace manta::data::engine

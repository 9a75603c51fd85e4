#include <algorithm>
#include <cstring>

#include <manta/data/block.h>
#include <manta/data/builder.h>

namespace manta::data {

namespace {

bool has_offsets(Kind kind) { return kind == Kind::text || kind == Kind::bytes || kind == Kind::list; }

[[noreturn]] void throw_parts(const Type& type, const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "data: a column of type " + to_string(type) + " " + what);
}

Buffer part_of(const Buffer& buffer, std::size_t from, std::size_t size) {
  return {buffer.data + from, size, buffer.keepalive};
}

}  // namespace

namespace detail {

void throw_wrong_kind(const Type& is, std::string_view wanted) {
  throw Error(ErrorCode::invalid_argument, "data: a column has the type " + to_string(is) + ", not " +
                                               std::string(wanted) + "; read it as its own type, or cast it first");
}

}  // namespace detail

Column::Column(Type type, Parts parts) : type_(std::move(type)), parts_(std::move(parts)) {
  const auto rows = static_cast<std::size_t>(parts_.rows);
  if (parts_.values.size_bytes < rows * width_bytes(type_.kind)) throw_parts(type_, "has too few values for its rows");
  if (has_offsets(type_.kind) && parts_.offsets.size_bytes < (rows + 1) * sizeof(std::int64_t)) {
    throw_parts(type_, "has too few offsets for its rows");
  }
  if (parts_.nulls.data != nullptr && parts_.nulls.size_bytes * 8 < rows + static_cast<std::size_t>(parts_.first_bit)) {
    throw_parts(type_, "has too short a bitmap of nulls");
  }
  if (parts_.children.size() != type_.children.size()) throw_parts(type_, "has the wrong number of children");
  for (std::size_t i = 0; i < parts_.children.size(); ++i) {
    const Column& child = parts_.children[i];
    if (!(child.type() == type_.children[i].type)) throw_parts(type_, "has a child of type " + to_string(child.type()));
    const std::int64_t wanted =
        type_.kind == Kind::array ? parts_.rows * static_cast<std::int64_t>(type_.array_size) : parts_.rows;
    if (type_.kind != Kind::list && child.rows() != wanted) {
      throw_parts(type_, "has " + std::to_string(parts_.rows) + " rows, but a child of " +
                             std::to_string(child.rows()) + " rows");
    }
  }
}

bool Column::holds(Kind kind) const {
  return type_.kind == kind || (type_.kind == Kind::date && kind == Kind::int32) ||
         (type_.kind == Kind::timestamp && kind == Kind::int64) || (type_.kind == Kind::boolean && kind == Kind::uint8);
}

std::int64_t Column::null_count() const {
  std::int64_t count = 0;
  for (std::int64_t row = 0; has_nulls() && row < parts_.rows; ++row) count += is_null(row) ? 1 : 0;
  return count;
}

std::pair<std::int64_t, std::int64_t> Column::elements(std::int64_t row) const {
  if (type_.kind == Kind::array) {
    const auto size = static_cast<std::int64_t>(type_.array_size);
    return {row * size, (row + 1) * size};
  }
  if (type_.kind != Kind::list) detail::throw_wrong_kind(type_, "a list");
  const auto* offsets = reinterpret_cast<const std::int64_t*>(parts_.offsets.data);
  return {offsets[row] - parts_.first_offset, offsets[row + 1] - parts_.first_offset};
}

Column Column::slice(std::int64_t from, std::int64_t count) const {
  from = std::clamp<std::int64_t>(from, 0, parts_.rows);
  count = std::clamp<std::int64_t>(count, 0, parts_.rows - from);
  if (from == 0 && count == parts_.rows) return *this;
  Parts parts;
  parts.rows = count;
  parts.first_offset = parts_.first_offset;
  const std::size_t width = width_bytes(type_.kind);
  if (width != 0) {
    parts.values =
        part_of(parts_.values, static_cast<std::size_t>(from) * width, static_cast<std::size_t>(count) * width);
  } else if (has_offsets(type_.kind)) {
    const auto* offsets = reinterpret_cast<const std::int64_t*>(parts_.offsets.data);
    parts.offsets = part_of(parts_.offsets, static_cast<std::size_t>(from) * sizeof(std::int64_t),
                            static_cast<std::size_t>(count + 1) * sizeof(std::int64_t));
    const std::int64_t first = offsets[from] - parts_.first_offset, size = offsets[from + count] - offsets[from];
    if (type_.kind == Kind::list) {
      parts.children.push_back(parts_.children[0].slice(first, size));
    } else {
      parts.values = part_of(parts_.values, static_cast<std::size_t>(first), static_cast<std::size_t>(size));
    }
    parts.first_offset = offsets[from];
  } else {
    const std::int64_t each = type_.kind == Kind::array ? static_cast<std::int64_t>(type_.array_size) : 1;
    for (const Column& child : parts_.children) parts.children.push_back(child.slice(from * each, count * each));
  }
  if (has_nulls()) {
    const std::int64_t bit = parts_.first_bit + from;
    parts.first_bit = bit % 8;
    parts.nulls = part_of(parts_.nulls, static_cast<std::size_t>(bit / 8),
                          static_cast<std::size_t>((parts.first_bit + count + 7) / 8));
  }
  return Column(type_, std::move(parts));
}

std::size_t Column::size_bytes() const {
  std::size_t bytes = parts_.values.size_bytes + parts_.offsets.size_bytes + parts_.nulls.size_bytes;
  for (const Column& child : parts_.children) bytes += child.size_bytes();
  return bytes;
}

Column column_of(std::span<const std::string> texts) {
  ColumnBuilder builder(Kind::text);
  for (const std::string& text : texts) builder.push_text(text);
  return builder.finish();
}

Block::Block(Schema schema, std::vector<Column> columns)
    : Block(std::move(schema), std::move(columns), columns.empty() ? 0 : columns.front().rows()) {}

Block::Block(Schema schema, std::vector<Column> columns, std::int64_t rows)
    : schema_(std::move(schema)), columns_(std::move(columns)), rows_(rows) {
  if (columns_.size() != schema_.size()) {
    throw Error(ErrorCode::invalid_argument, "data: a block with " + std::to_string(columns_.size()) +
                                                 " columns was given a schema of " + std::to_string(schema_.size()));
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const std::string name = "data: column \"" + schema_[i].name + "\" of a block ";
    if (!(columns_[i].type() == schema_[i].type)) {
      throw Error(ErrorCode::invalid_argument, name + "has the type " + to_string(columns_[i].type()) +
                                                   ", but the schema says " + to_string(schema_[i].type));
    }
    if (columns_[i].rows() != rows_) {
      throw Error(ErrorCode::invalid_argument, name + "has " + std::to_string(columns_[i].rows()) +
                                                   " rows, but the block has " + std::to_string(rows_));
    }
  }
}

Block::Block(const Schema& schema) : schema_(schema) {
  for (const Field& field : schema.fields()) columns_.push_back(ColumnBuilder(field.type).finish());
}

Block Block::slice(std::int64_t from, std::int64_t count) const {
  from = std::clamp<std::int64_t>(from, 0, rows_);
  count = std::clamp<std::int64_t>(count, 0, rows_ - from);
  Block part;
  part.schema_ = schema_;
  part.rows_ = count;
  for (const Column& column : columns_) part.columns_.push_back(column.slice(from, count));
  return part;
}

Block Block::take(std::span<const std::int64_t> rows) const {
  std::vector<std::pair<std::uint32_t, std::int64_t>> picks;
  picks.reserve(rows.size());
  for (const std::int64_t row : rows) picks.emplace_back(0, row);
  return gather({this, 1}, picks);
}

Block Block::gather(std::span<const Block> blocks, std::span<const std::pair<std::uint32_t, std::int64_t>> rows) {
  std::vector<ColumnBuilder::Pick> picks;
  picks.reserve(rows.size());
  for (const auto& [block, row] : rows) picks.push_back({block, row});
  const Schema& schema = blocks.front().schema_;
  std::vector<Column> columns;
  for (std::size_t i = 0; i < schema.size(); ++i) {
    std::vector<const Column*> from;
    for (const Block& block : blocks) from.push_back(&block.column(i));
    ColumnBuilder builder(schema[i].type);
    builder.reserve(static_cast<std::int64_t>(rows.size()));
    builder.append(from, picks);
    columns.push_back(builder.finish());
  }
  return Block(schema, std::move(columns), static_cast<std::int64_t>(rows.size()));
}

Block Block::with(std::string name, Column column) const {
  std::vector<Field> fields = schema_.fields();
  std::vector<Column> columns = columns_;
  const std::int64_t rows = columns_.empty() ? column.rows() : rows_;
  const std::optional<std::size_t> position = schema_.find(name);
  if (position) {
    fields[*position].type = column.type();
    columns[*position] = std::move(column);
  } else {
    fields.push_back({std::move(name), column.type()});
    columns.push_back(std::move(column));
  }
  return Block(Schema(std::move(fields)), std::move(columns), rows);
}

Block Block::concat(std::span<const Block> blocks) {
  if (blocks.empty()) return {};
  if (blocks.size() == 1) return blocks.front();
  std::int64_t rows = 0;
  for (const Block& block : blocks) {
    rows += block.rows_;
    if (block.schema_ == blocks.front().schema_) continue;
    throw Error(ErrorCode::invalid_argument, "data: blocks with different columns cannot be joined into one:\n" +
                                                 blocks.front().schema_.to_string() + "and\n" +
                                                 block.schema_.to_string());
  }
  std::vector<Column> columns;
  for (std::size_t i = 0; i < blocks.front().columns_.size(); ++i) {
    ColumnBuilder builder(blocks.front().columns_[i].type());
    builder.reserve(rows);
    for (const Block& block : blocks) builder.append(block.columns_[i], 0, block.rows_);
    columns.push_back(builder.finish());
  }
  return Block(blocks.front().schema_, std::move(columns), rows);
}

std::size_t Block::size_bytes() const {
  std::size_t bytes = 0;
  for (const Column& column : columns_) bytes += column.size_bytes();
  return bytes;
}

}  // namespace manta::data

namespace manta::serial {

void Codec<manta::data::Column>::save(Writer& writer, const manta::data::Column& column) {
  const manta::data::Column::Parts& parts = column.parts();
  writer(column.type());
  writer.put_size(static_cast<std::uint64_t>(parts.rows));
  writer.put_size(static_cast<std::uint64_t>(parts.first_bit));
  writer.put_size(static_cast<std::uint64_t>(parts.first_offset));
  writer.put_buffer(parts.values);
  writer.put_buffer(parts.offsets);
  writer.put_size(column.has_nulls() ? 1 : 0);
  if (column.has_nulls()) writer.put_buffer(parts.nulls);
  for (const manta::data::Column& child : parts.children) save(writer, child);
}

void Codec<manta::data::Column>::load(Reader& reader, manta::data::Column& column) {
  manta::data::Type type;
  reader(type);
  manta::data::Column::Parts parts;
  const auto number = [&reader] {
    const std::uint64_t value = reader.get_size();
    if (value > std::uint64_t{1} << 56) reader.fail("a column of " + std::to_string(value) + " rows");
    return static_cast<std::int64_t>(value);
  };
  parts.rows = number();
  parts.first_bit = number();
  parts.first_offset = number();
  parts.values = reader.get_buffer();
  parts.offsets = reader.get_buffer();
  if (reader.get_size() != 0) parts.nulls = reader.get_buffer();
  for (std::size_t i = 0; i < type.children.size(); ++i) load(reader, parts.children.emplace_back());
  if (type.kind == manta::data::Kind::text || type.kind == manta::data::Kind::bytes ||
      type.kind == manta::data::Kind::list) {
    // What tasks of another process wrote is not trusted with addresses.
    const auto count = static_cast<std::size_t>(parts.rows) + 1;
    if (parts.offsets.size_bytes / sizeof(std::int64_t) < count) reader.fail("a column with too few offsets");
    const auto* offsets = reinterpret_cast<const std::int64_t*>(parts.offsets.data);
    const std::int64_t end = type.kind == manta::data::Kind::list ? parts.children[0].rows()
                                                                  : static_cast<std::int64_t>(parts.values.size_bytes);
    bool in_order = offsets[0] >= parts.first_offset && offsets[count - 1] - parts.first_offset <= end;
    for (std::size_t i = 1; i < count; ++i) in_order &= offsets[i - 1] <= offsets[i];
    if (!in_order) reader.fail("a column whose offsets are not in order");
  }
  column = manta::data::Column(std::move(type), std::move(parts));
}

void Codec<manta::data::Block>::save(Writer& writer, const manta::data::Block& block) {
  writer(block.schema());
  writer.put_size(static_cast<std::uint64_t>(block.rows()));
  for (const manta::data::Column& column : block.columns()) Codec<manta::data::Column>::save(writer, column);
}

void Codec<manta::data::Block>::load(Reader& reader, manta::data::Block& block) {
  manta::data::Schema schema;
  reader(schema);
  const std::uint64_t rows = reader.get_size();
  if (rows > std::uint64_t{1} << 56) reader.fail("a block of " + std::to_string(rows) + " rows");
  std::vector<manta::data::Column> columns(schema.size());
  for (manta::data::Column& column : columns) Codec<manta::data::Column>::load(reader, column);
  block = manta::data::Block(std::move(schema), std::move(columns), static_cast<std::int64_t>(rows));
}

}  // namespace manta::serial

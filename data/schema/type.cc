#include <algorithm>
#include <numeric>

#include <manta/data/type.h>
#include <manta/error.h>

namespace manta::data {

namespace {

constexpr std::size_t kMaxTypeDepth = 64;

// Levenshtein's distance, without regard to case.
std::size_t distance(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

void save_type(serial::Writer& writer, const Type& type) {
  writer.put_size(static_cast<std::uint64_t>(type.kind));
  writer.put_size(type.array_size);
  writer.put_size(type.children.size());
  for (const Field& child : type.children) {
    writer(child.name);
    save_type(writer, child.type);
  }
}

void load_type(serial::Reader& reader, Type& type, std::size_t depth) {
  if (depth > kMaxTypeDepth) reader.fail("a type of a column that nests too deep");
  const std::uint64_t kind = reader.get_size();
  if (kind > static_cast<std::uint64_t>(Kind::record)) reader.fail("kind " + std::to_string(kind) + " of a column");
  type.kind = static_cast<Kind>(kind);
  type.array_size = reader.get_size();
  type.children.resize(reader.get_count(4));
  for (Field& child : type.children) {
    reader(child.name);
    load_type(reader, child.type, depth + 1);
  }
  const std::size_t children = type.children.size();
  const bool one = type.kind == Kind::list || type.kind == Kind::array;
  if (one ? children != 1 : type.kind != Kind::record && children != 0) reader.fail("a malformed type of a column");
}

}  // namespace

Type Type::list_of(Type element) {
  Type type(Kind::list);
  type.children.push_back({"element", std::move(element)});
  return type;
}

Type Type::array_of(Type element, std::uint64_t size) {
  Type type(Kind::array);
  type.array_size = size;
  type.children.push_back({"element", std::move(element)});
  return type;
}

Type Type::record_of(std::vector<Field> fields) {
  Type type(Kind::record);
  type.children = std::move(fields);
  return type;
}

bool operator==(const Type& a, const Type& b) {
  if (a.kind != b.kind || a.array_size != b.array_size || a.children.size() != b.children.size()) return false;
  for (std::size_t i = 0; i < a.children.size(); ++i) {
    if (a.kind == Kind::record && a.children[i].name != b.children[i].name) return false;
    if (!(a.children[i].type == b.children[i].type)) return false;
  }
  return true;
}

std::string to_string(const Type& type) {
  switch (type.kind) {
    case Kind::boolean:
      return "BOOLEAN";
    case Kind::int8:
      return "TINYINT";
    case Kind::int16:
      return "SMALLINT";
    case Kind::int32:
      return "INTEGER";
    case Kind::int64:
      return "BIGINT";
    case Kind::uint8:
      return "UTINYINT";
    case Kind::uint16:
      return "USMALLINT";
    case Kind::uint32:
      return "UINTEGER";
    case Kind::uint64:
      return "UBIGINT";
    case Kind::float32:
      return "FLOAT";
    case Kind::float64:
      return "DOUBLE";
    case Kind::date:
      return "DATE";
    case Kind::timestamp:
      return "TIMESTAMP";
    case Kind::text:
      return "VARCHAR";
    case Kind::bytes:
      return "BLOB";
    case Kind::list:
      return to_string(type.children.at(0).type) + "[]";
    case Kind::array:
      return to_string(type.children.at(0).type) + "[" + std::to_string(type.array_size) + "]";
    case Kind::record:
      break;
  }
  std::string text = "STRUCT(";
  for (const Field& child : type.children) {
    if (text.back() != '(') text += ", ";
    text += quoted_name(child.name) + " " + to_string(child.type);
  }
  return text + ")";
}

std::size_t width_bytes(Kind kind) {
  switch (kind) {
    case Kind::boolean:
    case Kind::int8:
    case Kind::uint8:
      return 1;
    case Kind::int16:
    case Kind::uint16:
      return 2;
    case Kind::int32:
    case Kind::uint32:
    case Kind::float32:
    case Kind::date:
      return 4;
    case Kind::int64:
    case Kind::uint64:
    case Kind::float64:
    case Kind::timestamp:
      return 8;
    default:
      return 0;
  }
}

bool is_integer(Kind kind) { return kind >= Kind::int8 && kind <= Kind::uint64; }
bool is_number(Kind kind) { return kind >= Kind::int8 && kind <= Kind::float64; }

std::string quoted_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (c == '"') text += '"';
    text += c;
  }
  return text + "\"";
}

Schema::Schema(std::vector<Field> fields) : fields_(std::move(fields)) {
  std::vector<std::string_view> names;
  for (const Field& field : fields_) names.push_back(field.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw Error(ErrorCode::invalid_argument,
                "data: two columns have the name \"" + std::string(*twice) + "\"; rename or leave out one of them");
  }
}

std::optional<std::size_t> Schema::find(std::string_view name) const {
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].name == name) return i;
  }
  return std::nullopt;
}

std::size_t Schema::at(std::string_view name, std::string_view where) const {
  const std::optional<std::size_t> position = find(name);
  if (!position) throw_no_column(*this, name, where);
  return *position;
}

std::string Schema::to_string() const {
  std::size_t width = 0;
  for (const Field& field : fields_) width = std::max(width, field.name.size());
  std::string text;
  for (const Field& field : fields_) {
    text += field.name + std::string(width - field.name.size() + 2, ' ') + data::to_string(field.type) + "\n";
  }
  return text;
}

void throw_no_column(const Schema& schema, std::string_view name, std::string_view where) {
  const Field* nearest = nullptr;
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const Field& field : schema.fields()) {
    const std::size_t steps = distance(name, field.name);
    if (steps < least) {
      least = steps;
      nearest = &field;
    }
  }
  std::string message = where.empty() ? "data" : std::string(where);
  message += ": there is no column \"" + std::string(name) + "\"";
  if (nearest != nullptr) message += "; did you mean \"" + nearest->name + "\" (" + to_string(nearest->type) + ")?";
  constexpr std::size_t kListed = 20;
  message += nearest != nullptr ? " All columns: " : "; there are: ";
  for (std::size_t i = 0; i < schema.size() && i < kListed; ++i) {
    message += (i == 0 ? "" : ", ") + schema[i].name + " " + to_string(schema[i].type);
  }
  if (schema.size() > kListed) message += ", and " + std::to_string(schema.size() - kListed) + " more";
  throw Error(ErrorCode::invalid_argument, std::move(message));
}

}  // namespace manta::data

void manta::serial::Codec<manta::data::Type>::save(Writer& writer, const manta::data::Type& type) {
  manta::data::save_type(writer, type);
}
void manta::serial::Codec<manta::data::Type>::load(Reader& reader, manta::data::Type& type) {
  manta::data::load_type(reader, type, 0);
}
void manta::serial::Codec<manta::data::Schema>::save(Writer& writer, const manta::data::Schema& schema) {
  writer.put_size(schema.size());
  for (const manta::data::Field& field : schema.fields()) {
    writer(field.name);
    manta::data::save_type(writer, field.type);
  }
}
void manta::serial::Codec<manta::data::Schema>::load(Reader& reader, manta::data::Schema& schema) {
  std::vector<manta::data::Field> fields(reader.get_count(4));
  for (manta::data::Field& field : fields) {
    reader(field.name);
    manta::data::load_type(reader, field.type, 0);
  }
  schema = manta::data::Schema(std::move(fields));
}

#include "data/engine/arrow_export.h"

#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace manta::data::engine {

namespace {

// What an exported schema points to.
struct SchemaParts {
  std::string format, name;
  std::vector<ArrowSchema> children;
  std::vector<ArrowSchema*> pointers;
};

// What an exported array points to.
struct ArrayParts {
  Column column;
  std::vector<std::uint8_t> bits;  // of booleans
  std::vector<std::uint8_t> nulls;
  const void* buffers[3] = {};
  std::vector<ArrowArray> children;
  std::vector<ArrowArray*> pointers;
};

std::string format_of(const Type& type) {
  switch (type.kind) {
    case Kind::boolean:
      return "b";
    case Kind::int8:
      return "c";
    case Kind::int16:
      return "s";
    case Kind::int32:
      return "i";
    case Kind::int64:
      return "l";
    case Kind::uint8:
      return "C";
    case Kind::uint16:
      return "S";
    case Kind::uint32:
      return "I";
    case Kind::uint64:
      return "L";
    case Kind::float32:
      return "f";
    case Kind::float64:
      return "g";
    case Kind::date:
      return "tdD";
    case Kind::timestamp:
      return "tsu:";
    case Kind::text:
      return "U";
    case Kind::bytes:
      return "Z";
    case Kind::list:
      return "+L";
    case Kind::array:
      return "+w:" + std::to_string(type.array_size);
    case Kind::record:
      return "+s";
  }
  return "n";
}

// Releases what is still owned of children, then itself, as the interface asks.
template <class Exported, class Parts>
void release(Exported* exported) {
  for (std::int64_t i = 0; i < exported->n_children; ++i) {
    Exported* child = exported->children[i];
    if (child->release != nullptr) child->release(child);
  }
  delete static_cast<Parts*>(exported->private_data);
  exported->release = nullptr;
}

void export_field(const std::string& name, const Type& type, ArrowSchema& out) {
  auto parts = std::make_unique<SchemaParts>();
  parts->format = format_of(type);
  parts->name = name;
  parts->children.resize(type.children.size());
  constexpr std::int64_t kNullable = 2;
  for (std::size_t i = 0; i < type.children.size(); ++i) {
    export_field(type.children[i].name, type.children[i].type, parts->children[i]);
    parts->pointers.push_back(&parts->children[i]);
  }
  out = {};
  out.format = parts->format.c_str();
  out.name = parts->name.c_str();
  out.flags = kNullable;
  out.n_children = static_cast<std::int64_t>(parts->children.size());
  out.children = parts->pointers.data();
  out.release = &release<ArrowSchema, SchemaParts>;
  out.private_data = parts.release();
}

void export_column(const Column& column, ArrowArray& out) {
  auto parts = std::make_unique<ArrayParts>();
  parts->column = column;
  const Column::Parts& from = parts->column.parts();
  const Kind kind = column.type().kind;
  const auto rows = static_cast<std::size_t>(from.rows);
  out = {};
  out.length = from.rows;
  out.null_count = column.has_nulls() ? -1 : 0;
  out.n_buffers = 2;
  if (column.has_nulls() && from.first_bit == 0) {
    parts->buffers[0] = from.nulls.data;
  } else if (column.has_nulls()) {  // the values start at the first row, the bits do not
    parts->nulls.resize((rows + 7) / 8);
    for (std::size_t i = 0; i < rows; ++i) {
      if (!column.is_null(static_cast<std::int64_t>(i))) parts->nulls[i / 8] |= static_cast<std::uint8_t>(1U << i % 8);
    }
    parts->buffers[0] = parts->nulls.data();
  }
  if (kind == Kind::boolean) {
    parts->bits.resize((rows + 7) / 8);
    for (std::size_t i = 0; i < rows; ++i) {
      if (from.values.data[i] != std::byte{0}) parts->bits[i / 8] |= static_cast<std::uint8_t>(1U << i % 8);
    }
    parts->buffers[1] = parts->bits.data();
  } else if (kind == Kind::text || kind == Kind::bytes) {
    out.n_buffers = 3;
    parts->buffers[1] = from.offsets.data;
    // Offsets count from where the unsliced column's bytes begin; nothing before the slice's own is read.
    parts->buffers[2] = reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(from.values.data) -
                                                      static_cast<std::uintptr_t>(from.first_offset));
  } else if (kind == Kind::list) {
    parts->buffers[1] = from.offsets.data;
  } else if (kind == Kind::array || kind == Kind::record) {
    out.n_buffers = 1;
  } else {
    parts->buffers[1] = from.values.data;
  }
  parts->children.resize(from.children.size());
  for (std::size_t i = 0; i < from.children.size(); ++i) {
    const Column& child = from.children[i];
    if (kind == Kind::list && from.first_offset != 0) {
      // A sliced list: offsets that start at zero, as the child's rows do.
      parts->bits.resize((rows + 1) * sizeof(std::int64_t));
      const auto* offsets = reinterpret_cast<const std::int64_t*>(from.offsets.data);
      for (std::size_t row = 0; row <= rows; ++row) {
        const std::int64_t offset = offsets[row] - from.first_offset;
        std::memcpy(parts->bits.data() + row * sizeof offset, &offset, sizeof offset);
      }
      parts->buffers[1] = parts->bits.data();
    }
    export_column(child, parts->children[i]);
    parts->pointers.push_back(&parts->children[i]);
  }
  out.n_children = static_cast<std::int64_t>(parts->children.size());
  out.children = parts->pointers.data();
  out.buffers = parts->buffers;
  out.release = &release<ArrowArray, ArrayParts>;
  out.private_data = parts.release();
}

}  // namespace

void export_schema(const Schema& schema, ArrowSchema& out) { export_field("", Type::record_of(schema.fields()), out); }

void export_block(const Block& block, ArrowArray& out) {
  Column::Parts parts;
  parts.rows = block.rows();
  parts.children = block.columns();
  export_column(Column(Type::record_of(block.schema().fields()), std::move(parts)), out);
}

}  // namespace manta::data::engine

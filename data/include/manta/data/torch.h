/// Columns as tensors. Include it beside <manta/data.h> in programs with LibTorch, and link manta::torch.
///
///     for (const manta::data::Block& batch : shard.batches(64)) {
///       torch::Tensor image = batch["image"], label = batch["label"];
///     }
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

#include <manta/data/block.h>
#include <manta/data/detail/kernels.h>
#include <manta/torch.h>

namespace manta::data {

/// A batch for map_batches: tensors by column. Columns that are no numbers or arrays of numbers are left out.
using TensorBatch = std::map<std::string, at::Tensor>;

namespace detail {

/// Throws Error(invalid_argument) where no tensor has this type.
inline c10::ScalarType scalar_type_of(const Type& type) {
  switch (type.kind) {
    case Kind::boolean:
      return c10::ScalarType::Bool;
    case Kind::int8:
      return c10::ScalarType::Char;
    case Kind::uint8:
      return c10::ScalarType::Byte;
    case Kind::int16:
      return c10::ScalarType::Short;
    case Kind::int32:
      return c10::ScalarType::Int;
    case Kind::int64:
      return c10::ScalarType::Long;
    case Kind::uint16:
      return c10::ScalarType::UInt16;
    case Kind::uint32:
      return c10::ScalarType::UInt32;
    case Kind::uint64:
      return c10::ScalarType::UInt64;
    case Kind::float32:
      return c10::ScalarType::Float;
    case Kind::float64:
      return c10::ScalarType::Double;
    default:
      throw_wrong_kind(type, "a number or an array of numbers, which a tensor holds");
  }
}

inline bool is_tensor_type(const Type& type) {
  if (type.kind == Kind::array) return is_tensor_type(type.children[0].type);
  return type.kind == Kind::boolean || is_number(type.kind);
}

/// A view of the column's memory, of the shape {rows, sizes of arrays ...}. Nothing is copied: do not write to it in
/// place. Nulls have no value: fill or leave them out first.
template <>
struct FromColumn<at::Tensor> {
  static at::Tensor from(const Column& column) {
    std::vector<std::int64_t> shape{column.rows()};
    const Column* innermost = &column;
    for (;;) {
      if (innermost->has_nulls() && innermost->null_count() != 0) {
        throw Error(ErrorCode::invalid_argument,
                    "data: a column with " + std::to_string(innermost->null_count()) +
                        " nulls cannot be a tensor; fill them first: with_column(name, col(name).or_else(0)), or leave "
                        "such rows out: filter(col(name).is_not_null())");
      }
      if (innermost->type().kind != Kind::array) break;
      shape.push_back(static_cast<std::int64_t>(innermost->type().array_size));
      innermost = &innermost->child(0);
    }
    const c10::ScalarType type = scalar_type_of(innermost->type());
    return manta::detail::tensor_over(innermost->parts().values, type, shape, ArrayOrder::row_major);
  }
};

/// The column of a tensor: a row for each index of its first dimension.
template <class T>
Column column_of_tensor(const at::Tensor& tensor) {
  const Array<T> values = array_of<T>(tensor);
  Column::Parts parts;
  parts.rows = static_cast<std::int64_t>(values.size());
  parts.values = values.buffer();
  Column column(kind_of<T>, std::move(parts));
  for (std::size_t i = values.shape().size(); i-- > 1;) {  // from the innermost dimension outwards
    const auto size = static_cast<std::uint64_t>(values.shape()[i]);
    Column::Parts outer;
    outer.rows = size == 0 ? values.shape()[0] : column.rows() / static_cast<std::int64_t>(size);
    Type type = Type::array_of(column.type(), size);
    outer.children.push_back(std::move(column));
    column = Column(std::move(type), std::move(outer));
  }
  return column;
}

}  // namespace detail

/// The column of a tensor: a row for each index of its first dimension, an array where it has more. Copied only where
/// the tensor is not contiguous. Throws Error(invalid_argument) for tensors that are not on the CPU, have no dimension,
/// or are of a type that no column has.
inline Column column_of(const at::Tensor& tensor) {
  if (tensor.dim() == 0) {
    throw Error(ErrorCode::invalid_argument,
                "data: a tensor without dimensions has no rows; unsqueeze(0) makes it one row");
  }
  switch (tensor.scalar_type()) {
    case c10::ScalarType::Byte:
      return detail::column_of_tensor<std::uint8_t>(tensor);
    case c10::ScalarType::Char:
      return detail::column_of_tensor<std::int8_t>(tensor);
    case c10::ScalarType::Short:
      return detail::column_of_tensor<std::int16_t>(tensor);
    case c10::ScalarType::Int:
      return detail::column_of_tensor<std::int32_t>(tensor);
    case c10::ScalarType::Long:
      return detail::column_of_tensor<std::int64_t>(tensor);
    case c10::ScalarType::Float:
      return detail::column_of_tensor<float>(tensor);
    case c10::ScalarType::Double:
      return detail::column_of_tensor<double>(tensor);
    default:
      throw Error(ErrorCode::invalid_argument, std::string("data: no column has the type ") +
                                                   c10::toString(tensor.scalar_type()) +
                                                   " of a tensor; convert it first");
  }
}

template <>
struct detail::BatchCodec<TensorBatch> {
  static TensorBatch from(const Block& block) {
    TensorBatch batch;
    for (std::size_t i = 0; i < block.schema().size(); ++i) {
      const Field& field = block.schema()[i];
      if (is_tensor_type(field.type)) batch.emplace(field.name, FromColumn<at::Tensor>::from(block.column(i)));
    }
    return batch;
  }
  static Block to(const TensorBatch& batch) {
    Block block;
    for (const auto& [name, tensor] : batch) block = block.with(name, column_of(tensor));
    return block;
  }
};

}  // namespace manta::data

#include <manta/array.h>

namespace manta::detail {

namespace {
std::string text_of(std::span<const std::int64_t> numbers) {
  std::string text;
  for (const std::int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return "(" + text + ")";
}
}  // namespace

void throw_array_size(std::size_t size_bytes, std::size_t element_bytes, bool aligned) {
  throw Error(ErrorCode::invalid_argument, "manta::Array: " + std::to_string(size_bytes) +
                                               " bytes are no elements of " + std::to_string(element_bytes) + " bytes" +
                                               (aligned ? "" : ": their address is not aligned") +
                                               ". Next: give the element type that was stored");
}

void throw_array_shape(std::span<const std::int64_t> shape, std::size_t size) {
  throw Error(ErrorCode::invalid_argument, "manta::Array: " + std::to_string(size) + " elements of shape " +
                                               text_of(shape) + " do not have the shape or order that is asked for");
}

void throw_array_index(std::span<const std::int64_t> shape, std::span<const std::int64_t> indices) {
  throw Error(ErrorCode::invalid_argument,
              "manta::Array: " + text_of(indices) + " is no element of shape " + text_of(shape));
}

void check_array_shape(std::span<const std::int64_t> shape, std::size_t size) {
  std::size_t elements = 1;
  for (const std::int64_t dimension : shape) {
    const bool fits = dimension >= 0 && (dimension == 0 || elements <= SIZE_MAX / static_cast<std::size_t>(dimension));
    if (!fits) throw_array_shape(shape, size);
    elements *= static_cast<std::size_t>(dimension);
  }
  if (elements != size) throw_array_shape(shape, size);
}

std::size_t array_position(std::span<const std::int64_t> shape, ArrayOrder order,
                           std::span<const std::int64_t> indices) {
  if (indices.size() != shape.size()) throw_array_index(shape, indices);
  std::size_t position = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::size_t at = order == ArrayOrder::row_major ? i : shape.size() - 1 - i;
    if (indices[at] < 0 || indices[at] >= shape[at]) throw_array_index(shape, indices);
    position = position * static_cast<std::size_t>(shape[at]) + static_cast<std::size_t>(indices[at]);
  }
  return position;
}

}  // namespace manta::detail

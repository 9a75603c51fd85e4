/// A typed, read-only array over bytes that something else keeps: elements of a stored vector, matrix or tensor, read
/// where they lie.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/buffer.h>
#include <manta/detail/shared_value.h>
#include <manta/error.h>
#include <manta/serialize.h>

namespace manta {

/// In which order the elements of an Array with a shape lie.
enum class ArrayOrder : std::uint8_t {
  row_major,     ///< The last index moves fastest, as in C, NumPy and LibTorch.
  column_major,  ///< The first index moves fastest, as in Fortran and in Eigen's matrices.
};

namespace detail {
template <class T>
concept ArrayElement = serial::detail::Bulk<T> && std::is_trivially_copyable_v<T>;
[[noreturn]] void throw_array_size(std::size_t size_bytes, std::size_t element_bytes, bool aligned);
[[noreturn]] void throw_array_shape(std::span<const std::int64_t> shape, std::size_t size);
[[noreturn]] void throw_array_index(std::span<const std::int64_t> shape, std::span<const std::int64_t> indices);
/// Throws where a dimension is negative, or where the shape does not have `size` elements.
void check_array_shape(std::span<const std::int64_t> shape, std::size_t size);
/// The position of the element; throws where the indices are not inside the shape.
std::size_t array_position(std::span<const std::int64_t> shape, ArrayOrder order,
                           std::span<const std::int64_t> indices);
}  // namespace detail

/// Elements of a plain type T (numbers, enums, std::complex, structs of such without padding), and what keeps them.
///
/// As a parameter of a task, or by get<manta::Array<T>>(ref), it reads in place what was stored as a std::vector<T>, an
/// Eigen matrix or array of T, a Buffer, a tensor of T (<manta/torch.h>), or an Array<T>. Nothing is copied from 4 KiB
/// on, however many tasks and processes of the node read it.
///
/// **Threading**: immutable; any number of threads may read. **Ownership**: copies share the elements, which live as
/// long as one of them. **Errors**: throws Error(invalid_argument) where bytes or shape do not fit.
///
///     double sum(manta::Array<double> xs) { return std::accumulate(xs.begin(), xs.end(), 0.0); }
///     auto stored = manta::put(std::vector<double>(50'000'000));
///     auto total = manta::remote<sum>(stored);
///     manta::Array<double> here = manta::get<manta::Array<double>>(stored);
template <detail::ArrayElement T>
class Array {
 public:
  using value_type = T;
  using const_iterator = const T*;

  Array() noexcept = default;
  /// Takes the vector over. An empty shape: one dimension.
  Array(std::vector<T> elements, std::vector<std::int64_t> shape = {})  // NOLINT: a vector may stand for it
      : Array(buffer_of(std::make_shared<const std::vector<T>>(std::move(elements))), std::move(shape)) {}
  /// Over the bytes of a buffer, which must be aligned for T and hold a whole number of elements.
  explicit Array(Buffer bytes, std::vector<std::int64_t> shape = {}, ArrayOrder order = ArrayOrder::row_major)
      : bytes_(std::move(bytes)), shape_(std::move(shape)), order_(order) {
    const bool aligned = reinterpret_cast<std::uintptr_t>(bytes_.data) % alignof(T) == 0;
    if (bytes_.size_bytes % sizeof(T) != 0 || !aligned) detail::throw_array_size(bytes_.size_bytes, sizeof(T), aligned);
    if (shape_.empty()) shape_.push_back(static_cast<std::int64_t>(size()));
    detail::check_array_shape(shape_, size());
  }

  const T* data() const noexcept { return reinterpret_cast<const T*>(bytes_.data); }
  std::size_t size() const noexcept { return bytes_.size_bytes / sizeof(T); }
  bool empty() const noexcept { return size() == 0; }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size(); }
  /// By position in memory; not checked.
  const T& operator[](std::size_t position) const noexcept { return data()[position]; }
  /// By one index for each dimension; checked.
  template <std::convertible_to<std::int64_t>... I>
  const T& at(I... indices) const {
    const std::int64_t all[] = {static_cast<std::int64_t>(indices)...};
    return data()[detail::array_position(shape_, order_, all)];
  }
  std::span<const T> span() const noexcept { return {data(), size()}; }
  operator std::span<const T>() const noexcept { return span(); }  // NOLINT: that is what it is

  /// Sizes of the dimensions, one for a vector. Of a default-constructed Array: none.
  const std::vector<std::int64_t>& shape() const noexcept { return shape_; }
  ArrayOrder order() const noexcept { return order_; }
  const Buffer& buffer() const noexcept { return bytes_; }
  std::vector<T> to_vector() const { return std::vector<T>(begin(), end()); }

  /// As an Eigen::Map of a matrix, vector or array type of T: xs.map<Eigen::VectorXd>(), xs.map<Eigen::MatrixXf>(). The
  /// Array must outlive the map. A matrix of the other order than order() is refused, unless it is a vector; so is one
  /// of fixed sizes that are others. A matrix of an Array with one dimension has one column.
  template <serial::detail::EigenDense M>
  requires std::same_as<typename M::Scalar, T>
  auto map() const {
    constexpr bool is_vector = +M::RowsAtCompileTime == 1 || +M::ColsAtCompileTime == 1;
    const bool same_order = (order_ == ArrayOrder::row_major) == bool(M::IsRowMajor);
    const bool one = is_vector || shape_.size() < 2;
    const auto size = static_cast<std::ptrdiff_t>(this->size());
    const std::ptrdiff_t rows = +M::RowsAtCompileTime == 1 ? 1 : one ? size : shape_[0];
    const std::ptrdiff_t columns = +M::RowsAtCompileTime == 1 ? size : one ? 1 : shape_[1];
    const auto fits = [](int fixed, std::ptrdiff_t is) { return fixed == -1 || fixed == is; };
    if (shape_.size() > 2 || (!one && !same_order) || !fits(+M::RowsAtCompileTime, rows) ||
        !fits(+M::ColsAtCompileTime, columns)) {
      detail::throw_array_shape(shape_, this->size());
    }
    return M::Map(data(), rows, columns);
  }

 private:
  static Buffer buffer_of(std::shared_ptr<const std::vector<T>> elements) {
    const auto* data = reinterpret_cast<const std::byte*>(elements->data());
    const std::size_t size_bytes = elements->size() * sizeof(T);
    return {data, size_bytes, std::move(elements)};
  }

  Buffer bytes_;
  std::vector<std::int64_t> shape_;
  ArrayOrder order_ = ArrayOrder::row_major;
};
template <class T>
Array(std::vector<T>) -> Array<T>;
template <class T>
Array(std::vector<T>, std::vector<std::int64_t>) -> Array<T>;

template <class T>
struct serial::Codec<Array<T>> {
  using Parts = std::tuple<T>;
  static void save(Writer& writer, const Array<T>& array) {
    writer.put_size(array.shape().size());
    for (const std::int64_t size : array.shape()) writer.put_size(static_cast<std::uint64_t>(size));
    writer.put_size(static_cast<std::uint64_t>(array.order()));
    writer.put_buffer(array.buffer());
  }
  static void load(Reader& reader, Array<T>& array) {
    std::vector<std::int64_t> shape(reader.get_count());
    for (std::int64_t& size : shape) size = static_cast<std::int64_t>(reader.get_size());
    const std::uint64_t order = reader.get_size();
    if (order > 1) reader.fail("an order of elements of " + std::to_string(order));
    Buffer bytes = reader.get_buffer();
    array = shape.empty() && bytes.size_bytes == 0 ? Array<T>()
                                                   : Array<T>(std::move(bytes), std::move(shape), ArrayOrder(order));
  }
};

namespace detail {

template <class T>
struct ReadAs<Array<T>, std::vector<T>> {
  static Array<T> read(serial::Reader& reader) { return Array<T>(vector_elements<T>(reader).first); }
};
template <class T>
struct ReadAs<std::vector<T>, Array<T>> {
  static std::vector<T> read(serial::Reader& reader) { return serial::decode<Array<T>>(reader).to_vector(); }
};
template <class T>
struct ReadAs<Array<T>, Buffer> {
  static Array<T> read(serial::Reader& reader) { return Array<T>(reader.get_buffer()); }
};
template <class T, serial::detail::EigenDense M>
requires std::same_as<typename M::Scalar, T>
struct ReadAs<Array<T>, M> {
  static Array<T> read(serial::Reader& reader) {
    const std::uint64_t rows = reader.get_size(), columns = reader.get_size();
    if (columns != 0 && rows > SIZE_MAX / sizeof(T) / columns) reader.fail("a matrix of too many elements");
    std::vector<std::int64_t> shape{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)};
    return Array<T>(reader.get_block(rows * columns * sizeof(T)), std::move(shape),
                    M::IsRowMajor ? ArrayOrder::row_major : ArrayOrder::column_major);
  }
};

}  // namespace detail
}  // namespace manta

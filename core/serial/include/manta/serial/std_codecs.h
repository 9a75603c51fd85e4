/// Codecs of types of the standard library, tl::expected and Eigen. Included by traits.h.
///
/// Eigen's headers are not included: its types are recognised by their members. A matrix' elements are one block, out
/// of band from 4 KiB on, like a vector's.
#pragma once

#include <algorithm>
#include <bitset>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <forward_list>
#include <iterator>
#include <limits>
#include <queue>
#include <stack>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace manta::serial {

template <class T>
struct Codec;

namespace detail {

/// std::filesystem::path, whose header is slow.
template <class T>
concept PathLike = std::is_class_v<T> && requires(const T& path) {
  typename T::string_type;
  { T::preferred_separator } -> std::convertible_to<typename T::value_type>;
  { path.native() } -> std::convertible_to<const typename T::string_type&>;
  path.lexically_normal();
};

/// An Eigen::Matrix or Array, not a map, block or expression.
template <class T>
concept EigenExpression = std::is_class_v<T> && requires(const T& m) {
  typename T::Scalar;
  typename T::PlainObject;
  { +T::RowsAtCompileTime } -> std::convertible_to<int>;
  { +T::ColsAtCompileTime } -> std::convertible_to<int>;
  m.rows();
  m.cols();
};
template <class T>
concept EigenSparse = EigenExpression<T> && requires(const T& m, T& mutable_m) {
  typename T::StorageIndex;
  m.outerIndexPtr();
  mutable_m.makeCompressed();
  mutable_m.resizeNonZeros(1);
};
template <class T>
concept EigenDense =
    EigenExpression<T> && !EigenSparse<T> && std::is_same_v<typename T::PlainObject, T> && requires(T & m) {
  m.data();
  m.resize(1, 1);
};
/// The calendar's types that are default-constructible and have no padding.
template <class T>
inline constexpr bool is_calendar = false;
template <>
inline constexpr bool is_calendar<std::chrono::day> = true;
template <>
inline constexpr bool is_calendar<std::chrono::month> = true;
template <>
inline constexpr bool is_calendar<std::chrono::year> = true;
template <>
inline constexpr bool is_calendar<std::chrono::weekday> = true;
template <>
inline constexpr bool is_calendar<std::chrono::weekday_indexed> = true;
template <>
inline constexpr bool is_calendar<std::chrono::month_day> = true;
template <>
inline constexpr bool is_calendar<std::chrono::month_weekday> = true;
template <>
inline constexpr bool is_calendar<std::chrono::year_month> = true;
template <>
inline constexpr bool is_calendar<std::chrono::year_month_day> = true;

/// Categories that every process has; null: of another one.
const std::error_category* category_of(std::string_view name);
[[noreturn]] void refuse_category(const char* name);

/// The container inside an adaptor.
template <class Adaptor>
struct Inside : Adaptor {
  static const typename Adaptor::container_type& of(const Adaptor& adaptor) { return adaptor.*(&Inside::c); }
  static typename Adaptor::container_type& of(Adaptor& adaptor) { return adaptor.*(&Inside::c); }
};
template <class Adaptor>
struct AdaptorCodec {
  using Parts = std::tuple<typename Adaptor::container_type>;
  template <class Writer>
  static void save(Writer& writer, const Adaptor& adaptor) {
    writer(Inside<Adaptor>::of(adaptor));
  }
  template <class Reader>
  static void load(Reader& reader, Adaptor& adaptor) {
    reader(Inside<Adaptor>::of(adaptor));
  }
};

template <class Code>
struct ErrorCodeCodec {
  template <class Writer>
  static void save(Writer& writer, const Code& code) {
    if (category_of(code.category().name()) != &code.category()) refuse_category(code.category().name());
    writer(std::string(code.category().name()), code.value());
  }
  template <class Reader>
  static void load(Reader& reader, Code& code) {
    std::string name;
    int value = 0;
    reader(name, value);
    const std::error_category* category = category_of(name);
    if (category == nullptr) reader.fail("an error code of category \"" + name + "\"");
    code = Code(value, *category);
  }
};

}  // namespace detail

template <class T>
requires detail::PathLike<T>
struct Codec<T> {
  template <class Writer>
  static void save(Writer& writer, const T& path) {
    writer(typename T::string_type(path.native()));
  }
  template <class Reader>
  static void load(Reader& reader, T& path) {
    typename T::string_type text;
    reader(text);
    path = T(std::move(text));
  }
};

template <std::size_t N>
struct Codec<std::bitset<N>> {
  template <class Writer>
  static void save(Writer& writer, const std::bitset<N>& bits) {
    std::string bytes((N + 7) / 8, '\0');
    for (std::size_t i = 0; i < N; ++i) bytes[i / 8] = static_cast<char>(bytes[i / 8] | (bits[i] ? 1 : 0) << (i % 8));
    writer.put_raw(bytes.data(), bytes.size());
  }
  template <class Reader>
  static void load(Reader& reader, std::bitset<N>& bits) {
    std::string bytes((N + 7) / 8, '\0');
    reader.get_raw(bytes.data(), bytes.size());
    for (std::size_t i = 0; i < N; ++i) bits[i] = (bytes[i / 8] >> (i % 8) & 1) != 0;
  }
};

template <class T, class C>
struct Codec<std::queue<T, C>> : detail::AdaptorCodec<std::queue<T, C>> {};
template <class T, class C>
struct Codec<std::stack<T, C>> : detail::AdaptorCodec<std::stack<T, C>> {};
/// The order is kept: what travels is a heap.
template <class T, class C, class Less>
struct Codec<std::priority_queue<T, C, Less>> : detail::AdaptorCodec<std::priority_queue<T, C, Less>> {};

template <class T, class A>
struct Codec<std::forward_list<T, A>> {
  using Parts = std::tuple<T>;
  template <class Writer>
  static void save(Writer& writer, const std::forward_list<T, A>& list) {
    writer(std::vector<T>(list.begin(), list.end()));
  }
  template <class Reader>
  static void load(Reader& reader, std::forward_list<T, A>& list) {
    std::vector<T> elements;
    reader(elements);
    list.assign(std::make_move_iterator(elements.begin()), std::make_move_iterator(elements.end()));
  }
};

template <>
struct Codec<std::error_code> : detail::ErrorCodeCodec<std::error_code> {};
template <>
struct Codec<std::error_condition> : detail::ErrorCodeCodec<std::error_condition> {};

template <>
struct Codec<std::chrono::year_month_weekday> {
  template <class Writer>
  static void save(Writer& writer, const std::chrono::year_month_weekday& date) {
    writer(date.year(), date.month(), date.weekday_indexed());
  }
  template <class Reader>
  static void load(Reader& reader, std::chrono::year_month_weekday& date) {
    std::chrono::year year;
    std::chrono::month month;
    std::chrono::weekday_indexed day;
    reader(year, month, day);
    date = {year, month, day};
  }
};
template <class Duration>
struct Codec<std::chrono::hh_mm_ss<Duration>> {
  template <class Writer>
  static void save(Writer& writer, const std::chrono::hh_mm_ss<Duration>& time) {
    writer(time.to_duration());
  }
  template <class Reader>
  static void load(Reader& reader, std::chrono::hh_mm_ss<Duration>& time) {
    typename std::chrono::hh_mm_ss<Duration>::precision duration{};
    reader(duration);
    time = std::chrono::hh_mm_ss<Duration>(std::chrono::duration_cast<Duration>(duration));
  }
};

/// manta::Result too.
template <class T, class E>
struct Codec<tl::expected<T, E>> {
  using Parts =
      std::conditional_t<std::is_void_v<T>, std::tuple<E>, std::tuple<std::conditional_t<std::is_void_v<T>, E, T>, E>>;
  template <class Writer>
  static void save(Writer& writer, const tl::expected<T, E>& expected) {
    writer(expected.has_value());
    if (!expected) return static_cast<void>(writer(expected.error()));
    if constexpr (!std::is_void_v<T>) writer(*expected);
  }
  template <class Reader>
  static void load(Reader& reader, tl::expected<T, E>& expected) {
    bool has_value = false;
    reader(has_value);
    if (!has_value) {
      E error{};
      reader(error);
      expected = tl::unexpected<E>(std::move(error));
    } else if constexpr (std::is_void_v<T>) {
      expected = {};
    } else {
      T value{};
      reader(value);
      expected = std::move(value);
    }
  }
};

/// Eigen::Matrix and Array: the sizes that are not fixed, then the elements in the order in which they lie.
template <class T>
requires detail::EigenDense<T>
struct Codec<T> {
  using Parts = std::tuple<typename T::Scalar>;
  template <class Writer>
  static void save(Writer& writer, const T& matrix) {
    writer.put_size(static_cast<std::uint64_t>(matrix.rows()));
    writer.put_size(static_cast<std::uint64_t>(matrix.cols()));
    const auto size = static_cast<std::size_t>(matrix.size());
    if constexpr (std::is_trivially_copyable_v<typename T::Scalar>) {
      writer.put_bytes(matrix.data(), size * sizeof(typename T::Scalar));
    } else {
      for (std::size_t i = 0; i < size; ++i) writer(matrix.data()[i]);
    }
  }
  template <class Reader>
  static void load(Reader& reader, T& matrix) {
    const std::uint64_t rows = reader.get_size();
    const std::uint64_t columns = reader.get_size();
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 64;
    const auto fits = [](std::uint64_t size, int fixed, int most) {
      return (fixed < 0 || size == static_cast<std::uint64_t>(fixed)) &&
             (most < 0 || size <= static_cast<std::uint64_t>(most));
    };
    if (!fits(rows, T::RowsAtCompileTime, T::MaxRowsAtCompileTime) ||
        !fits(columns, T::ColsAtCompileTime, T::MaxColsAtCompileTime) ||
        (columns != 0 && rows > kMost / sizeof(typename T::Scalar) / columns)) {
      reader.fail("a matrix of " + std::to_string(rows) + " by " + std::to_string(columns));
    }
    const auto size = static_cast<std::size_t>(rows * columns);
    using Index = decltype(matrix.rows());
    if constexpr (std::is_trivially_copyable_v<typename T::Scalar>) {
      const std::size_t bytes = size * sizeof(typename T::Scalar);
      const std::byte* data = reader.view_bytes(bytes);  // there, before memory is taken for it
      matrix.resize(static_cast<Index>(rows), static_cast<Index>(columns));
      if (bytes != 0) std::memcpy(static_cast<void*>(matrix.data()), data, bytes);
    } else {
      if (size > reader.remaining()) reader.fail("a matrix of " + std::to_string(size) + " elements");
      matrix.resize(static_cast<Index>(rows), static_cast<Index>(columns));
      for (std::size_t i = 0; i < size; ++i) reader(matrix.data()[i]);
    }
  }
};

/// Eigen::SparseMatrix: sizes, then the compressed form.
template <class T>
requires(detail::EigenSparse<T>&& std::is_same_v<typename T::PlainObject, T>) struct Codec<T> {
  using Parts = std::tuple<typename T::Scalar>;
  using StorageIndex = typename T::StorageIndex;
  template <class Writer>
  static void save(Writer& writer, const T& matrix) {
    if (!matrix.isCompressed()) {
      T compressed(matrix);
      compressed.makeCompressed();
      save_compressed(writer, compressed);
    } else {
      save_compressed(writer, matrix);
    }
  }
  template <class Reader>
  static void load(Reader& reader, T& matrix) {
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    std::vector<StorageIndex> outer;
    std::vector<StorageIndex> inner;
    std::vector<typename T::Scalar> values;
    reader(rows, columns, outer, inner, values);
    const std::int64_t outers = T::IsRowMajor ? rows : columns;
    const std::int64_t inners = T::IsRowMajor ? columns : rows;
    bool valid = rows >= 0 && columns >= 0 && inner.size() == values.size() &&
                 outer.size() == static_cast<std::uint64_t>(outers) + 1 && outer.front() == 0 &&
                 outer.back() == static_cast<StorageIndex>(inner.size());
    for (std::size_t i = 1; valid && i < outer.size(); ++i) valid = outer[i] >= outer[i - 1];
    for (const StorageIndex index : inner) valid = valid && index >= 0 && index < inners;
    if (!valid) reader.fail("a sparse matrix whose indices do not fit each other");
    using Index = decltype(matrix.rows());
    matrix.resize(static_cast<Index>(rows), static_cast<Index>(columns));
    matrix.resizeNonZeros(static_cast<Index>(inner.size()));
    std::copy(outer.begin(), outer.end(), matrix.outerIndexPtr());
    std::copy(inner.begin(), inner.end(), matrix.innerIndexPtr());
    std::copy(values.begin(), values.end(), matrix.valuePtr());
  }

 private:
  template <class Writer>
  static void save_compressed(Writer& writer, const T& matrix) {
    const auto elements = static_cast<std::size_t>(matrix.nonZeros());
    const StorageIndex* outer = matrix.outerIndexPtr();
    const StorageIndex* inner = matrix.innerIndexPtr();
    const typename T::Scalar* values = matrix.valuePtr();
    writer(static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.cols()));
    writer(std::vector<StorageIndex>(outer, outer + matrix.outerSize() + 1));
    writer(std::vector<StorageIndex>(inner, inner + elements));
    writer(std::vector<typename T::Scalar>(values, values + elements));
  }
};

}  // namespace manta::serial

/// Values of refs that are not decoded for each reader: objects that the readers of a process share, vectors whose
/// elements stay where they lie, and types that read another type's encoding in place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include <manta/buffer.h>
#include <manta/detail/runtime_api.h>
#include <manta/serial/reader.h>

namespace manta::detail {

/// How a View reads the encoding of an X: specialise it with static View read(serial::Reader&).
template <class View, class X>
struct ReadAs;
template <class View, class X>
concept Reads = requires(serial::Reader& reader) {
  { ReadAs<View, X>::read(reader) } -> std::same_as<View>;
};
template <class View, class X>
View read_as(const ValueView& view) {
  serial::Reader reader(view.bytes, view.framed, view.keepalive);
  View value = ReadAs<View, X>::read(reader);
  reader.finish();
  return value;
}

/// The elements of an encoded std::vector<T>.
template <class T>
std::pair<Buffer, std::size_t> vector_elements(serial::Reader& reader) {
  const std::uint64_t count = reader.get_size();
  if (count > SIZE_MAX / sizeof(T)) reader.fail(std::to_string(count) + " elements");
  return {reader.get_block(count * sizeof(T)), static_cast<std::size_t>(count)};
}

/// Vectors that are, in libstdc++ and libc++, the addresses of their first element, of the end, and of the end of their
/// memory. (Those of -D_GLIBCXX_DEBUG are more.)
template <class V>
concept ThreePointers = serial::detail::BulkVector<V> && sizeof(V) == 3 * sizeof(void*) &&
                        std::is_same_v<V, std::vector<typename V::value_type>>;

template <ThreePointers V>
bool is_three_pointers() {
  static const bool is = [] {
    V vector;
    vector.reserve(3);
    vector.resize(2);
    const void* const expected[] = {vector.data(), vector.data() + 2, vector.data() + vector.capacity()};
    return std::memcmp(&vector, expected, sizeof expected) == 0;
  }();
  return is;
}

/// A const std::vector over elements that `elements` keeps. It is never destroyed, so it frees nothing.
template <ThreePointers V>
std::shared_ptr<const V> vector_over(Buffer elements, std::size_t count) {
  struct Over {
    alignas(V) std::byte place[sizeof(V)];
    Buffer elements;
  };
  auto over = std::make_shared<Over>();
  const auto* const first = reinterpret_cast<const typename V::value_type*>(elements.data);
  const void* const pointers[] = {first, first + count, first + count};
  std::memcpy(over->place, pointers, sizeof pointers);
  over->elements = std::move(elements);
  return {over, std::launder(reinterpret_cast<const V*>(over->place))};
}

template <class X>
struct SharedTag {
  static inline char tag = 0;
};

/// The value as a const X. Of a stored vector of plain elements: a vector whose elements lie in the store. Of another
/// stored value: the object that the first reader of this process has decoded, unless it refers to the store itself or
/// holds Refs, which keeping it would keep alive. Of any other: a new object.
///
/// Threading: any. Errors: those of decoding. X's const members must be safe to use from several threads.
template <class X>
std::shared_ptr<const X> shared_value(const ValueView& view) {
  serial::Reader reader(view.bytes, view.framed, view.keepalive);
  if constexpr (ThreePointers<X>) {
    if (view.framed && view.keepalive != nullptr && is_three_pointers<X>()) {
      auto [elements, count] = vector_elements<typename X::value_type>(reader);
      reader.finish();
      return vector_over<X>(std::move(elements), count);
    }
  }
  if (view.object) {
    if (auto known = find_shared(view.object, &SharedTag<X>::tag)) return std::static_pointer_cast<const X>(known);
  }
  std::shared_ptr<const X> value = std::make_shared<X>(serial::decode<X>(reader));
  reader.finish();
  if (!view.object || reader.refers() || reader.refs() > 0) return value;
  return std::static_pointer_cast<const X>(
      keep_shared(view.object, &SharedTag<X>::tag, std::move(value), view.bytes.size()));
}

}  // namespace manta::detail

// Reader's templates: how each kind of type is read. Included by reader.h; the mirror of save.h.
#pragma once

#include <cxxabi.h>

#include <new>
#include <typeindex>

#include <manta/detail/thrown.h>
#include <manta/error.h>
#include <manta/serial/reader.h>
#include <manta/serial/serializable.h>

namespace manta::serial {

template <class T>
void Reader::process(T& value) {
  using U = std::remove_cv_t<T>;
  if constexpr (detail::is_a<U, cereal::NameValuePair>) {
    process(value.value);
  } else if constexpr (detail::is_a<U, cereal::SizeTag>) {
    // The elements may be out of band, so the bound is the whole encoding.
    const std::uint64_t size = get_size();
    if (size > total()) fail("a size of " + std::to_string(size) + " is more than there are bytes");
    value.size = static_cast<std::remove_reference_t<decltype(value.size)>>(size);
  } else if constexpr (detail::is_a<U, cereal::BinaryData>) {
    get_bytes(const_cast<void*>(static_cast<const void*>(value.data)), static_cast<std::size_t>(value.size));
  } else if constexpr (detail::is_a<U, cereal::MapItem>) {
    process(value.key);
    process(value.value);
  } else if constexpr (detail::is_a<U, cereal::base_class>) {
    process(*value.base_ptr);
  } else if constexpr (detail::is_a<U, cereal::virtual_base_class>) {
    auto& base = *value.base_ptr;
    if (first_virtual_base(&base, typeid(base).hash_code())) process(base);
  } else if constexpr (detail::is_a<U, cereal::DeferredData>) {
    defer([this, value]() mutable { process(value.value); });
  } else if constexpr (std::is_const_v<T>) {
    static_assert(!sizeof(T*), "manta: a const object cannot be read into");
  } else {
    read(value);
  }
}

template <class T>
void Reader::read(T& value) {
  if constexpr (detail::Bulk<T>) {
    get_bytes(&value, sizeof value);
  } else if constexpr (std::is_same_v<T, bool>) {
    value = load_bool();
  } else if constexpr (std::is_enum_v<T>) {  // of bool: all others are bulk
    value = static_cast<T>(load_bool());
  } else if constexpr (std::is_array_v<T>) {
    for (auto& element : value) read(element);
  } else if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::monostate>) {
    // one value only: nothing to read
  } else if constexpr (detail::HandledStd<T>) {
    load_std(value);
  } else if constexpr (detail::HasCodec<T>) {
    Codec<T>::load(*this, value);
  } else if constexpr (detail::HasOwnFunctions<T>) {
    load_own(value);
  } else if constexpr (detail::PlainAggregate<T>) {
    load_fields(value);
  } else {
    detail::explain<T>();
  }
}

inline bool Reader::load_bool() {
  unsigned char byte = 0;
  get_raw(&byte, 1);
  if (byte > 1) [[unlikely]]
    fail("a bool of " + std::to_string(byte));
  return byte != 0;
}

template <class T>
void Reader::load_std(T& value) {
  if constexpr (detail::String<T> || detail::BulkVector<T>) {
    load_block(value);
  } else if constexpr (detail::Sequence<T> || detail::SetLike<T> || detail::MapLike<T>) {
    enter();
    load_elements(value);
    leave();
  } else if constexpr (detail::is_std_array<T>) {
    for (auto& element : value) read(element);
  } else if constexpr (detail::TupleLike<T>) {
    std::apply([this](auto&... fields) { (this->read(fields), ...); }, value);
  } else if constexpr (detail::is_a<T, std::optional>) {
    value.reset();
    if (load_bool()) read(value.emplace());
  } else if constexpr (detail::is_a<T, std::variant>) {
    load_variant(value);
  } else if constexpr (detail::is_a<T, std::unique_ptr>) {
    load_unique(value);
  } else {
    load_shared(value);
  }
}

/// Strings and vectors of bulk types.
template <class T>
void Reader::load_block(T& container) {
  using Element = typename T::value_type;
  const std::uint64_t count = get_size();
  if (count > total() / sizeof(Element)) [[unlikely]] {
    fail(std::to_string(count) + " elements of " + std::to_string(sizeof(Element)) + " bytes are more than there are");
  }
  const std::size_t size = static_cast<std::size_t>(count) * sizeof(Element);
  const std::byte* data = view_bytes(size);
  if constexpr (alignof(Element) == 1) {
    // One pass; resize would write zeros first.
    const auto* first = reinterpret_cast<const Element*>(data);
    container.assign(first, first + count);
  } else if (reinterpret_cast<std::uintptr_t>(data) % alignof(Element) == 0) {
    const auto* first = reinterpret_cast<const Element*>(data);
    container.assign(first, first + count);
  } else {
    container.resize(static_cast<std::size_t>(count));
    if (size != 0) std::memcpy(static_cast<void*>(container.data()), data, size);
  }
}

template <class T>
void Reader::load_elements(T& container) {
  const std::size_t count = get_count();
  const std::byte* const start = cursor();
  container.clear();
  if constexpr (requires { container.reserve(count); }) {
    // An element of few bytes may be large in memory: reserve in proportion to the bytes, and grow by what is read.
    container.reserve(std::min(count, 16 + 4 * remaining() / sizeof(typename T::value_type)));
  }
  for (std::size_t i = 0; i < count; ++i) load_element(container);
  const auto used = static_cast<std::size_t>(cursor() - start);
  if (used < count) skip(count - used);  // Writer's padding
}

template <class T>
void Reader::load_element(T& container) {
  if constexpr (detail::MapLike<T>) {
    typename T::key_type key{};
    typename T::mapped_type mapped{};
    read(key);
    read(mapped);
    container.emplace_hint(container.end(), std::move(key), std::move(mapped));
  } else if constexpr (detail::SetLike<T>) {
    typename T::value_type element{};
    read(element);
    container.emplace_hint(container.end(), std::move(element));
  } else if constexpr (std::is_same_v<typename T::value_type, bool>) {
    container.push_back(load_bool());
  } else {
    read(container.emplace_back());
  }
}

template <class T>
void Reader::load_variant(T& value) {
  const std::uint64_t index = get_size();
  const auto load_alternative = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return ((index == I && (read(value.template emplace<I>()), true)) || ...);
  };
  if (!load_alternative(std::make_index_sequence<std::variant_size_v<T>>())) {
    fail("alternative " + std::to_string(index) + " of a variant of " + std::to_string(std::variant_size_v<T>));
  }
}

template <class T>
void Reader::load_unique(T& pointer) {
  using Element = std::remove_const_t<typename T::element_type>;
  pointer.reset();
  if (!load_bool()) return;
  enter();
  std::unique_ptr<Element> made(cereal::access::construct<Element>());
  read(*made);
  pointer = std::move(made);
  leave();
}

template <class T>
void Reader::load_shared(T& pointer) {
  using Element = std::remove_const_t<typename T::element_type>;
  const std::uint64_t number = get_size();
  if (number == 0) return pointer.reset();
  if (auto known = find_shared(number, typeid(Element))) {
    pointer = std::static_pointer_cast<Element>(known);
    return;
  }
  enter();
  std::shared_ptr<Element> made(cereal::access::construct<Element>());
  add_shared(made, typeid(Element));  // before its contents, which may refer to it
  read(*made);
  pointer = std::move(made);
  leave();
}

template <class T>
void Reader::load_fields(T& value) {
  if constexpr (!std::is_empty_v<T>) {
    std::apply([this](auto&... fields) { (this->read(fields), ...); }, detail::fields_of(value));
  }
}

template <class T>
void Reader::load_own(T& value) {
  enter();
  call_own(value);
  leave();
}

template <class T>
void Reader::call_own(T& value) {
  namespace ct = cereal::traits;
  using cereal::access;
  using detail::selected;
  static_assert(detail::input_functions<T> == 1 && !ct::has_invalid_input_versioning<T, Reader>::value,
                "manta: this type has more than one serialize or load function that fits, or only a save function; "
                "see cereal::specialize");
  if constexpr (selected<ct::has_member_serialize, ct::is_specialized_member_serialize, T, Reader>) {
    access::member_serialize(*this, value);
  } else if constexpr (selected<ct::has_non_member_serialize, ct::is_specialized_non_member_serialize, T, Reader>) {
    CEREAL_SERIALIZE_FUNCTION_NAME(*this, value);
  } else if constexpr (selected<ct::has_member_load, ct::is_specialized_member_load, T, Reader>) {
    access::member_load(*this, value);
  } else if constexpr (selected<ct::has_non_member_load, ct::is_specialized_non_member_load, T, Reader>) {
    CEREAL_LOAD_FUNCTION_NAME(*this, value);
  } else if constexpr (selected<ct::has_member_load_minimal, ct::is_specialized_member_load_minimal, T, Reader>) {
    typename ct::has_member_save_minimal<T, Writer>::type minimal{};
    read(minimal);
    access::member_load_minimal(*this, value, minimal);
  } else if constexpr (selected<ct::has_non_member_load_minimal, ct::is_specialized_non_member_load_minimal, T,
                                Reader>) {
    typename ct::has_non_member_save_minimal<T, Writer>::type minimal{};
    read(minimal);
    CEREAL_LOAD_MINIMAL_FUNCTION_NAME(*this, value, minimal);
  } else if constexpr (selected<ct::has_member_versioned_serialize, ct::is_specialized_member_versioned_serialize, T,
                                Reader>) {
    access::member_serialize(*this, value, loadClassVersion<T>());
  } else if constexpr (selected<ct::has_non_member_versioned_serialize,
                                ct::is_specialized_non_member_versioned_serialize, T, Reader>) {
    CEREAL_SERIALIZE_FUNCTION_NAME(*this, value, loadClassVersion<T>());
  } else if constexpr (selected<ct::has_member_versioned_load, ct::is_specialized_member_versioned_load, T, Reader>) {
    access::member_load(*this, value, loadClassVersion<T>());
  } else if constexpr (selected<ct::has_non_member_versioned_load, ct::is_specialized_non_member_versioned_load, T,
                                Reader>) {
    CEREAL_LOAD_FUNCTION_NAME(*this, value, loadClassVersion<T>());
  } else if constexpr (selected<ct::has_member_versioned_load_minimal, ct::is_specialized_member_versioned_load_minimal,
                                T, Reader>) {
    const std::uint32_t version = loadClassVersion<T>();
    typename ct::has_member_versioned_save_minimal<T, Writer>::type minimal{};
    read(minimal);
    access::member_load_minimal(*this, value, minimal, version);
  } else {
    const std::uint32_t version = loadClassVersion<T>();
    typename ct::has_non_member_versioned_save_minimal<T, Writer>::type minimal{};
    read(minimal);
    CEREAL_LOAD_MINIMAL_FUNCTION_NAME(*this, value, minimal, version);
  }
}

template <class T>
std::uint32_t Reader::loadClassVersion() {
  const std::size_t hash = std::type_index(typeid(T)).hash_code();
  if (const std::uint32_t* known = find_version(hash)) return *known;
  std::uint32_t version = 0;
  read(version);
  add_version(hash, version);
  return version;
}

template <class T>
MANTA_CATCHES_FORCED_UNWIND T decode(Reader& reader) {
  static_assert(std::is_default_constructible_v<T>,
                "manta: a type that travels needs a default constructor, so that it can be read into");
  try {
    if constexpr (detail::Bulk<T>) {
      T value;  // not zeroed first: every byte is read
      reader(value);
      return value;
    } else {
      T value{};
      reader(value);
      return value;
    }
  } catch (const manta::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw manta::Error(manta::ErrorCode::exhausted, "no memory is left to read a value into");
  } catch (abi::__forced_unwind&) {
    throw;         // the thread is being cancelled
  } catch (...) {  // of cereal's code, the standard library's, the user's load function
    reader.fail(manta::detail::thrown_text());
  }
}

// --- what cereal's headers look for when they ask whether an archive takes binary data, sizes and numbers ---

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, T& value) { reader(value); }
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(Reader& reader, cereal::BinaryData<T>& data) {
  reader(data);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Reader& reader, cereal::NameValuePair<T>& pair) {
  reader(pair);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Reader& reader, cereal::SizeTag<T>& size) {
  reader(size);
}

}  // namespace manta::serial

CEREAL_SETUP_ARCHIVE_TRAITS(manta::serial::Reader, manta::serial::Writer)
CEREAL_REGISTER_ARCHIVE(manta::serial::Writer)  // for polymorphic pointers
CEREAL_REGISTER_ARCHIVE(manta::serial::Reader)

// Writer's templates: how each kind of type is written. Included by writer.h.
#pragma once

#include <typeindex>

#include <manta/serial/serializable.h>
#include <manta/serial/writer.h>

namespace manta::serial {

/// What a user's function (or the outermost caller) hands to the archive: unwraps cereal's wrappers, and decides
/// whether the value lives long enough for its large parts to be recorded rather than copied.
template <bool IsLvalue, class T>
void Writer::pass(const T& value) {
  if constexpr (detail::is_a<T, cereal::NameValuePair>) {
    pass<std::is_reference_v<decltype(value.value)>>(value.value);
  } else if constexpr (detail::is_a<T, cereal::SizeTag>) {
    put_size(static_cast<std::uint64_t>(value.size));
  } else if constexpr (detail::is_a<T, cereal::BinaryData>) {
    const bool outer = std::exchange(stable_, stable_ && in_scope(value.data));
    put_bytes(value.data, static_cast<std::size_t>(value.size));
    stable_ = outer;
  } else if constexpr (detail::is_a<T, cereal::MapItem>) {
    pass<std::is_reference_v<decltype(value.key)>>(value.key);
    pass<std::is_reference_v<decltype(value.value)>>(value.value);
  } else if constexpr (detail::is_a<T, cereal::base_class>) {
    pass<true>(*value.base_ptr);
  } else if constexpr (detail::is_a<T, cereal::virtual_base_class>) {
    const auto& base = *value.base_ptr;
    if (first_virtual_base(&base, typeid(base).hash_code())) pass<true>(base);
  } else if constexpr (detail::is_a<T, cereal::DeferredData>) {
    const bool lasting = std::is_reference_v<decltype(value.value)> && stable_ && in_scope(&value.value);
    defer([this, lasting, value] {
      const bool outer = std::exchange(stable_, lasting);
      write(value.value);
      stable_ = outer;
    });
  } else if constexpr (detail::may_be_large<T>) {
    const bool outer = std::exchange(stable_, stable_ && IsLvalue && in_scope(&value));
    write(value);
    stable_ = outer;
  } else {
    write(value);
  }
}

template <class T>
void Writer::write(const T& value) {
  if constexpr (detail::Bulk<T>) {
    put_bytes(&value, sizeof value);
  } else if constexpr (std::is_same_v<T, bool>) {
    const auto byte = static_cast<unsigned char>(value);
    put_raw(&byte, 1);
  } else if constexpr (std::is_enum_v<T>) {  // of bool: all others are bulk
    write(static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (std::is_array_v<T>) {
    for (const auto& element : value) write(element);
  } else if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::monostate>) {
    // one value only: nothing to write
  } else if constexpr (detail::HandledStd<T>) {
    save_std(value);
  } else if constexpr (detail::HasCodec<T>) {
    Codec<T>::save(*this, value);
  } else if constexpr (detail::HasOwnFunctions<T>) {
    save_own(value);
  } else if constexpr (detail::PlainAggregate<T>) {
    save_fields(value);
  } else {
    detail::explain<T>();
  }
}

template <class T>
void Writer::save_std(const T& value) {
  if constexpr (detail::String<T>) {
    put_size(value.size());
    put_bytes(value.data(), value.size() * sizeof(typename T::value_type));
  } else if constexpr (detail::BulkVector<T>) {
    put_size(value.size());
    put_bytes(value.data(), value.size() * sizeof(typename T::value_type));
  } else if constexpr (detail::Sequence<T> || detail::SetLike<T> || detail::MapLike<T>) {
    enter();
    save_elements(value);
    leave();
  } else if constexpr (detail::is_std_array<T>) {
    for (const auto& element : value) write(element);
  } else if constexpr (detail::TupleLike<T>) {
    std::apply([this](const auto&... fields) { (this->write(fields), ...); }, value);
  } else if constexpr (detail::is_a<T, std::optional>) {
    write(value.has_value());
    if (value) write(*value);
  } else if constexpr (detail::is_a<T, std::variant>) {
    if (value.valueless_by_exception()) refuse_valueless();
    put_size(value.index());
    std::visit([this](const auto& held) { this->write(held); }, value);
  } else if constexpr (detail::is_a<T, std::unique_ptr>) {
    save_unique(value);
  } else {
    save_shared(value);
  }
}

template <class T>
void Writer::save_elements(const T& container) {
  put_size(container.size());
  const std::size_t start = stream_size();
  for (const auto& element : container) {
    if constexpr (detail::MapLike<T>) {
      write(element.first);
      write(element.second);
    } else {
      write<typename T::value_type>(element);  // explicit for the proxies of vector<bool>
    }
  }
  // Elements may be empty types; a reader bounds the count by the bytes that are left, so each takes one at least.
  pad_to(start + container.size());
}

template <class T>
void Writer::save_unique(const T& pointer) {
  write(pointer != nullptr);
  if (!pointer) return;
  enter();
  write(*pointer);
  leave();
}

/// Two pointers to one object are written once, and arrive as two pointers to one object. Number 0 is null; the next
/// unused number announces an object, a used one repeats it.
template <class T>
void Writer::save_shared(const T& pointer) {
  if (!pointer) return put_size(0);
  const auto [number, is_new] = number_shared(pointer, typeid(typename T::element_type));
  put_size(number);
  if (!is_new) return;
  enter();
  write(*pointer);
  leave();
}

template <class T>
void Writer::save_fields(const T& value) {
  if constexpr (!std::is_empty_v<T>) {
    std::apply([this](const auto&... fields) { (this->write(fields), ...); }, detail::fields_of(value));
  }
}

template <class T>
void Writer::save_own(const T& value) {
  const Scope outer = scope_;
  if constexpr (detail::is_pass_through<T>) {
    scope_ = {};
  } else {
    scope_ = {&value, &value + 1};
  }
  enter();
  call_own(value);
  leave();
  scope_ = outer;
}

template <class T>
void Writer::call_own(const T& value) {
  namespace ct = cereal::traits;
  using cereal::access;
  using detail::selected;
  static_assert(detail::output_functions<T> == 1 && !ct::has_invalid_output_versioning<T, Writer>::value,
                "manta: this type has more than one serialize or save function that fits, or only a load function; "
                "see cereal::specialize");
  T& mutable_value = const_cast<T&>(value);  // serialize() is not const; cereal does the same
  if constexpr (selected<ct::has_member_serialize, ct::is_specialized_member_serialize, T, Writer>) {
    access::member_serialize(*this, mutable_value);
  } else if constexpr (selected<ct::has_non_member_serialize, ct::is_specialized_non_member_serialize, T, Writer>) {
    CEREAL_SERIALIZE_FUNCTION_NAME(*this, mutable_value);
  } else if constexpr (selected<ct::has_member_save, ct::is_specialized_member_save, T, Writer>) {
    access::member_save(*this, value);
  } else if constexpr (selected<ct::has_non_member_save, ct::is_specialized_non_member_save, T, Writer>) {
    CEREAL_SAVE_FUNCTION_NAME(*this, value);
  } else if constexpr (selected<ct::has_member_save_minimal, ct::is_specialized_member_save_minimal, T, Writer>) {
    process(access::member_save_minimal(*this, value));
  } else if constexpr (selected<ct::has_non_member_save_minimal, ct::is_specialized_non_member_save_minimal, T,
                                Writer>) {
    process(CEREAL_SAVE_MINIMAL_FUNCTION_NAME(*this, value));
  } else if constexpr (selected<ct::has_member_versioned_serialize, ct::is_specialized_member_versioned_serialize, T,
                                Writer>) {
    access::member_serialize(*this, mutable_value, class_version<T>());
  } else if constexpr (selected<ct::has_non_member_versioned_serialize,
                                ct::is_specialized_non_member_versioned_serialize, T, Writer>) {
    CEREAL_SERIALIZE_FUNCTION_NAME(*this, mutable_value, class_version<T>());
  } else if constexpr (selected<ct::has_member_versioned_save, ct::is_specialized_member_versioned_save, T, Writer>) {
    access::member_save(*this, value, class_version<T>());
  } else if constexpr (selected<ct::has_non_member_versioned_save, ct::is_specialized_non_member_versioned_save, T,
                                Writer>) {
    CEREAL_SAVE_FUNCTION_NAME(*this, value, class_version<T>());
  } else if constexpr (selected<ct::has_member_versioned_save_minimal, ct::is_specialized_member_versioned_save_minimal,
                                T, Writer>) {
    process(access::member_save_minimal(*this, value, class_version<T>()));
  } else {
    process(CEREAL_SAVE_MINIMAL_FUNCTION_NAME(*this, value, class_version<T>()));
  }
}

/// The version that CEREAL_CLASS_VERSION gave T; it travels once for each class.
template <class T>
std::uint32_t Writer::class_version() {
  const std::size_t hash = std::type_index(typeid(T)).hash_code();
  const auto lock = cereal::detail::StaticObject<cereal::detail::Versions>::lock();
  const std::uint32_t version = cereal::detail::StaticObject<cereal::detail::Versions>::getInstance().find(
      hash, cereal::detail::Version<T>::version);
  if (first_version(hash)) write(version);
  return version;
}

// --- what cereal's headers look for when they ask whether an archive takes binary data, sizes and numbers ---

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(Writer& writer, const T& value) { writer(value); }
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(Writer& writer, const cereal::BinaryData<T>& data) {
  writer(data);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Writer& writer, cereal::NameValuePair<T>& pair) {
  writer(pair);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(Writer& writer, cereal::SizeTag<T>& size) {
  writer(size);
}

}  // namespace manta::serial

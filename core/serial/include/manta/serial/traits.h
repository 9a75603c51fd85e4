// Which way a type is serialised. Shared by Writer and Reader, so that both take the same way.
#pragma once

#include <manta/detail/compiler.h>

#include <array>
#include <chrono>
#include <complex>
#include <cstddef>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include <cereal/cereal.hpp>
#include <cereal/types/base_class.hpp>

#include <manta/serial/fields.h>
#include <manta/serial/std_codecs.h>

namespace cereal {
// Of <cereal/types/memory.hpp>, which is for pointers to polymorphic types: its static objects cost each file of
// code a tenth of its compile time, and lld 14 loses them where only some files are compiled with -flto=full.
namespace memory_detail {
template <class T>
struct PtrWrapper;
}
/// Bases of our archives, in this namespace so that the functions of cereal's headers (queue.hpp, ...) are found.
struct MantaOutputArchive : detail::OutputArchiveBase {};
struct MantaInputArchive : detail::InputArchiveBase {};
}  // namespace cereal

namespace manta::serial {

class Writer;
class Reader;

/// How a type that is not yours is serialised: specialise it with
///     static void save(Writer&, const T&);   static void load(Reader&, T&);
/// The hook of manta::Ref, manta::Buffer and tensors. For your own types write serialize() as cereal has it.
template <class T>
struct Codec;

/// Contiguous data of this size and above travels out of band: it is recorded, not copied into the stream.
inline constexpr std::size_t kOutOfBandBytes = 4096;
/// Where such data starts in an encoding: a multiple of this from its first byte.
inline constexpr std::size_t kBufferAlignment = 64;
/// Nesting of pointers, containers and user-defined types beyond this is refused on both sides: hostile bytes must not
/// exhaust the stack.
inline constexpr std::uint32_t kMaxDepth = 1000;

namespace detail {

template <class T, template <class...> class Template>
inline constexpr bool is_a = false;
template <template <class...> class Template, class... As>
inline constexpr bool is_a<Template<As...>, Template> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_any_span = false;
template <class T, std::size_t N>
inline constexpr bool is_any_span<std::span<T, N>> = true;

template <class T>
concept HasCodec = requires {
  sizeof(Codec<T>);
};

template <class T>
concept String = is_a<T, std::basic_string>;
template <class T>
concept View = is_a<T, std::basic_string_view> || is_any_span<T>;
/// Containers whose elements are appended one by one.
template <class T>
concept Sequence = is_a<T, std::vector> || is_a<T, std::deque> || is_a<T, std::list>;
template <class T>
concept MapLike =
    is_a<T, std::map> || is_a<T, std::multimap> || is_a<T, std::unordered_map> || is_a<T, std::unordered_multimap>;
template <class T>
concept SetLike =
    is_a<T, std::set> || is_a<T, std::multiset> || is_a<T, std::unordered_set> || is_a<T, std::unordered_multiset>;
template <class T>
concept TupleLike = is_a<T, std::tuple> || is_a<T, std::pair>;

// --- the user's own functions, by cereal's rules ---

namespace ct = cereal::traits;

/// Number of ways in which cereal's conventions provide for T; two or more are ambiguous.
template <class T>
inline constexpr int output_functions = ct::detail::count_output_serializers<T, Writer>::value;
template <class T>
inline constexpr int input_functions = ct::detail::count_input_serializers<T, Reader>::value;
template <class T>
concept HasOwnFunctions = std::is_class_v<T> &&(output_functions<T> > 0 || input_functions<T> > 0);

/// Whether the function that Has finds is the one to call (cereal::specialize resolves ambiguities).
template <template <class, class> class Has, template <class, class> class Specialized, class T, class Archive>
inline constexpr bool selected = Has<T, Archive>::value &&
                                 (Specialized<T, Archive>::value || !ct::is_specialized<T, Archive>::value);

/// Pointers that we handle ourselves; cereal's headers take polymorphic types and load_and_construct.
template <class T>
concept PlainPointee = !std::is_polymorphic_v<T> && !std::is_void_v<T> && !std::is_array_v<T> &&
                       !ct::has_load_and_construct<T, Reader>::value;

// --- plain aggregates ---

template <class T>
concept PlainAggregate = std::is_class_v<T> && std::is_aggregate_v<T> && !is_std_array<T> && !HasOwnFunctions<T> &&
                         !HasCodec<T> && Decomposable<T>;

template <class T>
inline constexpr bool is_bulk = false;

/// No padding: the fields' bytes are the object's bytes, so that one copy writes what field by field would.
template <class T, class Fields>
inline constexpr bool fields_are_bulk = false;
template <class T, class... Fs>
inline constexpr bool fields_are_bulk<T, std::tuple<Fs&...>> = (is_bulk<Fs> && ...) &&
                                                               (sizeof(Fs) + ... + 0) == sizeof(T);

/// Types whose bytes are their encoding: any bytes of that size are a value. (Not bool: 2 is none.)
template <class T>
requires(std::is_arithmetic_v<T>&& std::is_same_v<T, std::remove_cv_t<T>> &&
         !std::is_same_v<T, bool>) inline constexpr bool is_bulk<T> = true;
template <class T>
requires(std::is_enum_v<T>&& std::is_same_v<T, std::remove_cv_t<T>>) inline constexpr bool is_bulk<T> =
    is_bulk<std::underlying_type_t<T>>;
template <class T>
inline constexpr bool is_bulk<std::complex<T>> = is_bulk<T>;
template <class T, std::size_t N>
inline constexpr bool is_bulk<std::array<T, N>> = N != 0 && is_bulk<T>;
template <class T, std::size_t N>
inline constexpr bool is_bulk<T[N]> = is_bulk<T>;
template <class R, class P>
inline constexpr bool is_bulk<std::chrono::duration<R, P>> = is_bulk<R>;
template <class C, class D>
inline constexpr bool is_bulk<std::chrono::time_point<C, D>> = is_bulk<D>;
template <class T>
requires is_calendar<T>
inline constexpr bool is_bulk<T> = true;
/// Of fixed size: the elements and nothing else.
template <EigenDense T>
requires(T::RowsAtCompileTime > 0 && T::ColsAtCompileTime > 0) inline constexpr bool is_bulk<T> =
    is_bulk<typename T::Scalar> &&
    sizeof(T) == sizeof(typename T::Scalar) * T::RowsAtCompileTime * T::ColsAtCompileTime;
template <PlainAggregate T>
requires(std::is_trivially_copyable_v<T> &&
         !std::is_empty_v<T>) inline constexpr bool is_bulk<T> = fields_are_bulk<T, FieldRefs<T>>;

template <class T>
concept Bulk = is_bulk<T>;

/// Whether a value may bring data of kOutOfBandBytes and more, so that where it lives matters.
template <class T>
inline constexpr bool may_be_large = !(std::is_scalar_v<T> || (is_bulk<T> && sizeof(T) < kOutOfBandBytes));

// --- cereal's wrappers, which only pass on what they refer to ---

template <class T>
inline constexpr bool is_pass_through = false;
template <class T>
inline constexpr bool is_pass_through<cereal::memory_detail::PtrWrapper<T>> = true;
template <class K, class V>
inline constexpr bool is_pass_through<cereal::MapItem<K, V>> = true;
template <class T, class D>
inline constexpr bool is_pass_through<std::unique_ptr<T, D>> = true;
template <class T>
inline constexpr bool is_pass_through<std::shared_ptr<T>> = true;
template <class T>
inline constexpr bool is_pass_through<std::weak_ptr<T>> = true;

}  // namespace detail
}  // namespace manta::serial

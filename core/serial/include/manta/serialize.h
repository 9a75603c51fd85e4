// What may be an argument or a result of a task, and how to make a type of your own one.
//
// Taken as they are: numbers, enums, std::string, vector, deque, list, forward_list, array, map, set (unordered,
// multi), queue, stack, priority_queue, optional, variant, monostate, pair, tuple, unique_ptr, shared_ptr, bitset,
// complex, durations, time points and dates of <chrono>, filesystem::path, error_code and error_condition (of the
// standard categories) of such; plain aggregates (structs without constructors, base classes and C arrays); manta::Ref,
// Buffer, Error and Result; Eigen's Matrix, Array and SparseMatrix, also fixed; with <manta/torch.h> tensors. Refused
// are what owns no data (pointers, string_view, span, reference_wrapper, Eigen's maps and expressions) and what is of
// one process (threads, mutexes, streams, std::function, std::any). Everything else needs cereal's conventions:
//
//   class Model {
//    public:
//     template <class Archive>
//     void serialize(Archive& archive) { archive(name_, weights_); }   // or save and load, or free functions
//    private:
//     std::string name_;
//     std::vector<float> weights_;                                     // from 4 KiB on sent without a copy in between
//   };
//
// Further headers of cereal work too: <cereal/types/polymorphic.hpp>, valarray.hpp, ...
#pragma once

#include <manta/buffer.h>
#include <manta/error.h>
#include <manta/serial/reader.h>
#include <manta/serial/serializable.h>
#include <manta/serial/writer.h>

namespace manta {

using serial::Serializable;

namespace detail {
[[noreturn]] void throw_empty_ref();
}

template <>
struct serial::Codec<Buffer> {
  static void save(Writer& writer, const Buffer& buffer) { writer.put_buffer(buffer); }
  static void load(Reader& reader, Buffer& buffer) { buffer = reader.get_buffer(); }
};

/// With the details of a task's failure.
template <>
struct serial::Codec<Error> {
  static void save(Writer& writer, const Error& error);
  static void load(Reader& reader, Error& error);
};

}  // namespace manta

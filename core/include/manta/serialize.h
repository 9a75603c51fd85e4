// What may be an argument or a result of a task, and how to make a type of your own one.
//
// Taken as they are: numbers, enums, std::string, vector, array, map, set, optional, variant, pair, tuple, unique_ptr,
// shared_ptr, chrono and complex of such; plain aggregates (structs without constructors, base classes and C arrays);
// manta::Ref; manta::Buffer; with <manta/torch.h> tensors. Everything else needs cereal's conventions:
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
// Further headers of cereal work too: <cereal/types/polymorphic.hpp>, bitset.hpp, queue.hpp, ...
#pragma once

#include <manta/buffer.h>
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

}  // namespace manta

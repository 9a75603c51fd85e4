// Encoding and decoding in tests.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include <manta/serialize.h>

namespace manta::testing {

// An encoding, at an address that is a multiple of 64 and in memory of exactly its size (so that ASan sees overruns).
class Encoding {
 public:
  explicit Encoding(const serial::Writer& writer) : Encoding(writer.encoded_size(), writer.framed()) {
    writer.encode_into(memory_.get());
  }
  Encoding(std::span<const std::byte> bytes, bool framed) : Encoding(bytes.size(), framed) {
    if (!bytes.empty()) std::memcpy(memory_.get(), bytes.data(), bytes.size());
  }

  std::span<std::byte> bytes() const { return {memory_.get(), size_}; }
  bool framed() const { return framed_; }
  std::shared_ptr<const void> keepalive() const { return memory_; }

 private:
  Encoding(std::size_t size, bool framed) : size_(size), framed_(framed) {
    constexpr std::align_val_t kAlignment{serial::kBufferAlignment};
    memory_ = std::shared_ptr<std::byte>(static_cast<std::byte*>(::operator new(size, kAlignment)),
                                         [](std::byte* p) { ::operator delete(p, kAlignment); });
  }

  std::size_t size_;
  bool framed_;
  std::shared_ptr<std::byte> memory_;
};

template <class T>
Encoding encode(const T& value) {
  serial::Writer writer;
  writer(value);
  return Encoding(writer);
}

template <class T>
T decode(const Encoding& encoding) {
  serial::Reader reader(encoding.bytes(), encoding.framed(), encoding.keepalive());
  T value = serial::decode<T>(reader);
  reader.finish();
  return value;
}

template <class T>
T round_trip(const T& value) {
  return decode<T>(encode(value));
}

}  // namespace manta::testing
